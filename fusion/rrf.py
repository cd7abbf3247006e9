"""Reciprocal rank fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hybrid.errors import QueryError
from hybrid.fusion._merge import merge
from hybrid.limits import shown
from hybrid.types import Candidates

_LARGEST: Final = 1_000_000
"""Beyond, all ranks count alike; from 2**53 on, k + 1 is k."""


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal rank fusion: score(d) = sum over lists of 1 / (k + rank of d), ranks from 1.

    Ignores the lists' scores, so any scale will do. The larger ``k``, the less the first ranks stand
    out. Ties go to the smaller ordinal: same input, same output. QueryError if ``k`` is not an
    integer from 0 to a million. Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms
    Condorcet and individual Rank Learning Methods", SIGIR 2009.
    """

    k: int = 60

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or isinstance(self.k, bool) or not 0 <= self.k <= _LARGEST:
            raise QueryError(
                f"RRF: k is {shown(self.k)}; it must be an integer from 0 to {_LARGEST:,} (60 is usual)"
            )

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return merge(legs, [1 / np.arange(self.k + 1.0, self.k + len(leg) + 1.0) for leg in legs], limit)
