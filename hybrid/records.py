"""What stands in the rows of a ledger's tables, and the checksums by which it can be trusted."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping

from hybrid.arrays import Rows
from hybrid.errors import IndexCorrupt
from hybrid.types import Document


def sealed(meta: Mapping[str, str]) -> dict[str, str]:
    """The table ``meta`` with a checksum over the rest of it."""
    rest = {key: value for key, value in sorted(meta.items()) if key != "crc"}
    return {**rest, "crc": str(_crc(*(part for item in rest.items() for part in item)))}


def blocks(connection: sqlite3.Connection, rows: Rows, first: int = 0) -> Iterator[tuple[int, int, bool]]:
    """The blocks in which the rows from ``first`` on were written: start, end, and whether they still are
    what was written."""
    query = "SELECT first, rows, crc FROM blocks WHERE first >= ? ORDER BY first"
    for start, count, crc in connection.execute(query, (first,)):
        yield start, start + count, rows[start : start + count].crc() == crc


def body(id: str, title: str, text: str, metadata: str, crc: int) -> Document:
    """A document from its row, checked. Raises IndexCorrupt."""
    if crc != _crc(id, title, text, metadata):
        raise IndexCorrupt(f"document {id!r} is damaged")
    return Document(id, text, title, {} if metadata == "{}" else json.loads(metadata))


def row(ordinal: int, document: Document) -> tuple[int, str, str, str, int]:
    metadata = json.dumps(document.metadata, ensure_ascii=False, separators=(",", ":"))
    return (
        ordinal,
        document.title,
        document.text,
        metadata,
        _crc(document.id, document.title, document.text, metadata),
    )


def _crc(*parts: str) -> int:
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode()
        pieces += (len(data).to_bytes(8, "little"), data)
    return zlib.crc32(b"".join(pieces))
