"""The control: what a bonus for documents known from training gains by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from hybrid.learn.contest import ndcg, silent
from hybrid.learn.control import BONUSES, control, raised
from hybrid.learn.split import Sample, Split
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Qrels, Run

TRAIN = Sample({"t": "an old question"}, {"t": {"asked for": 1, "not relevant": 0}})
HITS = [("a", 4.0), ("not relevant", 3.0), ("b", 2.0), ("asked for", 1.0)]
"""Of standard deviation sqrt(1.25)."""


class Double:
    """Every query has the same hits."""

    def __init__(self) -> None:
        self.profiles = Profiles.first(Profile())
        self.asked = 0

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], *, k: int, lacking: Lacking
    ) -> list[Run]:
        assert list(profiles) == [self.profiles.serving]
        assert k == 100
        self.asked += len(queries)
        return [dict.fromkeys(queries, HITS)]


def queries(qrels: Qrels) -> Split:
    return Split(TRAIN, Sample({query: f"text {query}" for query in qrels}, qrels), {})


def test_known_documents_rise_by_standard_deviations_of_the_list() -> None:
    [hits] = raised({"q": HITS}, {"asked for"}, 2.0).values()
    assert [id for id, _ in hits] == ["a", "asked for", "not relevant", "b"]
    assert hits[1][1] == pytest.approx(1 + 2 * 1.25**0.5)
    assert raised({"q": HITS, "none": []}, {"elsewhere"}, 2.0) == {"q": HITS, "none": []}


def test_the_bonus_that_gains_most_where_documents_are_known_is_taken() -> None:
    index = Double()
    found = control(index, queries({"known": {"asked for": 1}, "new": {"b": 1}}), ndcg(), silent)
    assert found is not None
    # Two standard deviations lift the fourth to the second place, above b, which falls to the fourth.
    assert max(BONUSES) == 2
    assert found.tolist() == pytest.approx([1 / 1.5849625, 1 / 2.3219281])
    assert index.asked == 2


def test_where_no_document_is_known_nothing_is_asked() -> None:
    index = Double()
    split = queries({"new": {"b": 1, "asked for": 0}, "also": {"not relevant": 1}})
    assert not split.known.any()
    assert control(index, split, ndcg(), silent) is None
    assert index.asked == 0
