"""Files kept from vanishing while they are in use.

tantivy maps its files and deletes those that it has merged. The last mapping that goes then takes the file
with it, which costs the file system some milliseconds each, and a searcher is dropped under Python's global
lock: all threads would wait for it, up to 0.2 s. So each file is open once more, and closed without the
lock.
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
    """Open files, each as long as some object is there that it was opened for, and until ``release``."""

    def __init__(self) -> None:
        self._open: weakref.WeakValueDictionary[Path, _Pin] = weakref.WeakValueDictionary()
        self._left: deque[list[_Pin]] = deque()

    def hold(self, user: object, folder: Folder, names: Iterable[str]) -> None:
        """Keep some files for ``user``; one that cannot be opened is not kept."""
        held = [pin for name in names if (pin := self._pin(folder, name))]
        weakref.finalize(user, self._left.append, held).atexit = False

    def _pin(self, folder: Folder, name: str) -> _Pin | None:
        path = folder / name
        if (pin := self._open.get(path)) is None:
            with suppress(OSError):
                pin = self._open[path] = _Pin(folder, name)
        return pin

    def release(self) -> None:
        """Close what nobody uses any more."""
        while self._left:
            self._left.popleft()

    def close(self) -> None:
        """Close all."""
        for pin in list(self._open.values()):
            pin.close()
