"""A new generation from an old one: the living documents, with dense ordinals and nothing of the dead.

Compaction keeps analyzer and encoder and copies the vectors; a re-index changes one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from hybrid.arrays import Rows
from hybrid.embedding import Progress
from hybrid.failpoints import reach
from hybrid.generation import Generation
from hybrid.ledger import Ledger
from hybrid.settings import Settings
from hybrid.types import Analyzer, Document, Ordinals

_BATCH = 1000

Embed = Callable[[Sequence[Document]], Rows]


def rebuild(
    source: Generation,
    folder: Path,
    settings: Settings,
    analyzer: Analyzer,
    embed: Embed | None = None,
    progress: Progress | None = None,
) -> None:
    """Fill the empty ``folder``. ``embed`` makes new vectors; without it the old ones are copied."""
    Ledger.create(folder, settings, source.ledger.profile, source.ledger.seq)
    live = np.flatnonzero(source.snapshot.live)
    with closing(Generation(folder, analyzer)) as target:
        for start in range(0, len(live), _BATCH):
            ordinals = live[start : start + _BATCH]
            documents = source.ledger.documents(ordinals)
            rows = _copied(source.snapshot.vectors.rows, ordinals) if embed is None else embed(documents)
            target.commit(documents, rows)
            reach("rebuild.batch")
            if progress is not None and embed is None:
                progress(len(documents))


def _copied(rows: Rows, ordinals: Ordinals) -> Rows:
    """The rows of some documents, with ordinals counted from 0."""
    numbers = rows.of(ordinals)
    owners = np.searchsorted(ordinals, rows.ordinals[numbers])
    return Rows(rows.vectors[numbers], owners, rows.spans[numbers])
