"""The past queries of a state of an index, in memory: those that vote."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from hybrid.ledger.past import Kept, PastQueries, PastQuery
from hybrid.types import Matrix, Scores


@dataclass(frozen=True)
class Voters:
    """``queries``, oldest first, and their unit ``vectors``, float32 (n, dim)."""

    queries: tuple[PastQuery, ...] = ()
    vectors: Matrix | None = None

    @classmethod
    def of(cls, kept: Iterable[Kept]) -> Self:
        """Those of ``kept`` that have a vector: of one encoder, so of one length."""
        known = [(one.past, one.vector) for one in kept if one.vector is not None]
        if not known:
            return cls()
        queries, vectors = zip(*known, strict=True)
        return cls(tuple(queries), np.stack(vectors))

    def cosines(self, unit: Scores) -> Scores:
        """The similarity of each to a ``unit`` vector (dim,), float32 (n,)."""
        if self.vectors is None or self.vectors.shape[1] != len(unit):
            return np.full(len(self.queries), np.nan, np.float32)
        return self.vectors @ unit


class KeptVoters:
    """Reads the voters of a state, and again only where past queries have changed since; thread-safe."""

    def __init__(self, past: PastQueries) -> None:
        self._past = past
        self._lock = threading.Lock()
        self._known: tuple[int, Voters] | None = None

    def of(self, seq: int) -> Voters:
        """The voters as of sequence number ``seq``. Raises IndexCorrupt."""
        with self._lock:
            changed = self._past.changed(seq)
            if self._known is None or self._known[0] != changed:
                self._known = changed, Voters.of(self._past.at(seq))
            return self._known[1]
