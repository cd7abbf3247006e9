"""The directory of an index: a pointer to the generation that counts, and the writer's lock.

    current     JSON: format version, the generation that counts: its folder's name and its UUID
    writer.lock held by the one writer
    g1/         a generation: ledger.db, head, text.f32, text.ord, text.span,
                lexical.json, lexical-N/, graph.json, graph-N.hnsw,
                columns.npz, lives.npz
    g2.tmp/     the next one, while it is filled

A generation is complete and synced before it is renamed to ``g2``, and that before ``current`` names it.
This last rename is the switch: after a compaction or a re-index everything is the new one, before it
everything is the old one. Whatever becomes of the format, ``current`` stays a JSON object of this kind.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from filelock import FileLock, Timeout

from hybrid import manifest
from hybrid.errors import (
    FormatTooNew,
    IndexCorrupt,
    IndexExists,
    IndexLocked,
    IndexNotFound,
    SettingsError,
    StorageError,
)
from hybrid.files import sync, sync_tree
from hybrid.limits import shown
from hybrid.settings import FORMAT

_POINTER: Final = "current"
_GENERATION: Final = re.compile(r"g[0-9]+")
_LOCK: Final = "writer.lock"

Fill = Callable[[Path], str]
"""Fills an empty folder with a generation and returns the generation's UUID."""


@dataclass(frozen=True)
class Place:
    """Where a generation is, and which one it must be."""

    folder: Path
    uuid: str


class Directory:
    """An index's directory, with no claim on it yet."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _checked(path)
        self._lock = FileLock(self.path / _LOCK, mode=0o666, thread_local=False)

    @classmethod
    def create(cls, path: str | os.PathLike[str], fill: Fill) -> Directory:
        """Make the directory, with a first generation that ``fill`` writes: whole or not at all."""
        target = _checked(path)
        _refuse(target)
        _clear(target)
        draft = target.with_name(f".{target.absolute().name}.{uuid4().hex[:8]}.tmp")
        lock = FileLock(draft / _LOCK, mode=0o666)
        try:
            (draft / "g1").mkdir(parents=True)
            lock.acquire()
            _point(draft, Place(draft / "g1", fill(draft / "g1")))
            sync_tree(draft)
            os.rename(draft, target)
            sync(target.absolute().parent)
        except OSError as cause:
            raise StorageError(f"{target}: cannot be made: {cause.strerror}") from cause
        finally:
            lock.release()
            shutil.rmtree(draft, ignore_errors=True)
        return cls(target)

    def claim(self) -> None:
        """Become the writer, or fail at once."""
        if not (self.path / _POINTER).exists() and not self.complete():
            raise self._absent()  # before a lock file is left in a stranger's folder
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

    def current(self) -> Place:
        """The generation that counts. Raises IndexNotFound, FormatTooNew, IndexCorrupt."""
        pointer = self.path / _POINTER
        try:
            value = manifest.read(pointer)
            version, name, uuid = int(value["format"]), str(value["generation"]), str(value["uuid"])
        except (FileNotFoundError, NotADirectoryError) as cause:
            raise self._absent() from cause
        except (KeyError, ValueError, TypeError) as cause:
            raise IndexCorrupt(f"{pointer}: damaged: {cause}; {self._repair}") from cause
        except IndexCorrupt as cause:
            raise IndexCorrupt(f"{cause}; {self._repair}") from cause
        if version > FORMAT:
            raise FormatTooNew(
                f"{self.path}: format {version}, this version reads {FORMAT}; upgrade hybrid-retrieval"
            )
        if not _GENERATION.fullmatch(name) or not (self.path / name).is_dir():  # what sweep may remove
            raise IndexCorrupt(f"{self.path / name}: missing; {self._repair}")
        return Place(self.path / name, uuid)

    @property
    def _repair(self) -> str:
        return f"run: hybrid verify {self.path} --repair"

    def complete(self) -> list[Path]:
        """The folders of complete generations, the newest first; more than one after a crash."""
        folders = [
            path for path in self.path.glob("g*") if _GENERATION.fullmatch(path.name) and path.is_dir()
        ]
        return sorted(folders, key=_number, reverse=True)

    def point(self, place: Place) -> None:
        """Make this the generation that counts."""
        _point(self.path, place)
        sync(self.path)

    def stamp(self) -> tuple[int, int]:
        """Changes whenever ``current`` does; costs a microsecond."""
        try:
            status = os.stat(self.path / _POINTER)
        except OSError as cause:
            raise self._absent() from cause
        return status.st_ino, status.st_mtime_ns

    def _absent(self) -> StorageError:
        if self.complete():
            return IndexCorrupt(f"{self.path / _POINTER}: missing; {self._repair}")
        return IndexNotFound(f"{self.path}: no index here; make one with hybrid index or Index.create")

    def draft(self) -> Path:
        """A new, empty folder for the next generation."""
        folder = self.path / f"g{max(map(_number, self.complete()), default=0) + 1}.tmp"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def switch(self, draft: Path, uuid: str) -> Place:
        """Make ``draft``, filled, the generation that counts: the commit of a compaction."""
        sync_tree(draft)
        place = Place(draft.with_suffix(""), uuid)
        os.rename(draft, place.folder)
        sync(self.path)
        self.point(place)
        return place

    def sweep(self) -> None:
        """Drop what no pointer names: old generations and unfinished ones. Processes that still read one
        have its files open or mapped, and go on."""
        current = self.current().folder
        if left := [path for path in self.path.glob("g[0-9]*") if path != current]:
            sync(self.path)  # the pointer must not fall back to what goes now
        for path in left:
            shutil.rmtree(path, ignore_errors=True)


def _checked(path: object) -> Path:
    """A path that a message can name in one line. Raises SettingsError, StorageError."""
    try:
        made = Path(os.fsdecode(path))  # type: ignore[arg-type]
        os.fsencode(made)
        made.exists()
    except (TypeError, ValueError) as cause:
        raise SettingsError(f"{shown(path)} is no path: {cause}") from cause
    except OSError as cause:
        raise StorageError(f"{shown(path)}: {cause.strerror}") from cause
    if not str(made).isprintable():
        raise SettingsError(f"{shown(path)}: a path with characters that cannot be shown; choose another")
    return made


def _refuse(target: Path) -> None:
    """IndexExists where there is something already."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        kind = "an index" if (target / _POINTER).exists() else "something"
        raise IndexExists(f"{target}: there is {kind} here already; open it, or choose another path")


def _clear(target: Path) -> None:
    """Remove the drafts of ``target`` whose makers are dead: those whose lock is free."""
    for draft in target.parent.glob(f".{glob.escape(target.absolute().name)}.????????.tmp"):
        if (draft / _LOCK).exists():
            with suppress(OSError, Timeout), FileLock(draft / _LOCK, timeout=0):
                shutil.rmtree(draft, ignore_errors=True)


def _number(generation: Path) -> int:
    return int(generation.name[1:])


def _point(folder: Path, place: Place) -> None:
    value = {"format": FORMAT, "generation": place.folder.name, "uuid": place.uuid}
    manifest.write(folder / _POINTER, value)
