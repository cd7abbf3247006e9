"""What keeps an index well: the part of ``Index`` about compaction, copies, checks and counts."""

from __future__ import annotations

import os
from typing import Any

from hybrid.serving import Serving
from hybrid.store import backup
from hybrid.store.stats import stats
from hybrid.store.verify import disagreements, unsearchable
from hybrid.types import Progress


class Care(Serving):
    """An open index, as far as its health goes."""

    def flush(self) -> None:
        """Return once every later search finds all that was written so far, also with ``wait="durable"``.
        Raises StorageError where the disk does not let it; what was written is safe all the same."""
        with self._store.writing() as generation:
            generation.settle()

    def compact(self, *, progress: Progress | None = None) -> None:
        """Write the living documents anew and drop the rest: frees space, leaves no byte of what was
        deleted, and makes BM25 statistics exact again (they count dead documents until then). Searches go
        on meanwhile, writes wait. Runs by itself, beside writes, when a third is dead."""
        generation = self._store.generation
        self._store.rebuild(generation.settings, generation.analyzer, progress=progress)

    def backup(self, to: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Copy the index as of now to the new directory ``to``, also while a writer is at work: whole or
        not at all. The copy is an index like any other. Raises IndexExists, StorageError."""
        backup.copy(self._store, to, progress)

    def verify(self) -> list[str]:
        """Check ledger, legs and vectors against one another: a line for each thing wrong, and for what no
        search finds. Reads all."""
        with self._store.reading() as snapshot:
            return [*disagreements(snapshot.generation), *unsearchable(snapshot)]

    def repair(self) -> None:
        """Build the lexical leg and the graph again from the ledger."""
        with self._store.writing() as generation:
            generation.repair()

    def stats(self) -> dict[str, Any]:
        """Counts, sizes in bytes and identities, ready for JSON."""
        with self._store.reading() as snapshot:
            return {"path": str(self._store.path), **stats(snapshot)}
