"""The directory of an index: a pointer to the generation that counts, and the writer's lock.

    current     JSON: format version, the index's UUID, the name of the generation folder
    writer.lock held by the one writer
    g1/         a generation: ledger.db, text.f32, text.ord, text.span, lexical/, graph.json, graph-N.hnsw

A generation is complete before ``current`` names it, and that rename is the switch: after a compaction
or a re-index everything is the new one, before it everything is the old one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from filelock import FileLock, Timeout

from hybrid.errors import FormatTooNew, IndexCorrupt, IndexExists, IndexLocked, IndexNotFound, StorageError
from hybrid.settings import FORMAT

_POINTER: Final = "current"


class Directory:
    """An index's directory, with no claim on it yet."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = FileLock(self.path / "writer.lock", thread_local=False)

    @classmethod
    def create(cls, path: str | os.PathLike[str], fill: Callable[[Path], None]) -> Directory:
        """Make the directory, with a first generation that ``fill`` writes: whole or not at all."""
        target = Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            kind = "an index" if (target / _POINTER).exists() else "something"
            raise IndexExists(f"{target}: there is {kind} here already; open it, or choose another path")
        draft = target.with_name(f".{target.absolute().name}.{uuid4().hex[:8]}.tmp")
        try:
            (draft / "g1").mkdir(parents=True)
            fill(draft / "g1")
            _point(draft, "g1")
            sync_tree(draft)
            os.rename(draft, target)
            sync(target.absolute().parent)
        except OSError as cause:
            raise StorageError(f"{target}: cannot be made: {cause.strerror}") from cause
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return cls(target)

    def claim(self) -> None:
        """Become the writer, or fail at once."""
        if not (self.path / _POINTER).exists():
            self.current()  # says what is wrong before a lock file is left in a stranger's folder
        try:
            self._lock.acquire(timeout=0)
        except Timeout as cause:
            raise IndexLocked(
                f"{self.path}: another writer has this index; close it, or open with read_only=True"
            ) from cause
        except OSError as cause:
            raise StorageError(
                f"{self.path}: cannot be written: {cause.strerror}; open with read_only=True"
            ) from cause

    def release(self) -> None:
        self._lock.release()

    def current(self) -> Path:
        """The folder of the generation that counts."""
        pointer = self.path / _POINTER
        try:
            value = json.loads(pointer.read_bytes())
            version, name = int(value["format"]), str(value["generation"])
        except (FileNotFoundError, NotADirectoryError) as cause:
            raise self._absent() from cause
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise IndexCorrupt(f"{pointer}: cannot be read: {cause}; restore a backup") from cause
        if version > FORMAT:
            raise FormatTooNew(
                f"{self.path}: format {version}, this version reads {FORMAT}; upgrade hybrid-retrieval"
            )
        if name != Path(name).name or not (self.path / name).is_dir():
            raise IndexCorrupt(
                f"{pointer}: names the generation {name!r}, which is not there; restore a backup"
            )
        return self.path / name

    def stamp(self) -> tuple[int, int]:
        """Changes whenever ``current`` does; costs a microsecond."""
        try:
            status = os.stat(self.path / _POINTER)
        except OSError as cause:
            raise self._absent() from cause
        return status.st_ino, status.st_mtime_ns

    def _absent(self) -> IndexNotFound:
        return IndexNotFound(f"{self.path}: no index here; make one with hybrid index or Index.create")

    def draft(self) -> Path:
        """A new, empty folder for the next generation."""
        folder = self.path / f"g{int(self.current().name[1:]) + 1}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def switch(self, folder: Path) -> None:
        """Make ``folder`` the generation that counts. This rename is the commit of a compaction."""
        sync_tree(folder)
        _point(self.path, folder.name)
        sync(self.path)

    def sweep(self) -> None:
        """Drop what no pointer names: old generations and unfinished ones. Processes that still read one
        keep their open files."""
        current = self.current()
        for path in self.path.glob("g[0-9]*"):
            if path != current:
                shutil.rmtree(path, ignore_errors=True)


def _point(folder: Path, generation: str) -> None:
    draft = folder / f"{_POINTER}.tmp"
    value: dict[str, Any] = {"format": FORMAT, "generation": generation}
    draft.write_text(json.dumps(value) + "\n")
    sync(draft)
    os.replace(draft, folder / _POINTER)


def sync(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """fsync a folder and everything below it."""
    for root, _, files in os.walk(folder):
        for name in files:
            sync(Path(root, name))
        sync(Path(root))


__all__ = ["Directory", "sync", "sync_tree"]
