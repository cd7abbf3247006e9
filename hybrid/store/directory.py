"""The directory of an index: a pointer to the generation that counts, and the writer's lock.

    current     JSON: format version, the generation that counts: its folder's name and its UUID
    writer.lock held by the one writer
    g1/         a generation: ledger.db, head, changes, text.f32, text.ord, text.span,
                lexical.json, lexical-N/, terms-*/ (tantivy's, while a writer is at work),
                graph.LIBRARY.json, graph-LIBRARY-N.hnsw, columns.npz, lives.npz, bodies,
                bodies.at
    g2-*.tmp/   the next one, while it is filled

A generation is complete and synced before it is renamed to ``g2``, and that before ``current`` names it.
This last rename is the switch: after a compaction or a re-index everything is the new one, before it
everything is the old one. Whatever becomes of the format, ``current`` stays a JSON object of this kind.

The directory is opened once, and everything in it is reached through it (`hybrid.disk.folder`): whatever
lies at its path later, a handle stays with what it has opened and locked.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import shutil
import weakref
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from filelock import lock_descriptor, unlock_descriptor

from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.errors import (
    FormatTooNew,
    IndexCorrupt,
    IndexExists,
    IndexLocked,
    IndexNotFound,
    SettingsError,
    StorageError,
)
from hybrid.limits import shown
from hybrid.settings import FORMAT

_POINTER: Final = "current"
_GENERATION: Final = re.compile(r"g([0-9]{1,18})")
_LEFT: Final = re.compile(r"g[0-9]+(-[0-9a-f]+)?(\.tmp)?")
_LOCK: Final = "writer.lock"

Fill = Callable[[Folder], str]
"""Fills an empty folder with a generation and returns the generation's UUID."""


@dataclass(frozen=True)
class Place:
    """The name of a generation's folder, which generation it must be, and the format that ``current``
    says."""

    name: str
    uuid: str
    format: int = FORMAT


class Directory:
    """The directory of an index, opened; with no claim on it yet."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._claim: int | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Raises IndexNotFound, StorageError, SettingsError."""
        checked = _checked(path)
        try:
            return cls(Folder.open(checked))
        except (FileNotFoundError, NotADirectoryError) as cause:
            raise _nothing(checked) from cause
        except OSError as cause:
            raise StorageError(f"{checked}: cannot be opened: {cause.strerror}") from cause

    @classmethod
    def create(cls, path: str | os.PathLike[str], fill: Fill) -> Self:
        """Make the directory, with a first generation that ``fill`` writes, whole or not at all; and open
        it, claimed. Raises IndexExists, StorageError, SettingsError."""
        target = _checked(path)
        _refuse(target)
        _clear(target)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            parent = Folder.open(target.parent)
            draft = parent.make(f".{target.name}.{uuid4().hex[:8]}.tmp")
        except OSError as cause:
            raise StorageError(f"{target}: cannot be made: {cause.strerror}") from cause
        made = cls(draft)
        try:
            made.claim(new=True)
            made._fill(fill)
            parent.rename(draft.path.name, target.name)
            parent.sync()
        except OSError as cause:
            made._abandon(parent)
            if cause.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                _refuse(target)  # somebody else was faster
            raise StorageError(f"{target}: cannot be made: {cause.strerror}") from cause
        except BaseException:
            made._abandon(parent)
            raise
        draft.path = target
        return made

    def _fill(self, fill: Fill) -> None:
        first = self.folder.make("g1")
        try:
            uuid = fill(first)
        finally:
            first.close()
        self._write(Place("g1", uuid))
        self.folder.sync_tree()

    def _abandon(self, parent: Folder) -> None:
        self.release()
        parent.remove_tree(self.folder.path.name)
        self.folder.close()

    @property
    def path(self) -> Path:
        """Where it was when it was opened."""
        return self.folder.path

    def claim(self, *, new: bool = False) -> None:
        """Become the writer, or fail at once. IndexLocked where there is one, StorageError."""
        if not new and not self.folder.has(_POINTER) and not self.complete():
            raise _nothing(self.path)  # before a lock file is left in a stranger's folder
        try:
            self._claim = _locked(self.folder)
        except OSError as cause:
            raise StorageError(
                f"{self.path}: cannot be written: {cause.strerror}; open with read_only=True"
            ) from cause
        if self._claim is None:
            raise IndexLocked(
                f"{self.path}: another writer has this index; close it, or open with read_only=True"
            )
        _claimed.add(self)

    def release(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            unlock_descriptor(claim)  # a forked child may have it open, too
            os.close(claim)

    def disown(self) -> None:
        """In a forked child: the claim is the parent's."""
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def close(self) -> None:
        """Let the directory go; a writer's claim with it."""
        self.release()
        self.folder.close()

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            self.close()

    def check_there(self) -> None:
        """IndexNotFound where the directory has been deleted."""
        self.stamp()

    def current(self) -> Place:
        """The generation that counts. Raises IndexNotFound, FormatTooNew, IndexCorrupt."""
        pointer = self.folder / _POINTER
        try:
            value = manifest.read(self.folder, _POINTER)
            version, name, uuid = int(value["format"]), str(value["generation"]), str(value["uuid"])
        except FileNotFoundError as cause:
            raise self._absent() from cause
        except (KeyError, ValueError, TypeError) as cause:
            raise IndexCorrupt(f"{pointer}: damaged: {cause}; {self._repair}") from cause
        except IndexCorrupt as cause:
            raise IndexCorrupt(f"{cause}; {self._repair}") from cause
        if version > FORMAT:
            raise FormatTooNew(
                f"{self.path}: format {version}, this version reads {FORMAT}; upgrade hybrid-retrieval"
            )
        if not _GENERATION.fullmatch(name) or not self.folder.is_folder(name):  # what sweep may remove
            raise IndexCorrupt(f"{self.folder / name}: missing; {self._repair}")
        return Place(name, uuid, version)

    @property
    def _repair(self) -> str:
        return f"run: hybrid verify {self.path} --repair"

    def complete(self) -> list[str]:
        """The names of complete generations, the newest first; more than one after a crash."""
        names = [
            name
            for name in self.folder.names()
            if _GENERATION.fullmatch(name) and self.folder.is_folder(name)
        ]
        return sorted(names, key=_number, reverse=True)

    def point(self, place: Place) -> None:
        """Make this the generation that counts."""
        self._write(place)
        self.folder.sync()

    def _write(self, place: Place) -> None:
        value = {"format": FORMAT, "generation": place.name, "uuid": place.uuid}
        manifest.write(self.folder, _POINTER, value)

    def stamp(self) -> tuple[int, int]:
        """Changes whenever ``current`` does; costs a microsecond."""
        try:
            status = self.folder.stat(_POINTER)
        except OSError as cause:
            raise self._absent() from cause
        return status.st_ino, status.st_mtime_ns

    def _absent(self) -> StorageError:
        if self.folder.deleted:
            return IndexNotFound(f"{self.path}: the index that was opened has been deleted; open it again")
        if self.complete():
            return IndexCorrupt(f"{self.folder / _POINTER}: missing; {self._repair}")
        return _nothing(self.path)

    def draft(self) -> Folder:
        """A new, empty folder for the next generation. Its name is nobody else's, see ``Folder.native``."""
        number = max(map(_number, self.complete()), default=0) + 1
        return self.folder.make(f"g{number}-{uuid4().hex}.tmp")

    def drop(self, draft: Folder) -> None:
        """Remove a draft."""
        draft.close()
        self.folder.remove_tree(draft.path.name)

    def switch(self, draft: Folder, uuid: str) -> Place:
        """Make ``draft``, filled, the generation that counts: the commit of a compaction."""
        draft.sync_tree()
        place = Place(draft.path.name.partition("-")[0], uuid)
        self.folder.rename(draft.path.name, place.name)
        self.folder.sync()
        self.point(place)
        return place

    def sweep(self) -> None:
        """Drop what no pointer names: old generations and unfinished ones. Processes that still read one
        have its files open or mapped, and go on."""
        current = self.current().name
        if left := [name for name in self.folder.names() if _LEFT.fullmatch(name) and name != current]:
            self.folder.sync()  # the pointer must not fall back to what goes now
        for name in left:
            self.folder.remove_tree(name)


_claimed: Final[weakref.WeakSet[Directory]] = weakref.WeakSet()


def _disown() -> None:
    for directory in list(_claimed):
        directory.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_disown)


