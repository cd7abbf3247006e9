"""The seam for rerankers: the columns they get and the answers they may give."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.errors import QueryError
from hybrid.rerank import Reranker, features, rerank
from hybrid.settings import Profile
from hybrid.types import Candidates
from tests.contracts.fusion import candidates

LEXICAL = candidates({5: 9.0, 2: 6.0})
VECTOR = candidates({7: 0.9, 5: 0.8, 1: 0.1})
FUSED = candidates({5: 0.04, 7: 0.03, 2: 0.02})
NAN = float("nan")


def always(answer: Any) -> Reranker:
    def reranker(*_args: Any, **_named: Any) -> Any:
        return answer

    return reranker


def test_features_are_columns_aligned_with_the_candidates() -> None:
    columns = features(FUSED, [LEXICAL, VECTOR])
    expected = {
        "fused_score": [0.04, 0.03, 0.02],
        "lexical_score": [9, NAN, 6],
        "lexical_rank": [1, NAN, 2],
        "vector_score": [0.8, 0.9, NAN],
        "vector_rank": [2, 1, NAN],
    }
    assert columns.keys() == expected.keys()
    for name, column in columns.items():
        assert column.dtype == np.float32
        np.testing.assert_allclose(column, expected[name], rtol=1e-6)


def test_a_leg_that_was_not_asked_is_nan_throughout() -> None:
    columns = features(FUSED, [LEXICAL, Candidates.none()])
    assert np.isnan(columns["vector_score"]).all()
    assert np.isnan(columns["vector_rank"]).all()


def test_no_candidates_have_empty_columns() -> None:
    columns = features(Candidates.none(), [LEXICAL, VECTOR])
    assert {column.shape for column in columns.values()} == {(0,)}


def test_rerank_gives_the_reranker_what_it_needs() -> None:
    def by_vector(
        query: str | None, candidates: Candidates, features: Mapping[str, NDArray[np.float32]]
    ) -> Candidates:
        assert query == "red shoes"
        return Candidates.ranked(candidates.ordinals, np.nan_to_num(features["vector_score"], nan=-1))

    answer = rerank(by_vector, "red shoes", FUSED, features(FUSED, [LEXICAL, VECTOR]))
    assert answer.ordinals.tolist() == [7, 5, 2]


@pytest.mark.parametrize(
    "answer", [FUSED, candidates({2: 9.0}), Candidates.none(), candidates({5: 1.0, 2: 1.0, 7: 1.0})]
)
def test_a_permutation_or_a_part_is_fine(answer: Candidates) -> None:
    assert rerank(always(answer), None, FUSED, features(FUSED, [LEXICAL, VECTOR])) is answer


def made(ordinals: list[int], scores: list[float]) -> Candidates:
    return Candidates(np.array(ordinals, np.int64), np.array(scores, np.float32))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ([5, 7], "returned a list"),
        (made([5, 7], [1]), "shapes"),
        (made([5, 5], [2, 1]), "twice"),
        (made([5, 1], [2, 1]), "did not get"),
        (made([5, 7], [NAN, 1]), "NaN"),
        (made([5, 7], [np.inf, 1]), "infinite"),
        (made([5, 7], [1, 2]), "not sorted"),
        (made([7, 5], [1, 1]), "not sorted"),
    ],
)
def test_a_broken_answer_is_refused(answer: Any, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        rerank(always(answer), None, FUSED, features(FUSED, [LEXICAL, VECTOR]))


def test_asking_for_more_than_the_reranker_is_given_goes_on_in_the_fused_order(tmp_path: Path) -> None:
    def backwards(
        query: str | None, given: Candidates, columns: Mapping[str, NDArray[np.float32]]
    ) -> Candidates:
        return Candidates.ranked(given.ordinals, -given.scores)

    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(Document(f"d{i}", "word " * (i + 1)) for i in range(9))
        plain = [hit.id for hit in index.search("word", k=9)]
        few = index.search("word", k=3, depth=4, reranker=backwards)
        assert [hit.id for hit in few] == [*plain[3:0:-1]]
        index.install(Profile(depth=4))
        many = index.search("word", k=9, reranker=backwards)
        assert [hit.id for hit in many] == [*plain[3::-1], *plain[4:]]
        assert all(a.score >= b.score for a, b in pairwise(many))
