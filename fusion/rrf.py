"""Reciprocal rank fusion, plain and weighted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hybrid.errors import QueryError
from hybrid.fusion._merge import Terms, merge
from hybrid.fusion._weights import Weights, check_count, checked, counting
from hybrid.fusion.evidence import Evidence
from hybrid.fusion.parts import Parts, by_leg
from hybrid.limits import shown
from hybrid.types import Candidates

_LARGEST: Final = 1_000_000
"""With a larger k all ranks count alike; from 2**53 on, k + 1 equals k."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class RRF:
    """Reciprocal rank fusion: score(d) = sum over lists of w / (k + rank of d), ranks from 1.

    Ignores the lists' scores, so any scale will do. The larger ``k``, the less the first ranks stand out.
    ``weights``: one per list, in the order (lexical, vector), or a mapping with these two names; None
    means 1 for each, as does the case that only lists of weight 0 have candidates. Ties go to the smaller
    ordinal: same input, same output. Raises QueryError if ``k`` is not an integer from 0 to a million, if
    a weight is negative or not finite, if all are 0, and if called with another number of lists. Cormack,
    Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods", SIGIR 2009.
    """

    k: int
    weights: tuple[float, ...] | None

    def __init__(self, k: int = 60, weights: Weights | None = None) -> None:
        object.__setattr__(self, "k", k)
        object.__setattr__(self, "weights", None if weights is None else checked("RRF", weights))
        if not isinstance(self.k, int) or isinstance(self.k, bool) or not 0 <= self.k <= _LARGEST:
            raise QueryError(
                f"RRF: k is {shown(self.k)}; it must be an integer from 0 to {_LARGEST:,} (60 is usual)"
            )

    def __repr__(self) -> str:
        return f"RRF(k={self.k})" if self.weights is None else f"RRF(k={self.k}, weights={self.weights})"

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return merge(legs, self._terms(legs), limit)

    def parts(self, legs: Sequence[Candidates], _evidence: Evidence) -> Parts:
        return by_leg(legs, self._terms(legs))

    def _terms(self, legs: Sequence[Candidates]) -> list[Terms]:
        weights = (1.0,) * len(legs) if self.weights is None else self.weights
        check_count(self, weights, legs)
        return [
            weight / np.arange(self.k + 1.0, self.k + len(leg) + 1.0)
            for weight, leg in zip(counting(weights, legs), legs, strict=True)
        ]
