"""The files of the lexical leg that count.

tantivy works in a folder of its own (`hybrid.lexical.writer`). What it has committed there is published:
each file gets a second name in the folder ``lexical-N``, then ``lexical.json`` says which files these are,
with their lengths and checksums, and what tantivy's own ``meta.json`` said. This one rename is the step
from one state to the next; a reader that follows the manifest finds the old one until then.
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
RETRIES: Final = 5  # readings of a folder in which files come and go
PAUSE: Final = 0.3  # seconds that all of them take at most
_NAME: Final = re.compile(r"lexical-([0-9]{1,9})")
_T = TypeVar("_T")


@dataclass(frozen=True)
class State:
    """What one manifest says: the ``name`` of the folder, tantivy's ``commit``, and the ``files`` of it."""

    name: str
    commit: segments.Commit
    files: dict[str, segments.Sum]


class Published:
    """The published files of the generation ``uuid`` in ``folder``."""

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._folder, self._uuid = folder, uuid

    def stamp(self) -> tuple[int, int]:
        """Changes with every state. Raises OSError."""
        status = self._folder.stat(FILE)
        return status.st_ino, status.st_mtime_ns

    def read(self) -> State:
        """The state that counts. Raises FileNotFoundError, IndexCorrupt."""
        value = manifest.read(self._folder, FILE)
        where = self._folder / FILE
        try:
            if value["uuid"] != self._uuid:
                raise IndexCorrupt(f"{where}: belongs to another index")
            name = str(value["folder"])
            if not _NAME.fullmatch(name):
                raise IndexCorrupt(f"{where}: {name!r} is no folder of a lexical leg")
            files = {str(file): (int(size), int(crc)) for file, (size, crc) in value["files"].items()}
            commit = self._commit(name, value.get("commit"))
            if commit.crc != value["meta"] or set(commit.files) != set(files):
                raise IndexCorrupt(f"{where}: does not list what tantivy has committed")
        except (KeyError, ValueError, TypeError, AttributeError) as cause:
            raise IndexCorrupt(f"{where}: damaged: {cause}") from cause
        return State(name, commit, files)

    def _commit(self, name: str, text: str | None) -> segments.Commit:
        with self.opened(name) as files:
            if text is None:  # earlier versions left it to tantivy
                return segments.Commit.read(files)
            return segments.Commit.of(text.encode(), files)

    @contextmanager
    def opened(self, name: str) -> Iterator[Folder]:
        """The folder of some state. Raises FileNotFoundError."""
        with self._folder.opened(name) as files:
            yield files

    def check(self, state: State, known: Mapping[str, segments.Sum]) -> None:
        """IndexCorrupt unless every file is what was published; ``known`` ones are trusted."""
        with self.opened(state.name) as files:
            segments.check(files, state.commit, state.files, known)

    def settled(self, look: Callable[[], _T]) -> _T:
        """What ``look`` finds; again where a file went away meanwhile, or the manifest moved on. Raises the
        last FileNotFoundError, PermissionError or IndexCorrupt."""
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
        """Remove what is not of this state. A writer that died before it had published leaves files to
        which tantivy, which counts on from there, gives the same names."""
        with self.opened(state.name) as files:
            for stranger in set(files.names()) - state.files.keys() - {segments.META}:
                files.remove(stranger)

    def new(self) -> str:
        """The name of a folder for another leg; it is made when something is published there."""
        found = (_NAME.fullmatch(name) for name in self._folder.names())
        return f"lexical-{max((int(match[1]) for match in found if match), default=0) + 1}"

    def publish(self, name: str, work: Folder, known: Mapping[str, segments.Sum]) -> State:
        """Publish what tantivy has committed in the folder ``work``. FileNotFoundError where a merge takes
        some of it away meanwhile."""
        commit = segments.Commit.read(work)
        files = segments.listing(work, commit, known)
        if not self._folder.has(name):
            self._folder.make(name).close()
        with self.opened(name) as target:
            there = set(target.names())
            for file in files.keys() - there:
                work.link(file, target)
            target.sync()
            value = {"uuid": self._uuid, "folder": name, "meta": commit.crc, "files": files}
            manifest.write(self._folder, FILE, value | {"commit": commit.text.decode()})
            for file in there - files.keys():
                target.remove(file)
        return State(name, commit, files)

    def only(self, name: str) -> None:
        """Remove every folder but this one."""
        for other in self._folder.names():
            if _NAME.fullmatch(other) and other != name:
                self._folder.remove_tree(other)

    def copy(self, to: Folder) -> None:
        """Publish the state that counts in another generation's folder, too."""
        self.settled(lambda: self._copy(to))

    def _copy(self, to: Folder) -> None:
        state = self.read()
        to.remove_tree("lexical-1")
        to.make("lexical-1").close()
        with self.opened(state.name) as source, to.opened("lexical-1") as target:
            for file in state.commit.files:
                source.copy(file, target)
        value = {"uuid": self._uuid, "folder": "lexical-1", "meta": state.commit.crc, "files": state.files}
        manifest.write(to, FILE, value | {"commit": state.commit.text.decode()})
