"""Reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybrid.errors import QueryError
from hybrid.fusion._merge import merge
from hybrid.types import Candidates


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal rank fusion: score(d) = sum over lists of 1 / (k + rank of d), ranks from 1.

    Ignores the lists' scores, so any scale will do. The larger ``k``, the less the first ranks stand
    out. Ties go to the smaller ordinal: same input, same output. QueryError if ``k`` is not an
    integer, 0 or more. Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet
    and individual Rank Learning Methods", SIGIR 2009.
    """

    k: int = 60

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or isinstance(self.k, bool) or self.k < 0:
            raise QueryError(f"RRF: k is {self.k!r}; it must be an integer, 0 or more (60 is usual)")

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return merge(legs, [1 / np.arange(self.k + 1.0, self.k + len(leg) + 1.0) for leg in legs], limit)
