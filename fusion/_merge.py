"""Shared by all fusions: add up each list's contributions per document, and rank the sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.order import distinct
from hybrid.types import Candidates, Ordinals

Terms: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]


def merge(legs: Sequence[Candidates], terms: Sequence[Terms], limit: int) -> Candidates:
    """Add up what each list contributes to a document and keep the best ``limit``.

    ``terms[i]`` is float64 (len(legs[i]),), aligned with ``legs[i]``; a document that a list lacks
    gets 0 from it. Sums in float64 and ranks the sums rounded to float32, as callers see them: equal ones
    are ties and go to the smaller ordinal (see ``Candidates``).
    """
    if limit < 0:
        raise QueryError(f"a fused list cannot have {limit} candidates; ask for 0 or more")
    if not any(map(len, legs)):
        return Candidates.none()
    ordinals, places = pooled(legs)
    sums: Terms = np.bincount(places, np.concatenate(terms)).astype(np.float64, copy=False)
    return best(ordinals, sums, limit)


def pooled(legs: Sequence[Candidates]) -> tuple[Ordinals, Places]:
    """Return the distinct candidates of all lists, ascending, and for each candidate of each list, one list
    after the other, its index among them."""
    everyone = np.concatenate([leg.ordinals for leg in legs])
    if everyone.max(initial=-1) < len(everyone) and (counts := np.bincount(everyone)).all():
        return np.arange(len(counts)), everyone  # numbered without gaps, as in a search
    return distinct(everyone)


def best(ordinals: Ordinals, scores: Terms, limit: int) -> Candidates:
    """Rank ascending ``ordinals`` by their ``scores``, rounded to float32, and keep the best ``limit``."""
    rounded = scores.astype(np.float32)
    order = np.argsort(-rounded, kind="stable")[:limit]
    return Candidates(ordinals[order], rounded[order])
