"""The content of rows in a ledger's tables, and the checksums that protect it."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any, Final, TypeAlias

from hybrid.disk.folder import READERS
from hybrid.errors import IndexCorrupt
from hybrid.ledger.rows import Rows
from hybrid.threads import each
from hybrid.types import Document

BODY: Final = ", ".join(f"CAST({name} AS BLOB)" for name in ("id", "title", "text", "metadata")) + ", crc"
"""The columns to pass to ``body``, as bytes, over which the checksum is computed."""
Row: TypeAlias = tuple[str, str, str, str, int]
"""A document as id, title, text, metadata and the checksum of all four."""
_PART: Final = 64  # blocks that a thread checks at once
_MANY: Final = 1 << 26  # bytes of rows from which several threads are faster
_parse: Final = json.JSONDecoder().raw_decode  # half of the time of ``json.loads``


def sealed(meta: Mapping[str, str]) -> dict[str, str]:
    """Return the table ``meta`` with a checksum over all its other entries."""
    rest = {key: value for key, value in sorted(meta.items()) if key != "crc"}
    return {**rest, "crc": str(checksum(*(part.encode() for item in rest.items() for part in item)))}


def blocks(connection: sqlite3.Connection, rows: Rows, first: int = 0) -> Iterator[tuple[int, int, bool]]:
    """Check the blocks in which the rows from ``first`` on were written: yield start, end, and whether the
    checksum matches."""
    query = "SELECT first, rows, crc FROM blocks WHERE first >= ? ORDER BY first"
    listed = connection.execute(query, (first,)).fetchall()
    parts = [listed[i : i + _PART] for i in range(0, len(listed), _PART)]
    # zlib releases the GIL
    threads = READERS if rows[first:].nbytes >= _MANY else 1
    yield from chain.from_iterable(each(partial(_looked, rows), parts, threads))


def _looked(rows: Rows, listed: list[tuple[int, int, int]]) -> list[tuple[int, int, bool]]:
    return [(start, start + n, rows[start : start + n].crc() == crc) for start, n, crc in listed]


def body(id: bytes, title: bytes, text: bytes, metadata: bytes, crc: int) -> Document:
    """Make a document from its row, whose texts are UTF-8, and check it. Raises IndexCorrupt."""
    found = fields(id, title, text, metadata, crc)
    return Document(id.decode(), text.decode(), title.decode(), found)


def fields(id: bytes, title: bytes, text: bytes, metadata: bytes, crc: int) -> dict[str, Any]:
    """Read a document's metadata from its row, and check the row. Raises IndexCorrupt."""
    if crc != checksum(id, title, text, metadata):
        raise IndexCorrupt(f"document {id.decode(errors='replace')!r} is damaged")
    found: dict[str, Any] = {} if metadata == b"{}" else _parse(metadata.decode())[0]
    return found


def row(document: Document) -> Row:
    metadata = json.dumps(document.metadata, ensure_ascii=False, separators=(",", ":"))
    texts = document.id, document.title, document.text, metadata
    return *texts, checksum(*(text.encode() for text in texts))


def checksum(*parts: bytes) -> int:
    """Compute one checksum over several texts and their lengths."""
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, zlib.crc32(len(part).to_bytes(8, "little"), crc))
    return crc
