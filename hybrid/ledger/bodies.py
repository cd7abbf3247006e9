"""The bodies of documents once more, in a mapped file: reading one there holds no lock, and does not let
go of the interpreter. SQLite does so for every row, and a thread then queues for it among the others.

A projection of the ledger's tables, written after each commit. What is missing or damaged here is read
there.
"""

from __future__ import annotations

import logging
import mmap
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.ledger import checksums
from hybrid.ledger.checksums import Row
from hybrid.types import Document

_log = logging.getLogger(__name__)

FILE: Final = "bodies"
PLACES: Final = "bodies.at"
"""Where the record of each ordinal begins in ``FILE``, int64; 0 for one that has none."""
_HEAD: Final = struct.Struct("<q5I")
"""Before each record: its ordinal, the lengths of id, title, text and metadata, and their checksum."""

_told: Final = dict[Path, str]()
"""The last failure to write in each folder, since the last success."""

_Place: TypeAlias = tuple[int, tuple[int, ...]]
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Map:
    """Both files as they were when they were mapped."""

    places: NDArray[np.int64]
    data: mmap.mmap | bytes

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), b"")

    def place(self, ordinal: int) -> _Place | None:
        """Where the texts of an ordinal begin, and the head of its record; None without a whole one."""
        if not 0 <= ordinal < len(self.places):
            return None
        start = int(self.places[ordinal])
        if not 0 < start <= len(self.data) - _HEAD.size:
            return None
        head = _HEAD.unpack_from(self.data, start)
        texts = start + _HEAD.size
        whole = head[0] == ordinal and texts + sum(head[1:5]) <= len(self.data)
        return (texts, head) if whole else None


class Bodies:
    """The files ``bodies`` and ``bodies.at`` in a generation's folder. One thread may append while any
    number reads."""

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._folder = folder
        self._title = uuid.encode()
        self._map, self._lock = _Map.none(), threading.Lock()
        self._end = 0
        """Where the next record begins; 0 before the first one of this process."""

    def documents(self, ordinals: Sequence[int]) -> dict[int, Document]:
        """The documents of those ``ordinals`` that are here, undamaged."""
        return self._found(ordinals, _document)

    def ids(self, ordinals: Sequence[int]) -> dict[int, str]:
        """The ids of those that are here; unchecked."""
        return self._found(ordinals, _id)

    def _found(self, ordinals: Sequence[int], read: Callable[[_Map, _Place], _T]) -> dict[int, _T]:
        found = dict(_some(self._map, ordinals, read))
        if len(found) < len(ordinals) and self._grown():
            found = dict(_some(self._map, ordinals, read))
        return found

    def append(self, first: int, rows: Iterable[Row]) -> None:
        """Write the documents from ordinal ``first`` on. A failure is only logged: the tables have them."""
        self.write(enumerate(rows, start=first))

    def write(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Write documents, each with its ordinal, ascending, in one go. A failure is only logged, and once
        until a write succeeds or fails otherwise."""
        with self._lock:
            try:
                self._write(rows)
            except OSError as error:
                if _told.get(self._folder.path) != (told := str(error)):
                    _told[self._folder.path] = told
                    _log.warning("%s: cannot be written: %s", self._folder / FILE, error)

    def _write(self, rows: Iterable[tuple[int, Row]]) -> None:
        """Raises OSError."""
        end = self._end or self._begun()
        records, places = list[bytes](), dict[int, int]()
        for ordinal, (*texts, crc) in rows:
            parts = [text.encode() for text in texts]
            records.append(_HEAD.pack(ordinal, *map(len, parts), crc) + b"".join(parts))
            places[ordinal] = end
            end += len(records[-1])
        if records:  # the places last: behind each, a reader finds a whole record
            self._folder.write(FILE, b"".join(records), next(iter(places.values())))
            for first, run in _runs(places):
                self._folder.write(PLACES, run.tobytes(), 8 * first)
            self._end = end
            _told.pop(self._folder.path, None)

    def wipe(self) -> None:
        """Remove both files."""
        with self._lock:
            self._wipe()

    def _wipe(self) -> None:
        self._map, self._end = _Map.none(), 0
        for name in (PLACES, FILE):
            with suppress(FileNotFoundError):
                self._folder.remove(name)

    def close(self) -> None:
        """Let go of the mapped files."""
        self._map = _Map.none()

    def _grown(self) -> bool:
        """Map the files anew if they have become longer."""
        with self._lock:
            try:
                grown = self._folder.stat(FILE).st_size > len(self._map.data)
            except OSError:
                return False
            if grown:
                self._map = self._mapped()
            return grown

    def _mapped(self) -> _Map:
        try:
            places, data = self._view(PLACES), self._view(FILE)
        except (OSError, ValueError):  # missing or empty
            return _Map.none()
        if data[: len(self._title)] != self._title:
            return _Map.none()
        return _Map(np.frombuffer(places, "<i8", count=len(places) // 8), data)

    def _view(self, name: str) -> mmap.mmap:
        with self._folder.reading(name) as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def _begun(self) -> int:
        """The length of the file, which is made if there is none of this generation. Raises OSError."""
        with suppress(FileNotFoundError):
            if self._folder.read(FILE, len(self._title)) == self._title:
                return self._folder.stat(FILE).st_size
        self._wipe()
        self._folder.write(FILE, self._title)
        return len(self._title)


def _runs(places: dict[int, int]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The places of consecutive ordinals together, each time with the first ordinal."""
    ordinals, at = np.array([*places]), np.array([*places.values()], "<i8")
    breaks = np.flatnonzero(np.diff(ordinals) != 1) + 1
    for start, run in zip([0, *breaks.tolist()], np.split(at, breaks), strict=True):
        yield int(ordinals[start]), run


def _some(
    mapped: _Map, ordinals: Sequence[int], read: Callable[[_Map, _Place], _T]
) -> Iterator[tuple[int, _T]]:
    """What is read of each that is here, undamaged."""
    for ordinal in ordinals:
        if (place := mapped.place(ordinal)) is not None:
            with suppress(IndexCorrupt, ValueError, TypeError):
                yield ordinal, read(mapped, place)


def _document(mapped: _Map, place: _Place) -> Document:
    """Raises IndexCorrupt, ValueError."""
    parts, (at, (_, *lengths, crc)) = list[bytes](), place
    for length in lengths:
        parts.append(mapped.data[at : at + length])
        at += length
    id, title, text, metadata = parts
    return checksums.body(id, title, text, metadata, crc)


def _id(mapped: _Map, place: _Place) -> str:
    at, (_, length, *_) = place
    return mapped.data[at : at + length].decode()
