"""A consistent copy of a generation, while a writer may be at work."""

from __future__ import annotations

from pathlib import Path

from hybrid.embedding import Progress
from hybrid.generation import Generation


def copy(source: Generation, folder: Path, progress: Progress | None = None) -> str:
    """Fill the empty ``folder`` with ``source`` as of now or a little later; returns the UUID.

    The legs are copied before the ledger, so they lack what came in between, and opening the copy replays
    it. The ledger's rows of vectors only grow, so its committed ones can be read at any time.
    """
    source.lexical.copy(folder)
    source.vector.copy(folder)
    size = source.snapshot.size
    source.ledger.copy(folder, None if progress is None else lambda share: progress(share * size))
    made = Generation(folder, source.analyzer)
    made.close(finish=False)
    return made.ledger.uuid
