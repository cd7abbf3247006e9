"""The files of vector rows, and pending rows, which are durable in SQLite before the files are synced.

Syncing three files costs three times as much as the commit itself. So the rows of a small batch are
written to the files without a sync, and also to the table ``pending`` in the same transaction. Before the
table grows beyond MOST bytes, its rows are written to the files again, the files are synced and the table
is emptied. A writer also does this when it opens an index, since a power cut may have lost the rows in
the files.
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
    """Reads and writes the rows of the generation in ``folder``. ``connection`` is always the ledger's."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.files = RowFiles(folder)
        self._bytes = 0  # in ``pending``, or slightly fewer

    # -- reading

    def load(self, connection: sqlite3.Connection, count: int, dim: int, first: int) -> Rows:
        """Map the first ``count`` rows and check those from ``first`` on. Raises IndexCorrupt."""
        try:
            rows = self.files.map(count, dim)
            self._check(connection, rows, first)
        except IndexCorrupt:
            if not (pending := list(_pending(connection))):
                raise
            # There was a power cut, and no writer has opened the index since.
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
        """Write ``rows`` from row number ``first`` on. Returns whether they and all rows before are durable
        in the files."""
        self.files.write(first, rows)
        if self._bytes + rows.nbytes <= MOST:
            return False
        self._rewrite(connection)
        self.files.sync()
        return True

    def record(self, connection: sqlite3.Connection, first: int, rows: Rows, durable: bool) -> None:
        """Record ``rows`` in the transaction that commits them; in ``pending`` as well unless
        ``durable``."""
        connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", (first, len(rows), rows.crc()))
        if durable:
            self.forget(connection)
            return
        database.ensure(connection, _TABLE)
        parts = (np.ascontiguousarray(part).data.cast("B") for part in rows.arrays)
        connection.execute("INSERT INTO pending VALUES (?, ?, ?, ?)", (first, *parts))
        self._bytes += rows.nbytes

    def settle(self, connection: sqlite3.Connection) -> bool:
        """Write pending rows to the files and sync them. Returns whether there were any."""
        if found := self._rewrite(connection):
            self.files.sync()
        return found

    def _rewrite(self, connection: sqlite3.Connection) -> bool:
        """Write pending rows to the files again: a failed fsync may have dropped them from the cache."""
        found = False
        for first, rows in _pending(connection):
            self.files.write(first, rows)
            found = True
        return found

    def forget(self, connection: sqlite3.Connection) -> None:
        """Empty the table, in a transaction: its rows are durable in the files."""
        if _there(connection):
            connection.execute("DELETE FROM pending")
        self._bytes = 0


def _there(connection: sqlite3.Connection) -> bool:
    return _TABLE in database.extras(connection)


def _pending(connection: sqlite3.Connection) -> Iterator[tuple[int, Rows]]:
    """Yield row numbers and undamaged rows of the table."""
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
