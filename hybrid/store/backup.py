"""A consistent copy of an index, while a writer may be at work."""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from typing import Final

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, IndexExists, StorageError
from hybrid.store.directory import Directory
from hybrid.store.generation import Generation
from hybrid.store.store import Store
from hybrid.types import Progress

_RETRIES: Final = 5  # compactions in the middle of one copy


def copy(store: Store, to: str | os.PathLike[str], progress: Progress | None = None) -> None:
    """Copy the generation that counts to the new directory ``to``: whole or not at all. A switch in the
    middle takes the files away; then once more. Raises IndexExists, StorageError."""
    for patience in reversed(range(_RETRIES)):
        with store.holding() as generation:
            stamp = store.stamp()
            try:
                Directory.create(to, partial(_copy, generation, progress)).close()
                return
            except IndexExists:
                raise
            except StorageError:
                if not patience or store.stamp() == stamp:
                    raise


def _copy(source: Generation, progress: Progress | None, folder: Folder) -> str:
    """Fill the empty ``folder`` with ``source`` as of now or a little later; returns the UUID."""
    size = source.snapshot.size
    source.copy(folder, None if progress is None else lambda share: progress(share * size))
    made = Generation(folder.folder("."), source.analysis.given)
    made.close(finish=False)
    return made.ledger.uuid


def restore(
    backup: str | os.PathLike[str], to: str | os.PathLike[str], *, progress: Progress | None = None
) -> None:
    """Check the whole ledger of ``backup`` and copy it to the new directory ``to``. Raises IndexNotFound,
    IndexCorrupt, IndexExists."""
    with closing(Store.open(backup, read_only=True)) as store:
        if damage := list(store.generation.ledger.check()):
            raise IndexCorrupt(f"{store.path}: {damage[0]}; take another backup")
        copy(store, to, progress)
