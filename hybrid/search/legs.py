"""Which legs of an index can answer a query of text. Whoever offers, guards or reports a leg asks here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hybrid.store.snapshot import Snapshot
from hybrid.types import Leg

_STEP: Final = 10  # documents; each may be a book


@dataclass(frozen=True)
class Legs:
    """For each leg why it cannot answer a query of text; None where it can."""

    lexical: str | None = None
    vector: str | None = None

    @property
    def there(self) -> tuple[Leg, ...]:
        """Those that can answer."""
        lexical: tuple[Leg, ...] = () if self.lexical else ("lexical",)
        vector: tuple[Leg, ...] = () if self.vector else ("vector",)
        return lexical + vector

    @property
    def both(self) -> bool:
        return len(self.there) == 2

    def __str__(self) -> str:
        """Why not both, in words; empty where both can."""
        reasons = {"lexical": self.lexical, "vector": self.vector}
        return "; ".join(f"no {leg} leg, since {why}" for leg, why in reasons.items() if why)


def legs(snapshot: Snapshot) -> Legs:
    """Those of ``snapshot``. Reads documents until one has a word: mostly the first."""
    return Legs(
        lexical=None if _has_words(snapshot) else "no document has a word",
        vector=_speechless(snapshot),
    )


def _has_words(snapshot: Snapshot) -> bool:
    live, terms = np.flatnonzero(snapshot.live), snapshot.analysis.document
    parts = (live[start : start + _STEP].tolist() for start in range(0, len(live), _STEP))
    return any(any(map(any, terms(document))) for part in parts for document in snapshot.documents(part))


def _speechless(snapshot: Snapshot) -> str | None:
    if snapshot.settings.encoder is None:
        return "there is no encoder to make vectors of queries with"
    if not snapshot.live[snapshot.vectors.rows.ordinals].any():
        return "no document has a vector"
    return None
