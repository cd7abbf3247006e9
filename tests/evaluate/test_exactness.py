"""The exact scan in blocks: what the vector leg answers without a graph, for many queries and filters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.evaluate.bench import exactness
from hybrid.evaluate.bench.exactness import best_scores, recall
from hybrid.ledger.rows import Rows
from hybrid.types import Candidates, Metric
from hybrid.vector.view import VectorView

METRICS: list[Metric] = ["cosine", "ip", "l2"]


def view(random: np.random.Generator, n: int, windows: int, metric: Metric) -> VectorView:
    vectors = random.normal(size=(n, 6)).astype(np.float32)
    if metric == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.sort(random.integers(0, max(1, n // windows), n))
    return VectorView(Rows(vectors, owners, np.zeros((n, 2), np.int64)), metric, None)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 120),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(1, 40),
    st.floats(0, 1),
    st.sampled_from(METRICS),
)
def test_it_is_what_the_leg_answers_without_a_graph(
    seed: int, n: int, windows: int, k: int, block: int, share: float, metric: Metric
) -> None:
    random = np.random.default_rng(seed)
    leg = view(random, n, windows, metric)
    queries = random.normal(size=(3, 6)).astype(np.float32)
    everyone = np.ones(int(leg.rows.ordinals[-1]) + 1, np.bool_)
    masks = [everyone, random.random(len(everyone)) < share]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(exactness, "_BLOCK", block)
        best = best_scores(leg, queries, k, masks)
    assert best.shape == (2, 3, k)
    for mask, per_query in zip(masks, best, strict=True):
        for query, own in zip(queries, per_query, strict=True):
            expected = leg.search(query, k, mask)
            assert np.allclose(own[: len(expected)], expected.scores, rtol=1e-4, atol=1e-5)
            assert np.isneginf(own[len(expected) :]).all()
            assert recall(expected, own, k, query) == 1


def test_progress_counts_the_rows_and_no_document_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactness, "_BLOCK", 10)
    leg = view(np.random.default_rng(0), 95, 7, "cosine")
    told: list[tuple[int, int]] = []
    everyone = np.ones(95, np.bool_)
    best_scores(leg, leg.rows.vectors[:2], 3, [everyone], lambda *done: told.append(done))
    ends = [done for done, _ in told]
    assert told[-1] == (95, 95)
    assert ends == sorted(set(ends))
    assert all(leg.rows.ordinals[end - 1] != leg.rows.ordinals[end] for end in ends[:-1])


def test_recall_counts_by_scores() -> None:
    query, best = np.ones(1, np.float32), np.array([0.9, 0.8, 0.8, 0.7], np.float32)

    def of(*scores: float, k: int) -> float:
        return recall(Candidates(np.arange(len(scores)), np.array(scores, np.float32)), best, k, query)

    assert of(0.9, 0.8, 0.8, k=2) == 1
    assert of(0.8, 0.8, k=2) == 1  # as near as the second best of all
    assert of(0.9, 0.7, k=2) == 1 / 2
    assert of(0.9, k=4) == 1 / 4
    assert of(k=4) == 0
    assert recall(Candidates.none(), np.full(4, -np.inf, np.float32), 4, query) == 1  # nobody passes
    assert of(0.9, 0.8, 0.8, 0.7, k=10) == 1  # there are but four
