"""Boosts: of equals the newer, or the more popular one, stands first."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Document, Index
from hybrid.errors import QueryError, SettingsError
from hybrid.rerank import Popularity, Recency, rerank
from hybrid.types import Candidates
from tests.ties import by_ties

NAN = float("nan")
DAY = 86_400.0
NOW = datetime(2026, 7, 1, tzinfo=UTC).timestamp()


def fused(*scores: float) -> Candidates:
    return Candidates(np.arange(len(scores)), np.array(scores, np.float32))


def column(*values: float) -> dict[str, Any]:
    return {"metadata.x": np.array(values, np.float32)}


def test_a_boost_halves_with_every_half_life() -> None:
    ages = column(NOW - 60 * DAY, NOW, NOW - 30 * DAY)
    found = rerank(Recency("x", 30, 2.0, NOW), "q", fused(1, 1, 1), ages)
    assert found.ordinals.tolist() == [1, 2, 0]
    np.testing.assert_allclose(found.scores, [2, 2 / 2, 2 / 4], rtol=1e-3)  # float32 knows two minutes


def test_what_lies_ahead_is_as_good_as_new_and_without_a_date_is_no_boost() -> None:
    dates = column(NAN, NOW + 300 * DAY, 0)
    found = rerank(Recency("x", 30, 1.0, NOW), "q", fused(1, 1, 1), dates)
    assert found.ordinals.tolist() == [1, 0, 2]
    np.testing.assert_allclose(found.scores, [1, 0, 0], atol=1e-6)


def test_the_time_is_that_of_the_query_unless_it_is_said() -> None:
    recent, old = datetime.now(UTC).timestamp() - DAY, NOW - 4000 * DAY
    assert rerank(Recency("x", 30), "q", fused(1, 1), column(old, recent)).scores[0] > 0.9
    assert rerank(Recency("x", 30, now=old), "q", fused(1, 1), column(old, NAN)).scores[0] == 1


def test_popularity_counts_by_its_logarithm() -> None:
    found = rerank(Popularity("x", 0.5), "q", fused(1, 1, 1, 1), column(NAN, 9, 99, -5))
    assert found.ordinals.tolist() == [2, 1, 0, 3]
    np.testing.assert_allclose(found.scores, [0.5 * math.log(100), 0.5 * math.log(10), 0, 0], rtol=1e-6)


def test_a_boost_is_weighed_against_the_fused_score() -> None:
    # z of (3, 2, 1) is (1.22, 0, -1.22)
    assert rerank(Popularity("x", 1.0), "q", fused(3, 2, 1), column(0, 0, 9)).ordinals[0] == 0
    assert rerank(Popularity("x", 1.1), "q", fused(3, 2, 1), column(0, 0, 9)).ordinals[0] == 2


VALUES = st.one_of(st.floats(width=32), st.just(NAN))


@given(st.lists(st.tuples(st.floats(-1e6, 1e6, width=32), VALUES), max_size=8), st.floats(0, 100))
def test_whatever_the_metadata_hold_the_answer_is_one(
    rows: list[tuple[float, float]], weight: float
) -> None:
    candidates = fused(*sorted((score for score, _ in rows), reverse=True))
    known = column(*(value for _, value in rows))
    for reranker in (Recency("x", 7, weight, NOW), Popularity("x", weight)):
        assert len(rerank(reranker, "q", candidates, known)) == len(rows)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Recency("x", 0), "half_life is 0; it must be a number of days above 0"),
        (lambda: Recency("x", math.inf), "half_life is inf"),
        (lambda: Recency("x", 1, -1), "Recency: weight is -1"),
        (lambda: Popularity("x", NAN), "Popularity: weight is nan"),
    ],
)
def test_what_it_cannot_be_is_refused(make: Any, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        make()


def test_without_its_feature_it_says_what_it_needs() -> None:
    with pytest.raises(SettingsError, match=r"needs the feature 'metadata\.x'"):
        rerank(Popularity("x"), "q", fused(1), {})


def test_in_a_search(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(
            [
                Document("old", "kettle", metadata={"date": "2020-01-01", "sold": 900, "seen": {"n": 1}}),
                Document("none", "kettle"),
                Document("odd", "kettle", metadata={"date": "soon", "sold": "many"}),
                Document("new", "kettle", metadata={"date": "2026-06-30T12:00:00Z", "sold": 1e300}),
            ]
        )
        recent = index.search("kettle", reranker=Recency("date", 30, now=NOW))
        assert [hit.id for hit in recent] == ["new", "old", *by_ties(["none", "odd"])]
        assert recent.hits[0].score == pytest.approx(2 ** (-0.5 / 30), abs=1e-3)
        assert recent.hits[2].score == 0
        popular = index.search("kettle", reranker=Popularity("sold"))
        assert [hit.id for hit in popular] == ["new", "old", *by_ties(["none", "odd"])]
        nested = index.search("kettle", reranker=Popularity("seen.n"), filter={"date": "2020-01-01"})
        assert [hit.id for hit in nested] == ["old"]
        assert len(index.search("unknown", reranker=Recency("date", 30))) == 0
