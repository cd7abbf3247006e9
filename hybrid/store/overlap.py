"""How many words texts share: the similarity of queries where there are no vectors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hybrid.store.growing import Growing
from hybrid.types import Scores


class Overlap:
    """The distinct terms of some texts, which are numbered from 0."""

    def __init__(self) -> None:
        self._places: dict[str, Growing] = {}
        self._sizes = Growing(np.int64)

    def add(self, terms: Iterable[str]) -> None:
        """Add the terms of the next text."""
        known = set(terms)
        for term in known:
            self._places.setdefault(term, Growing(np.int64)).extend([len(self._sizes)])
        self._sizes.extend([len(known)])

    def similarities(self, terms: Iterable[str], n: int) -> Scores:
        """Return for each of the first ``n`` texts the cosine of its set of terms and that of ``terms``:
        their number in common / sqrt(size * size), float32 (n,)."""
        asked = set(terms)
        holding = [self._places[term].view for term in asked if term in self._places]
        shared = np.bincount(np.concatenate([np.empty(0, np.int64), *holding]), minlength=n)[:n]
        sizes = np.maximum(self._sizes.view[:n] * len(asked), 1)
        return np.asarray(shared / np.sqrt(sizes), np.float32)
