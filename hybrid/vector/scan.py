"""How near rows are to a query, by looking at each: float32, and always the same to the bit."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Matrix, Metric, Scores

GATHERED: Final = 2.0
"""What it costs to scan a row without its neighbours, in rows of a scan from the first to the last;
tests/benchmarks/crossover.py measures it."""
_BLOCK: Final = 256  # rows gathered at once: they stay in the core's cache

RowNumbers = NDArray[np.int64]


def similarities(vectors: Matrix, query: Scores, metric: Metric) -> Scores:
    """float32 (n,) of rows (n, dim) with ``query`` (dim,), higher is nearer.

    Each row is summed by itself (no matrix product), so a row's score does not depend on its neighbours.
    """
    if metric == "l2":
        apart = vectors - query
        return np.asarray(-np.vecdot(apart, apart))
    return np.asarray(np.vecdot(vectors, query))


def scan(vectors: Matrix, rows: RowNumbers, query: Scores, metric: Metric) -> Scores:
    """`similarities` of some ``rows`` (n,) of ``vectors``; of all, on the way, where that is cheaper."""
    if metric == "l2" or GATHERED * len(rows) < len(vectors):  # l2 writes the differences, too
        return gathered(vectors, rows, query, metric)
    scores = similarities(vectors, query, metric)
    return scores if len(rows) == len(vectors) else scores[rows]


def gathered(vectors: Matrix, rows: RowNumbers, query: Scores, metric: Metric) -> Scores:
    scores = np.empty(len(rows), np.float32)
    room = np.empty((min(len(rows), _BLOCK), vectors.shape[1]), np.float32)
    for start in range(0, len(rows), _BLOCK):
        some = rows[start : start + _BLOCK]
        block = room[: len(some)]
        np.take(vectors, some, axis=0, out=block, mode="clip")  # "raise" would go through one more copy
        scores[start : start + _BLOCK] = similarities(block, query, metric)
    return scores
