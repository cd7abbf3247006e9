"""A counter of changes in a mapped file, so that a search learns from memory that nobody has committed.

A writer adds one before each change and one after it: the counter is odd meanwhile, and stays odd where the
writer is killed in between. A reader compares it with what it was at the last look, and asks the file
system and SQLite only where it is odd or another one. These calls let go of the interpreter, and a thread
then queues for it among the others. They are made every ``PERIOD`` all the same: for a writer of an earlier
version, which does not count; a file system that does not show one machine what another has written; an
index that was deleted.

The file is no part of what is stored. It is never synced, and any content will do to go on from.
"""

from __future__ import annotations

import logging
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from hybrid.disk.folder import Folder

_log = logging.getLogger(__name__)

FILE: Final = "changes"
PERIOD: Final = 0.1
"""Seconds after which a reader looks, whatever the counter says."""
_SIZE: Final = 8  # bytes, little-endian


class Counter:
    """A writer's side."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        found = b""
        with suppress(OSError):
            found = folder.read(FILE, _SIZE)
        self._value = int.from_bytes(found, "little")
        if len(found) < _SIZE or self._value % 2:  # there was none, or the last writer was killed
            self._move_to(even=True)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change something that readers look for. Not for two threads at once."""
        self._move_to(even=False)
        try:
            yield
        finally:
            self._move_to(even=True)

    def _move_to(self, *, even: bool) -> None:
        """The next even or odd number. A failure is only logged: readers then see a change up to ``PERIOD``
        later."""
        self._value += 1 if self._value % 2 == even else 2
        try:
            self._folder.write(FILE, (self._value % (1 << 8 * _SIZE)).to_bytes(_SIZE, "little"))
        except OSError as error:
            _log.warning("%s: cannot be written: %s", self._folder / FILE, error)


class Watch:
    """A reader's side. One thread at a time."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._map: mmap.mmap | None = None
        self._seen: bytes | None = None
        self._due = self._opening_due = 0.0

    def look(self, look: Callable[[], bool]) -> None:
        """Call ``look``, unless nothing has changed since it last returned True: that it saw everything."""
        now = time.monotonic()
        counted = self._counted(now)
        if counted is None or counted != self._seen or now >= self._due:
            whole = look()
            self._seen, self._due = counted if whole else None, now + PERIOD

    def _counted(self, now: float) -> bytes | None:
        """The counter; None while it is odd, or where there is none."""
        if self._map is None and now >= self._opening_due:
            self._map, self._opening_due = self._opened(), now + PERIOD
        if self._map is None:
            return None
        counted = self._map[:_SIZE]
        return None if counted[0] % 2 else counted

    def _opened(self) -> mmap.mmap | None:
        with suppress(OSError, ValueError), self._folder.reading(FILE) as file:  # missing or too short
            return mmap.mmap(file.fileno(), _SIZE, access=mmap.ACCESS_READ)
        return None
