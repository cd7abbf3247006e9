"""Keep files open while searchers use them.

tantivy maps its files and deletes those that it has merged. Dropping the last mapping of a deleted file
makes the file system free it, which takes some milliseconds per file, and a searcher is dropped under the
GIL: all threads would wait, up to 0.2 s. So each file is opened once more here, and closed without the
GIL.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hybrid.disk.folder import Folder


class _Pin:
    """An open file."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._descriptor = folder.descriptor(name)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with suppress(AttributeError):  # it could not be opened
            self.close()


class Pins:
    """Keeps files open for as long as their users live, and then until ``release``."""

    def __init__(self) -> None:
        self._open: weakref.WeakValueDictionary[Path, _Pin] = weakref.WeakValueDictionary()
        self._left: deque[list[_Pin]] = deque()

    def hold(self, user: object, folder: Folder, names: Iterable[str]) -> None:
        """Keep files open for ``user``; skip those that cannot be opened."""
        held = [pin for name in names if (pin := self._pin(folder, name))]
        weakref.finalize(user, self._left.append, held).atexit = False

    def _pin(self, folder: Folder, name: str) -> _Pin | None:
        path = folder / name
        if (pin := self._open.get(path)) is None:
            with suppress(OSError):
                pin = self._open[path] = _Pin(folder, name)
        return pin

    def release(self) -> None:
        """Close files that have no users left."""
        while self._left:
            self._left.popleft()

    def close(self) -> None:
        """Close all files."""
        for pin in list(self._open.values()):
            pin.close()
