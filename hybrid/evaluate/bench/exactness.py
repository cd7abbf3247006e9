"""The vector leg's exact answers, from every row, for many queries and filters in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from hybrid.types import Candidates, Mask, Matrix, Metric, Ordinals, Scores, Steps
from hybrid.vector.view import VectorView

_BLOCK: Final = 1 << 14  # rows at once
_ROUNDING: Final = 1e-6  # of a matrix product, against sums row by row


def best_scores(
    view: VectorView,
    queries: Matrix,
    k: int,
    masks: Sequence[Mask],
    progress: Steps | None = None,
) -> Matrix:
    """The ``k`` best scores of documents for each of ``queries`` (queries, dim) among those that each of
    ``masks``, bool (n,) over ordinals, lets pass: float32 (masks, queries, k), descending, -inf where there
    are fewer. ``progress`` is told how many rows are done, of how many."""
    rows = view.rows
    best = np.full((len(masks), len(queries), k), -np.inf, np.float32)
    for span in _spans(rows.ordinals):
        owners = rows.ordinals[span]
        firsts = np.flatnonzero(np.diff(owners, prepend=-1))
        scores = np.maximum.reduceat(_products(queries, rows.vectors[span], view.metric), firsts, axis=1)
        for held, mask in zip(best, masks, strict=True):
            joined = np.concatenate([held, scores[:, mask[owners[firsts]]]], axis=1)
            held[:] = np.partition(joined, joined.shape[1] - k, axis=1)[:, -k:]
        if progress is not None:
            progress(span.stop, len(rows))
    best.sort()
    return best[..., ::-1]


def recall(found: Candidates, best: Scores, k: int, query: Scores) -> float:
    """The share of the ``k`` ``best`` scores, or of as many as there are, that the first ``k`` ``found``
    reach; 1 if there are none. By scores, so that of equally near documents any will do."""
    there = best[:k][np.isfinite(best[:k])]
    if not len(there):
        return 1.0
    slack = _ROUNDING * max(1.0, float(query @ query), float(np.abs(there).max()))
    return float(np.count_nonzero(found.scores[: len(there)] >= there[-1] - slack)) / len(there)


def _spans(ordinals: Ordinals) -> Iterator[slice]:
    """Stretches of rows, one after the other, that cut no document in two."""
    start = 0
    while start < len(ordinals):
        last = ordinals[min(start + _BLOCK, len(ordinals)) - 1]
        end = int(np.searchsorted(ordinals, last, "right"))
        yield slice(start, end)
        start = end


def _products(queries: Matrix, vectors: Matrix, metric: Metric) -> Matrix:
    """(queries, rows): `hybrid.vector.scan.similarities` by one matrix product."""
    products = queries @ vectors.T
    if metric != "l2":
        return products
    own, theirs = (np.einsum("ij,ij->i", each, each) for each in (queries, vectors))
    return np.asarray(2 * products - own[:, None] - theirs)
