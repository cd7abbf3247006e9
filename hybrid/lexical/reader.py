"""The lexical leg in a process that only reads it."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import tantivy

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.lexical import bm25
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.published import Published, State
from hybrid.lexical.segments import META, Sum


class LexicalReader:
    """Reads the published leg of the generation ``uuid`` in ``folder``.

    tantivy needs a path, and writes a lock file even for reading. So it gets a temporary folder of symbolic
    links to the files in the opened folder, which is removed once they are mapped.
    """

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._folder = folder
        self._published = Published(folder, uuid)
        self._known: dict[str, Sum] = {}
        self._state: State | None = None
        self._view: LexicalView | None = None
        self._index: tantivy.Index | None = None
        self._mirror: Path | None = None
        self._lock = threading.Lock()

    def view(self) -> LexicalView:
        """Return a view of the last published state. Raises IndexCorrupt."""
        with self._lock:
            try:
                return self._published.retried(self._look)
            except (FileNotFoundError, PermissionError, IndexCorrupt) as error:
                raise bm25.corrupt(self._folder, error) from error

    def stamp(self) -> tuple[int, int]:
        """Return a value that changes with every published state. Raises OSError."""
        return self._published.stamp()

    def copy(self, to: Folder) -> None:
        """Copy the leg into the folder ``to``."""
        self._published.copy(to)

    def _look(self) -> LexicalView:
        state = self._published.read()
        if self._view is None or state != self._state:
            self._published.check(state, self._known)
            self._view, self._state, self._known = self._opened(state), state, state.files
        return self._view

    def _opened(self, state: State) -> LexicalView:
        with self._published.opened(state.name) as files, bm25.reading(self._folder):
            mirror = self._made()
            try:
                for name in state.meta.files:
                    os.symlink(files.native(name), mirror / name)
                (mirror / META).write_bytes(state.meta.text)
                self._index = self._index or bm25.open_index(mirror)
                return LexicalView.of(self._index)
            finally:
                self.close()

    def _made(self) -> Path:
        """Make an empty folder: the same path each time, since tantivy caches its mappings by path."""
        if self._mirror is not None:
            with suppress(FileExistsError):  # another program's, or ours that could not be removed
                os.mkdir(self._mirror, 0o700)
                return self._mirror
        self._mirror, self._index = Path(tempfile.mkdtemp(prefix="hybrid-lexical-")), None
        return self._mirror

    def close(self) -> None:
        """Remove the links. (If tantivy is just writing its lock file, the folder is removed later.)"""
        if self._mirror is not None:
            shutil.rmtree(self._mirror, ignore_errors=True)
