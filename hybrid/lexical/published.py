"""The published files of the lexical leg.

tantivy works in a folder of its own (`hybrid.lexical.writer`). Its commits are published: each file is
hard-linked into the folder ``lexical-N``, then the manifest ``lexical.json`` is replaced; it lists these
files with their lengths and checksums and holds the text of tantivy's ``meta.json``. This one rename is the
step from one state to the next; readers follow the manifest and see the old state until then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Final, TypeVar

from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.lexical import segments

FILE: Final = "lexical.json"
RETRIES: Final = 5  # attempts to read a folder in which files come and go
PAUSE: Final = 0.3  # seconds, above the longest wait between attempts
_NAME: Final = re.compile(r"lexical-([0-9]{1,9})")
_T = TypeVar("_T")


@dataclass(frozen=True)
class State:
    """The content of a manifest: the ``name`` of the folder, tantivy's ``meta.json``, and its ``files``."""

    name: str
    meta: segments.Meta
    files: dict[str, segments.Sum]


class Published:
    """The published files of the generation ``uuid`` in ``folder``."""

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._folder, self._uuid = folder, uuid

    def stamp(self) -> tuple[int, int]:
        """Return a value that changes with every state. Raises OSError."""
        status = self._folder.stat(FILE)
        return status.st_ino, status.st_mtime_ns

    def read(self) -> State:
        """Read the current state. Raises FileNotFoundError, IndexCorrupt."""
        value = manifest.read(self._folder, FILE)
        where = self._folder / FILE
        try:
            if value["uuid"] != self._uuid:
                raise IndexCorrupt(f"{where}: belongs to another index")
            name = str(value["folder"])
            if not _NAME.fullmatch(name):
                raise IndexCorrupt(f"{where}: {name!r} is not the folder of a lexical leg")
            files = {str(file): (int(size), int(crc)) for file, (size, crc) in value["files"].items()}
            meta = self._meta(name, value.get("commit"))
            if meta.crc != value["meta"] or set(meta.files) != set(files):
                raise IndexCorrupt(f"{where}: does not list what tantivy has committed")
        except (KeyError, ValueError, TypeError, AttributeError) as cause:
            raise IndexCorrupt(f"{where}: damaged: {cause}") from cause
        return State(name, meta, files)

    def _meta(self, name: str, text: str | None) -> segments.Meta:
        with self.opened(name) as files:
            if text is None:  # earlier versions did not store it
                return segments.Meta.read(files)
            return segments.Meta.of(text.encode(), files)

    @contextmanager
    def opened(self, name: str) -> Iterator[Folder]:
        """Open the folder of a state. Raises FileNotFoundError."""
        with self._folder.opened(name) as files:
            yield files

    def check(self, state: State, known: Mapping[str, segments.Sum]) -> None:
        """Raises IndexCorrupt unless every file is as published; ``known`` ones are trusted."""
        with self.opened(state.name) as files:
            segments.check(files, state.meta, state.files, known)

    def retried(self, look: Callable[[], _T]) -> _T:
        """Return ``look()``; retry if a file disappears meanwhile or the manifest changes. Raises the last
        FileNotFoundError, PermissionError or IndexCorrupt."""
        for patience in reversed(range(RETRIES)):
            try:
                return look()
            except (FileNotFoundError, PermissionError, IndexCorrupt):
                if not patience:
                    raise
                sleep(PAUSE / RETRIES * (RETRIES - patience))
        raise AssertionError("unreachable")

    # -- writing

    def tidy(self, state: State) -> None:
        """Remove files that do not belong to this state. A writer that died before it published leaves
        files whose names tantivy, which continues counting from the state, will use again."""
        with self.opened(state.name) as files:
            for stranger in set(files.names()) - state.files.keys() - {segments.META}:
                files.remove(stranger)

    def new(self) -> str:
        """Return a new folder name for another leg; the folder is created by ``publish``."""
        found = (_NAME.fullmatch(name) for name in self._folder.names())
        return f"lexical-{max((int(match[1]) for match in found if match), default=0) + 1}"

    def publish(self, name: str, work: Folder, known: Mapping[str, segments.Sum]) -> State:
        """Publish tantivy's last commit in the folder ``work``. Raises FileNotFoundError if a merge removes
        some of its files meanwhile."""
        meta = segments.Meta.read(work)
        files = segments.listing(work, meta, known)
        if not self._folder.has(name):
            self._folder.make(name).close()
        with self.opened(name) as target:
            there = set(target.names())
            for file in files.keys() - there:
                work.link(file, target)
            target.sync()
            value = {"uuid": self._uuid, "folder": name, "meta": meta.crc, "files": files}
            manifest.write(self._folder, FILE, value | {"commit": meta.text.decode()})
            for file in there - files.keys():
                target.remove(file)
        return State(name, meta, files)

    def only(self, name: str) -> None:
        """Remove all folders of the leg except this one."""
        for other in self._folder.names():
            if _NAME.fullmatch(other) and other != name:
                self._folder.remove_tree(other)

    def copy(self, to: Folder) -> None:
        """Copy the current state to another folder and publish it there."""
        self.retried(lambda: self._copy(to))

    def _copy(self, to: Folder) -> None:
        state = self.read()
        to.remove_tree("lexical-1")
        to.make("lexical-1").close()
        with self.opened(state.name) as source, to.opened("lexical-1") as target:
            for file in state.meta.files:
                source.copy(file, target)
        value = {"uuid": self._uuid, "folder": "lexical-1", "meta": state.meta.crc, "files": state.files}
        manifest.write(to, FILE, value | {"commit": state.meta.text.decode()})
