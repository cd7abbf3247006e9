"""A consistent copy of an index, while a writer may be at work."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

from hybrid.directory import Directory
from hybrid.embedding import Progress
from hybrid.errors import IndexExists, StorageError
from hybrid.generation import Generation
from hybrid.store import Store

_RETRIES: Final = 5  # compactions in the middle of one copy


def backup(store: Store, to: str | os.PathLike[str], progress: Progress | None = None) -> None:
    """Copy the generation that counts to the new directory ``to``: whole or not at all. A switch in the
    middle takes the files away; then once more. Raises IndexExists, StorageError."""
    for patience in reversed(range(_RETRIES)):
        with store.reading() as snapshot:
            stamp = store.stamp()
            try:
                Directory.create(to, partial(_copy, snapshot.generation, progress))
                return
            except IndexExists:
                raise
            except StorageError:
                if not patience or store.stamp() == stamp:
                    raise


def _copy(source: Generation, progress: Progress | None, folder: Path) -> str:
    """Fill the empty ``folder`` with ``source`` as of now or a little later; returns the UUID.

    The legs are copied before the ledger, so they lack what came in between, and opening the copy replays
    it. The ledger's rows of vectors only grow, so its committed ones can be read at any time.
    """
    size = source.snapshot.size
    source.lexical.copy(folder)
    source.vector.copy(folder)
    source.ledger.copy(folder, None if progress is None else lambda share: progress(share * size))
    made = Generation(folder, source.given)
    made.close(finish=False)
    return made.ledger.uuid
