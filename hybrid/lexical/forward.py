"""A forward index: the terms of each document, as hashes, so that learned ranking need not analyse
candidates again.

Only a cache, in the ledger's table ``forward``, which is created when a learned model needs it. A row
that is missing or damaged is computed from the document.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
import regex

from hybrid.lexical.terms import Terms
from hybrid.rerank.matching import Hashes, Texts

Row: TypeAlias = tuple[bytes, bytes]
"""The head of a row, and its hashes."""
Read: TypeAlias = Callable[[Sequence[int]], dict[int, bytes]]
Make: TypeAlias = Callable[[Sequence[int]], Iterable[tuple[int, bytes]]]

_ROOM: Final = 16_000_000  # bytes of rows kept in memory
_HEAD: Final = np.dtype([("titles", "<i4"), ("han", "<f4"), ("crc", "<u4")])
_SIZE: Final = _HEAD.itemsize  # ends with the checksum
_han = regex.compile(r"\p{Han}")
_letter = regex.compile(r"\p{L}")


def hashes(terms: Iterable[str]) -> Hashes:
    """Hash terms to uint32 (n,). Two different terms collide with probability 2**-32."""
    return np.array([zlib.crc32(term.encode()) for term in terms], np.uint32)


def han_share(text: str) -> float:
    """Return the share of Chinese characters among the letters; 0 without letters."""
    letters = len(_letter.findall(text))
    return len(_han.findall(text)) / letters if letters else 0.0


def packed(ordinal: int, terms: Terms, text: str) -> bytes:
    """Pack a row of the table: the document's hashes, how many of them are the title's, its share of
    Chinese."""
    body = hashes(terms.of("terms")).astype("<u4").tobytes()
    head = np.array([(len(terms.title), han_share(text), zlib.crc32(body, ordinal))], _HEAD)
    return head.tobytes() + body


class ForwardCache:
    """Caches the rows of recently used documents in memory."""

    def __init__(self) -> None:
        self._known: dict[int, Row] = {}
        self._size = 0

    def texts(self, ordinals: Sequence[int], read: Read, make: Make) -> Texts:
        """Return the terms of documents, in the order of ``ordinals``. ``read`` fetches rows from the
        table; ``make`` computes those that are missing or damaged."""
        if self._size > _ROOM:
            self._known, self._size = {}, 0
        known = self._known  # another thread may replace it meanwhile
        if missing := [ordinal for ordinal in ordinals if ordinal not in known]:
            rows = read(missing)
            rows |= make([ordinal for ordinal in missing if not sound(ordinal, rows.get(ordinal, b""))])
            self._size += sum(map(len, rows.values()))
            known |= {ordinal: parted(row) for ordinal, row in rows.items()}
        return unpacked([known[ordinal] for ordinal in ordinals])


def sound(ordinal: int, row: bytes) -> bool:
    """Whether the row is undamaged and belongs to the ordinal."""
    if len(row) < _SIZE or len(row) % 4:
        return False
    return zlib.crc32(row[_SIZE:], ordinal) == int.from_bytes(row[_SIZE - 4 : _SIZE], "little")


def parted(row: bytes) -> Row:
    """The head and the hashes of a row of the table."""
    return row[:_SIZE], row[_SIZE:]


def unpacked(rows: Sequence[Row]) -> Texts:
    """Unpack the rows of some documents and concatenate them."""
    heads = np.frombuffer(b"".join([head for head, _ in rows]), _HEAD)
    bodies = [body for _, body in rows]
    terms = np.frombuffer(b"".join(bodies), "<u4").astype(np.uint32, copy=False)
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, bodies), np.int64, len(rows)) // 4, out=starts[1:])
    return Texts(terms, starts, heads["titles"].astype(np.int64), heads["han"].astype(np.float32))