def _locked(folder: Folder) -> int | None:
    """The descriptor of the folder's lock, which this process now holds; None where another does."""
    try:
        lock = folder.descriptor(_LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        if hasattr(os, "fchmod"):
            os.fchmod(lock, 0o666)  # whoever may write in the folder may lock it
    except FileExistsError:
        lock = folder.descriptor(_LOCK, os.O_RDWR)
    try:
        if lock_descriptor(lock, blocking=False):
            return lock
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


def _checked(path: object) -> Path:
    """An absolute path that a message can name in one line. Raises SettingsError, StorageError."""
    try:
        made = Path(os.fsdecode(path)).absolute()  # type: ignore[arg-type]
        os.fsencode(made)
        made.exists()
    except (TypeError, ValueError) as cause:
        raise SettingsError(f"{shown(path)} is no path: {cause}") from cause
    except OSError as cause:
        raise StorageError(f"{shown(path)}: {cause.strerror}") from cause
    if not str(made).isprintable():
        raise SettingsError(f"{shown(path)}: a path with characters that cannot be shown; choose another")
    return made


def _nothing(path: Path) -> IndexNotFound:
    return IndexNotFound(f"{path}: no index here; make one with hybrid index or Index.create")


def _refuse(target: Path) -> None:
    """IndexExists where there is something already."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        kind = "an index" if (target / _POINTER).exists() else "something"
        raise IndexExists(f"{target}: there is {kind} here already; open it, or choose another path")


def _clear(target: Path) -> None:
    """Remove the drafts of ``target`` whose makers are dead: those whose lock is free."""
    for draft in target.parent.glob(f".{glob.escape(target.name)}.????????.tmp"):
        with suppress(OSError), closing(Folder.open(draft)) as folder:
            if folder.has(_LOCK) and (lock := _locked(folder)) is not None:
                shutil.rmtree(draft, ignore_errors=True)
                os.close(lock)


def _number(generation: str) -> int:
    return int(generation[1:])
