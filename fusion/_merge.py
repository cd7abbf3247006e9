"""What all fusions share: contributions per list, added up per document, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.types import Candidates

Terms: TypeAlias = NDArray[np.float64]


def merge(legs: Sequence[Candidates], terms: Sequence[Terms], limit: int) -> Candidates:
    """Add up what each list contributes to a document and keep the best ``limit``.

    ``terms[i]`` is float64 (len(legs[i]),), aligned with ``legs[i]``; a document that a list lacks
    gets 0 from it. Sums in float64, then ranks what float32 keeps of the sums: scores that are equal
    to whoever reads them are ties, and go to the smaller ordinal.
    """
    if limit < 0:
        raise QueryError(f"a fused list cannot have {limit} candidates; ask for 0 or more")
    if not any(map(len, legs)):
        return Candidates.none()
    ordinals = np.concatenate([leg.ordinals for leg in legs])
    order = ordinals.argsort()
    ordinals = ordinals[order]
    fresh = np.ones(len(ordinals), np.bool_)
    fresh[1:] = ordinals[1:] != ordinals[:-1]
    first = np.flatnonzero(fresh)
    sums = np.add.reduceat(np.concatenate(terms)[order], first)
    return Candidates.ranked(ordinals[first], sums.astype(np.float32), limit)
