"""The terms of each document, as hashes, kept so that learned ranking need not analyse candidates again.

Only an accelerator: a row of the ledger's table ``forward``, which is there once a learned model asked for
it. A row that is missing or damaged is worked out from the document.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import regex

from hybrid.bm25 import Terms
from hybrid.rerank.matching import Hashes, Texts

_HEAD: Final = np.dtype([("titles", "<i4"), ("han", "<f4"), ("crc", "<u4")])
_head = struct.Struct("<ifI")  # the same; for one row a tenth of numpy's time
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


def sound(ordinal: int, row: bytes) -> bool:
    """Whether this is what ``packed`` made for the ordinal."""
    size = _HEAD.itemsize
    if len(row) < size or (len(row) - size) % 4:
        return False
    *_, crc = _head.unpack_from(row)
    return bool(crc == zlib.crc32(memoryview(row)[size:], ordinal))


def unpacked(rows: Sequence[bytes]) -> Texts:
    """The rows of some documents, end to end."""
    size = _HEAD.itemsize
    heads = np.frombuffer(b"".join(row[:size] for row in rows), _HEAD)
    terms = np.frombuffer(b"".join(row[size:] for row in rows), "<u4").astype(np.uint32)
    lengths = [(len(row) - size) // 4 for row in rows]
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return Texts(terms, starts, heads["titles"].astype(np.int64), heads["han"].astype(np.float32))
