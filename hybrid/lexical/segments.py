"""Check the files of a tantivy index before tantivy maps them: it does not validate them itself, and a
flipped byte would give wrong results.

Each segment file ends with a footer written by tantivy: JSON with the CRC-32 of the content, the footer's
length and a magic number. It reveals damage. The manifest that this package keeps with the files reveals an
undamaged file of another index.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt

META: Final = "meta.json"
_KINDS: Final = ("idx", "pos", "term", "store", "fast", "fieldnorm")
_MAGIC: Final = 1337
_TAIL: Final = 4096  # bytes read to find a footer of some hundred
_BLOCK: Final = 1 << 22

Sum = tuple[int, int]
"""Length and CRC of a file."""


@dataclass(frozen=True)
class Meta:
    """A commit of tantivy's: the ``text`` of its ``meta.json``, and the names of the ``files`` it refers
    to."""

    text: bytes
    files: tuple[str, ...]

    @classmethod
    def read(cls, folder: Folder) -> Self:
        """Read tantivy's last commit. Raises FileNotFoundError, IndexCorrupt."""
        return cls.of(folder.read(META), folder)

    @classmethod
    def of(cls, text: bytes, folder: Folder) -> Self:
        """Parse the ``text`` of a ``meta.json``. Raises IndexCorrupt."""
        try:
            names: list[str] = []
            for segment in json.loads(text)["segments"]:
                stem = UUID(segment["segment_id"]).hex
                names += (f"{stem}.{kind}" for kind in _KINDS)
                if deletes := segment["deletes"]:
                    names.append(f"{stem}.{int(deletes['opstamp'])}.del")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
            raise IndexCorrupt(f"{folder / META}: damaged: {cause}") from cause
        return cls(text, tuple(names))

    @property
    def crc(self) -> int:
        return zlib.crc32(self.text)


def listing(folder: Folder, meta: Meta, known: Mapping[str, Sum]) -> dict[str, Sum]:
    """Return the lengths and CRCs of the files of ``meta``: the ``known`` ones, or from their footers."""
    return {name: known.get(name) or _footer(folder, name)[0] for name in meta.files}


def check(folder: Folder, meta: Meta, listed: Mapping[str, Sum], known: Mapping[str, Sum]) -> None:
    """Check that every file of ``meta`` is undamaged and the one ``listed`` under its name; ``known``
    ones are trusted. Raises IndexCorrupt, FileNotFoundError."""
    for name in meta.files:
        if name in known:
            continue
        expected, length = _footer(folder, name)
        if listed.get(name) != expected:
            raise IndexCorrupt(f"{folder / name}: belongs to another index")
        if _crc(folder, name, length) != expected[1]:
            raise IndexCorrupt(f"{folder / name}: damaged")


def _footer(folder: Folder, name: str) -> tuple[Sum, int]:
    """Return the file's length with the CRC in its footer, and the number of bytes the CRC covers."""
    with folder.reading(name) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
    length, magic = int.from_bytes(tail[-8:-4], "little"), int.from_bytes(tail[-4:], "little")
    try:
        if magic != _MAGIC:
            raise ValueError("no footer")
        crc = int(json.loads(tail[-8 - length : -8])["crc"])
    except (ValueError, KeyError, TypeError) as cause:
        raise IndexCorrupt(f"{folder / name}: damaged: {cause}") from cause
    return (size, crc), size - length - 8


def _crc(folder: Folder, name: str, length: int) -> int:
    crc = 0
    with folder.reading(name) as file:
        while length and (block := file.read(min(length, _BLOCK))):
            crc, length = zlib.crc32(block, crc), length - len(block)
    return crc
