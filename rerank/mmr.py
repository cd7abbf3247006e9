"""Maximal marginal relevance: prefer documents that are relevant and differ from those ranked before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.limits import shown
from hybrid.rerank.features import column
from hybrid.rerank.ordering import Values, continued
from hybrid.types import Candidates

Order: TypeAlias = NDArray[np.int64]

_APART = 1e-6  # a difference that float32 can represent for scores between -1 and 1


@dataclass(frozen=True)
class MMR:
    """Picks documents one by one: each time the one with the largest ``balance`` * relevance - (1 -
    ``balance``) * similarity to the nearest one picked before, ``top`` times; the others follow in their
    order.

    Relevance is the fused score, scaled to 0 to 1 within the query; similarity is the cosine of the
    documents' vectors nearest to the query. A document without a vector counts as the average candidate. A
    query without a vector keeps its order. Raises QueryError for a ``balance`` outside 0 to 1 and for a
    ``top`` below 1. Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering
    Documents and Producing Summaries", SIGIR 1998.
    """

    features: ClassVar[tuple[str, ...]] = ("vector",)

    balance: float = 0.7
    top: int = 50

    def __post_init__(self) -> None:
        if not math.isfinite(self.balance) or not 0 <= self.balance <= 1:
            raise QueryError(f"MMR: balance is {shown(self.balance)}; it must be from 0 to 1")
        if not isinstance(self.top, int) or self.top < 1:
            raise QueryError(f"MMR: top is {shown(self.top)}; it must be an integer from 1")

    def __call__(
        self, _query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]]
    ) -> Candidates:
        vectors = column(features, "vector", self)
        known = ~np.isnan(vectors[:, :1]).any(axis=1)  # a row is either whole or all NaN
        if not vectors.size or not known.any():
            return candidates
        order, worth = self._picked(_shares(candidates.scores), vectors, known)
        scores = (worth - _APART * np.arange(len(worth))).astype(np.float32)
        rest = np.setdiff1d(np.arange(len(candidates)), order)
        return continued(Candidates(candidates.ordinals[order], scores), candidates.ordinals[rest])

    def _picked(
        self, relevance: Values, vectors: NDArray[np.float32], known: NDArray[np.bool_]
    ) -> tuple[Order, Values]:
        """Return the indices of the picked documents, in order, and the gain of each at that time. Gains
        never rise: adding documents never lowers the similarity to the nearest one."""
        average = 0.0 if known.all() else _average(vectors[known])
        nearest = np.full(len(vectors), -1.0)
        left = np.ones(len(vectors), np.bool_)
        order, worth = [], []
        for _ in range(min(self.top, len(vectors))):
            gain = np.where(left, self.balance * relevance - (1 - self.balance) * nearest, -np.inf)
            best = int(np.argmax(gain))
            order.append(best)
            worth.append(gain[best])
            left[best] = False
            similar = np.where(known, vectors @ vectors[best], average) if known[best] else average
            nearest = np.maximum(nearest, similar)
        return np.array(order, np.int64), np.array(worth)


def _shares(scores: NDArray[np.float32]) -> Values:
    """Scale scores to 0 to 1; all 0 if they are equal."""
    values = scores.astype(np.float64)
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.zeros(len(values))


def _average(units: NDArray[np.float32]) -> float:
    """Return the mean cosine of two different vectors; 0 if there is only one."""
    n = len(units)
    together = units.sum(axis=0, dtype=np.float64)
    return float((together @ together - n) / (n * (n - 1))) if n > 1 else 0.0
