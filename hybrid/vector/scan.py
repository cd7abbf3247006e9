"""Score rows against a query by an exact scan: float32, reproducible to the bit."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Matrix, Metric, Scores

GATHERED: Final = 2.0
"""The cost of scoring a single row picked by number, in rows of a sequential scan;
tests/benchmarks/crossover.py measures it."""
_BLOCK: Final = 256  # rows gathered at once: they fit into the core's cache

RowNumbers = NDArray[np.int64]


def similarities(vectors: Matrix, query: Scores, metric: Metric) -> Scores:
    """Score rows (n, dim) against ``query`` (dim,): float32 (n,), higher is nearer.

    Each row is summed by itself (no matrix product), so its score does not depend on the other rows.
    """
    if metric == "l2":
        apart = vectors - query
        return np.asarray(-np.vecdot(apart, apart))
    return np.asarray(np.vecdot(vectors, query))


def scan(vectors: Matrix, rows: RowNumbers, query: Scores, metric: Metric) -> Scores:
    """Return `similarities` of some ``rows`` (n,) of ``vectors``; score all of them if that is cheaper."""
    if metric == "l2" or GATHERED * len(rows) < len(vectors):  # l2 also has to write the differences
        return gathered(vectors, rows, query, metric)
    scores = similarities(vectors, query, metric)
    return scores if len(rows) == len(vectors) else scores[rows]


def gathered(vectors: Matrix, rows: RowNumbers, query: Scores, metric: Metric) -> Scores:
    scores = np.empty(len(rows), np.float32)
    room = np.empty((min(len(rows), _BLOCK), vectors.shape[1]), np.float32)
    for start in range(0, len(rows), _BLOCK):
        some = rows[start : start + _BLOCK]
        block = room[: len(some)]
        np.take(vectors, some, axis=0, out=block, mode="clip")  # "raise" would make one more copy
        scores[start : start + _BLOCK] = similarities(block, query, metric)
    return scores
