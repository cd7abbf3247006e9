"""The terms of each document, as hashes, kept so that learned ranking need not analyse candidates again.

Only an accelerator: a row of the ledger's table ``forward``, which is there once a learned model asked for
it. A row that is missing or damaged is worked out from the document.
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
"""A row's head, and its hashes."""
Read: TypeAlias = Callable[[Sequence[int]], dict[int, bytes]]
Make: TypeAlias = Callable[[Sequence[int]], Iterable[tuple[int, bytes]]]

_ROOM: Final = 16_000_000  # bytes of rows kept at hand
_HEAD: Final = np.dtype([("titles", "<i4"), ("han", "<f4"), ("crc", "<u4")])
_SIZE: Final = _HEAD.itemsize  # ends with the checksum
_han = regex.compile(r"\p{Han}")
_letter = regex.compile(r"\p{L}")


def hashes(terms: Iterable[str]) -> Hashes:
    """uint32 (n,). Two terms in four thousand million share one."""
    return np.array([zlib.crc32(term.encode()) for term in terms], np.uint32)


def han_share(text: str) -> float:
    """The share of Chinese characters among the letters; 0 where there is no letter."""
    letters = len(_letter.findall(text))
    return len(_han.findall(text)) / letters if letters else 0.0


def packed(ordinal: int, terms: Terms, text: str) -> bytes:
    """A row of the table: the document's hashes, how many are its title's, its share of Chinese."""
    body = hashes(terms.of("terms")).astype("<u4").tobytes()
    head = np.array([(len(terms.title), han_share(text), zlib.crc32(body, ordinal))], _HEAD)
    return head.tobytes() + body


class Rows:
    """The rows of the documents that queries asked for of late."""

    def __init__(self) -> None:
        self._known: dict[int, Row] = {}
        self._size = 0

    def texts(self, ordinals: Sequence[int], read: Read, make: Make) -> Texts:
        """The terms of documents in their order. ``read`` gives what the table has of them; where a row is
        missing or damaged, ``make`` makes it."""
        if self._size > _ROOM:
            self._known, self._size = {}, 0
        known = self._known  # another thread may begin a new one meanwhile
        if missing := [ordinal for ordinal in ordinals if ordinal not in known]:
            rows = read(missing)
            rows |= make([ordinal for ordinal in missing if not sound(ordinal, rows.get(ordinal, b""))])
            self._size += sum(map(len, rows.values()))
            known |= {ordinal: parted(row) for ordinal, row in rows.items()}
        return unpacked([known[ordinal] for ordinal in ordinals])


def sound(ordinal: int, row: bytes) -> bool:
    """Whether this is what ``packed`` made for the ordinal."""
    if len(row) < _SIZE or len(row) % 4:
        return False
    return zlib.crc32(row[_SIZE:], ordinal) == int.from_bytes(row[_SIZE - 4 : _SIZE], "little")


def parted(row: bytes) -> Row:
    """The head and the hashes of a row of the table."""
    return row[:_SIZE], row[_SIZE:]


def unpacked(rows: Sequence[Row]) -> Texts:
    """The rows of some documents, end to end."""
    heads = np.frombuffer(b"".join([head for head, _ in rows]), _HEAD)
    bodies = [body for _, body in rows]
    terms = np.frombuffer(b"".join(bodies), "<u4").astype(np.uint32, copy=False)
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, bodies), np.int64, len(rows)) // 4, out=starts[1:])
    return Texts(terms, starts, heads["titles"].astype(np.int64), heads["han"].astype(np.float32))
