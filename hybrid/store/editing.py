"""Changes of documents that leave texts and vectors as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from hybrid.ledger.passages import whole
from hybrid.store.generation import Generation
from hybrid.store.rebuild import copied
from hybrid.store.snapshot import Snapshot
from hybrid.types import Document, Mask, Ordinals

_BATCH: Final = 1000


def edit(
    generation: Generation,
    passing: Callable[[Snapshot], Mask],
    change: Callable[[Document], Document | None],
) -> int:
    """Write a new version of each document that is ``passing`` now and that ``change`` does not leave as
    it is, with the vectors and passages of the old one; returns how many passed. A thousand at a time, each
    whole or not at all; all searchable on return. The caller is the only one who commits."""
    generation.settle()
    snapshot = generation.snapshot
    ordinals = np.flatnonzero(passing(snapshot))
    for start in range(0, len(ordinals), _BATCH):
        _edit(generation, snapshot, ordinals[start : start + _BATCH], change)
    generation.settle()
    return len(ordinals)


def _edit(
    generation: Generation,
    snapshot: Snapshot,
    ordinals: Ordinals,
    change: Callable[[Document], Document | None],
) -> None:
    changed = [change(document) for document in snapshot.documents(ordinals.tolist())]
    new = [document for document in changed if document is not None]
    if new:
        kept = ordinals[[document is not None for document in changed]]
        cut = snapshot.pieces(kept.tolist())
        pieces = [cut.get(o) or whole(one.text) for o, one in zip(kept.tolist(), new, strict=True)]
        generation.commit(new, copied(snapshot.vectors.rows, kept), pieces, wait="durable")
        generation.projection.stage()
