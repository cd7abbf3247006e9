"""The head: a second copy, outside of SQLite, of the last commit's sequence number.

A flipped byte in SQLite's log makes SQLite silently drop all commits from there on. The head is written
after each commit, so a ledger that is behind it has lost commits. It is not synced: after a power cut it
may be old, and then proves nothing.
"""

from __future__ import annotations

import logging
import zlib
from typing import Final

from hybrid.disk.folder import Folder

_log = logging.getLogger(__name__)


FILE: Final = "head"


class Head:
    """The file ``head`` in a generation's folder: sequence number, the generation's UUID, CRC."""

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._folder = folder
        self._uuid = uuid

    def read(self) -> int | None:
        """Read the sequence number; None if the file is missing, damaged or of another generation."""
        try:
            text = self._folder.read(FILE)
            seq = int(text.split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return seq if text == self._record(seq) else None

    def write(self, seq: int) -> None:
        """Overwrite the file in place. A failure is only logged: it costs no more than this safeguard."""
        try:
            self._folder.write(FILE, self._record(seq))
        except OSError as error:
            _log.warning("%s: cannot be written: %s", self._folder / FILE, error)

    def _record(self, seq: int) -> bytes:
        record = f"{seq:020d} {self._uuid}"
        return f"{record} {zlib.crc32(record.encode()):08x}\n".encode()
