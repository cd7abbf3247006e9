"""The arrays of vectors, and the rows that are durable before their arrays are.

To sync three files costs three times what the commit itself costs. So a small batch's arrays are written,
not synced, and its rows stand in the table ``pending`` of the same transaction as well. Before these grow
beyond MOST bytes they are written once more, the arrays are synced, and the table is emptied; a writer
does so with what it finds when it opens, since a power cut may have taken it from the arrays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

import numpy as np

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.ledger import checksums, database
from hybrid.ledger.rows import RowFiles, Rows

MOST: Final = 1 << 20  # bytes of rows in ``pending``

_TABLE: Final = "pending"


class RowLog:
    """The rows of the generation in ``folder``. Where a connection is asked for it is the ledger's own."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.files = RowFiles(folder)
        self._bytes = 0  # in ``pending``, or a little less

    # -- reading

    def load(self, connection: sqlite3.Connection, count: int, dim: int, first: int) -> Rows:
        """The first ``count`` rows; those from ``first`` on must be what was written, or IndexCorrupt."""
        try:
            rows = self.files.map(count, dim)
            self._check(connection, rows, first)
        except IndexCorrupt:
            if not (pending := list(_pending(connection))):
                raise
            # After a power cut, and no writer has come yet.
            rows = self.files.read(count, dim)
            for start, part in pending:
                part.put(rows, start)
            self._check(connection, rows, 0)
        return rows

    def _check(self, connection: sqlite3.Connection, rows: Rows, first: int) -> None:
        for start, end, sound in checksums.blocks(connection, rows, first):
            if start != first or not sound:
                raise database.damaged(self._folder, f"vectors from row {first} on are damaged", "text.*")
            first = end
        if first != len(rows):
            raise database.damaged(self._folder, f"no checksums of the vectors from row {first} on")

    # -- writing

    def write(self, connection: sqlite3.Connection, first: int, rows: Rows) -> bool:
        """Put ``rows`` at row number ``first`` and on; whether they are durable, and all before them."""
        self.files.write(first, rows)
        if self._bytes + rows.nbytes <= MOST:
            return False
        self._rewrite(connection)
        self.files.sync()
        return True

    def record(self, connection: sqlite3.Connection, first: int, rows: Rows, durable: bool) -> None:
        """The statements about ``rows`` in the transaction that commits them."""
        connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", (first, len(rows), rows.crc()))
        if durable:
            self.forget(connection)
            return
        if not _there(connection):
            connection.execute(database.EXTRAS[_TABLE])
        parts = (np.ascontiguousarray(part).data.cast("B") for part in rows.arrays)
        connection.execute("INSERT INTO pending VALUES (?, ?, ?, ?)", (first, *parts))
        self._bytes += rows.nbytes

    def settle(self, connection: sqlite3.Connection) -> bool:
        """Make the arrays durable; whether there was anything pending."""
        if found := self._rewrite(connection):
            self.files.sync()
        return found

    def _rewrite(self, connection: sqlite3.Connection) -> bool:
        """Once more, since an fsync that failed may have let go of what it did not write."""
        found = False
        for first, rows in _pending(connection):
            self.files.write(first, rows)
            found = True
        return found

    def forget(self, connection: sqlite3.Connection) -> None:
        """In a transaction: what is pending is durable in the arrays."""
        if _there(connection):
            connection.execute("DELETE FROM pending")
        self._bytes = 0


def _there(connection: sqlite3.Connection) -> bool:
    return _TABLE in database.extras(connection)


def _pending(connection: sqlite3.Connection) -> Iterator[tuple[int, Rows]]:
    """Row numbers and rows, those that are what was written."""
    if not _there(connection):
        return
    sql = "SELECT first, crc, vectors, ordinals, spans FROM pending JOIN blocks USING (first)"
    for first, crc, vectors, ordinals, spans in connection.execute(sql):
        count = len(ordinals) // 8
        rows = Rows(
            np.frombuffer(vectors, np.float32).reshape(count, -1),
            np.frombuffer(ordinals, np.int64),
            np.frombuffer(spans, np.int64).reshape(count, 2),
        )
        if rows.crc() == crc:
            yield first, rows
