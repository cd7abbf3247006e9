"""Maximal marginal relevance: the same thing is not said twice in a row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.errors import QueryError, SettingsError
from hybrid.rerank import MMR, rerank
from hybrid.types import Candidates

NAN = float("nan")


def asked(one: MMR, scores: list[float], vectors: Any) -> Candidates:
    """What it makes of candidates 0, 1, ... that stand in order, checked as the engine does."""
    fused = Candidates(np.arange(len(scores)), np.array(scores, np.float32))
    return rerank(one, "query", fused, {"fused_score": fused.scores, "vector": units(vectors)})


def units(vectors: Any) -> NDArray[np.float32]:
    rows = np.array(vectors, np.float64).reshape(len(vectors), -1)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_a_near_duplicate_steps_back_behind_something_new() -> None:
    found = asked(MMR(0.5), [1.0, 0.9, 0.5], [[1, 0], [1, 0.01], [0, 1]])
    assert found.ordinals.tolist() == [0, 2, 1]
    # .5 * relevance - .5 * similarity, which is -1 as long as nothing is picked
    expected = [0.5 * 1 + 0.5, 0.5 * 0 - 0.5 * 0, 0.5 * 0.8 - 0.5 * 1]
    np.testing.assert_allclose(found.scores, expected, atol=1e-4)


def test_relevance_alone_changes_nothing() -> None:
    assert asked(MMR(1.0), [3, 2, 1], [[1, 0], [1, 0], [0, 1]]).ordinals.tolist() == [0, 1, 2]


def test_only_the_first_are_picked_and_the_rest_follows_as_it_stood() -> None:
    vectors = [[1, 0], [1, 0], [1, 0], [0, 1], [1, 0.1]]
    assert asked(MMR(0.5, top=2), [5, 4, 3, 2.9, 1], vectors).ordinals.tolist() == [0, 3, 1, 2, 4]


def test_a_document_without_a_vector_counts_as_the_average_candidate() -> None:
    # the others' mean similarity is (1 + 0 + 0) / 3
    found = asked(MMR(0.5), [1.0, 0.9, 0.9, 0.0], [[1, 0], [1, 0], [NAN, NAN], [0, 1]])
    assert found.ordinals.tolist() == [0, 2, 1, 3]
    assert found.scores[1] == pytest.approx(0.5 * 0.9 - 0.5 * 1 / 3, abs=1e-4)


@pytest.mark.parametrize("vectors", [[[NAN, NAN]] * 3, [[], [], []]])
def test_without_vectors_the_order_stays(vectors: list[list[float]]) -> None:
    assert asked(MMR(0.1), [1, 1, 0.5], vectors).ordinals.tolist() == [0, 1, 2]


def test_no_candidate_and_one() -> None:
    none = rerank(MMR(), "q", Candidates.none(), {"vector": np.empty((0, 4), np.float32)})
    assert len(none) == 0
    assert asked(MMR(), [0.3], [[1, 0]]).ordinals.tolist() == [0]


ROWS = st.lists(
    st.tuples(
        st.floats(0, 1, width=32),
        st.one_of(st.tuples(*[st.integers(-3, 3)] * 3).filter(any), st.just((NAN, NAN, NAN))),
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS, st.floats(0, 1), st.integers(1, 14))
def test_it_picks_what_the_textbook_picks(
    rows: list[tuple[float, tuple[float, ...]]], balance: float, top: int
) -> None:
    scores = np.sort(np.array([score for score, _ in rows], np.float32))[::-1]
    vectors = units([vector for _, vector in rows])
    found = asked(MMR(balance, top), scores.tolist(), vectors.tolist())
    assert sorted(found.ordinals.tolist()) == list(range(len(rows)))
    assert np.all(np.diff(found.scores) < 0) or np.isnan(vectors).all()
    if np.isnan(vectors).all():
        return
    worth = textbook(scores.astype(np.float64), vectors.astype(np.float64), balance, found.ordinals, top)
    for chosen, best in worth:  # among equals either may be picked
        assert chosen == pytest.approx(best, abs=1e-5)


def textbook(
    scores: NDArray[np.float64],
    vectors: NDArray[np.float64],
    balance: float,
    order: NDArray[np.int64],
    top: int,
) -> Iterator[tuple[float, float]]:
    """At each step: what the one picked was worth, and the best that could be picked."""
    known = [not np.isnan(row).any() for row in vectors]
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread else 0 * scores
    pairs = [float(a @ b) for i, a in enumerate(vectors[known]) for b in vectors[known][:i]]
    average = float(np.mean(pairs)) if pairs else 0.0

    def similar(i: int, j: int) -> float:
        return float(vectors[i] @ vectors[j]) if known[i] and known[j] else average

    for step in range(min(top, len(scores))):
        picked = order[:step].tolist()
        left = [i for i in range(len(scores)) if i not in picked]
        worth = {
            i: balance * relevance[i] - (1 - balance) * max((similar(i, j) for j in picked), default=-1.0)
            for i in left
        }
        yield worth[int(order[step])], max(worth.values())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"balance": -0.1}, "balance is -0.1; it must be from 0 to 1"),
        ({"balance": 1.5}, "balance is 1.5"),
        ({"balance": NAN}, "balance is nan"),
        ({"top": 0}, "top is 0; it must be an integer from 1"),
        ({"top": 2.5}, "top is 2.5"),
    ],
)
def test_what_it_cannot_be_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        MMR(**settings)


def test_without_its_feature_it_says_what_it_needs() -> None:
    with pytest.raises(SettingsError, match=r"MMR\(balance=0.7, top=50\) needs the feature 'vector'"):
        rerank(MMR(), "q", Candidates(np.arange(2), np.array([1, 0], np.float32)), {})


def test_in_a_search(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(
            [
                Document("a", "red kettle", vector=[1, 0]),
                Document("b", "red kettle", vector=[[0.0, -1.0], [1.0, 0.01]]),
                Document("c", "kettle", vector=[0, 1]),
                Document("d", "red kettle of a lexical kind"),
            ]
        )
        plain = [hit.id for hit in index.search("red kettle", vector=[1, 0])]
        assert plain[:2] == ["a", "b"]
        spread = [hit.id for hit in index.search("red kettle", vector=[1, 0], reranker=MMR(0.3))]
        assert spread.index("b") > spread.index("c")
        assert sorted(spread) == sorted(plain)
        words = [hit.id for hit in index.search("red kettle")]
        assert [hit.id for hit in index.search("red kettle", reranker=MMR(0.3))] == words
        assert len(index.search("unknown", reranker=MMR())) == 0
