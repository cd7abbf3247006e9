"""What a ledger holds beside documents, in tables that are there once somebody needs them.

``forward``: the terms of documents as hashes (`hybrid.lexical.forward`), an accelerator. ``models``: what
learned ranking stored, by the SHA-256 of its text. ``feedback``: the log of impressions and clicks. They
live in the ledger's database, so they are as durable and are backed up with it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import orjson

from hybrid.errors import IndexCorrupt
from hybrid.ledger import database
from hybrid.ledger.ledger import Ledger

_MANY: Final = 500  # rows asked for at a time


class Tables:
    """The tables beside the documents', of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._there: set[str] = set()

    def has(self, table: str) -> bool:
        """Whether it is there; once it is, it stays."""
        sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
        if table not in self._there and self._ledger.query(sql, (table,)):
            self._there.add(table)
        return table in self._there

    # -- the terms of documents

    def forward(self, ordinals: Sequence[int]) -> dict[int, bytes]:
        """The rows that there are, by ordinal."""
        if not self.has("forward"):
            return {}
        # Twice as fast as IN (?, ?, …).
        sql = "SELECT ordinal, terms FROM json_each(?) CROSS JOIN forward ON ordinal = value"
        return dict(self._ledger.query(sql, (orjson.dumps(list(ordinals)).decode(),)))

    def keep_forward(self, rows: Mapping[int, bytes]) -> None:
        """Have the table, and ``rows`` in it, by ordinal."""
        self._ledger.change(_writes("forward", rows.items()))

    def forget_forward(self, connection: sqlite3.Connection) -> None:
        """In a transaction of the ledger's: drop all rows, which another analyzer made."""
        if "forward" in database.extras(connection):
            connection.execute("DELETE FROM forward")

    def keeps(self, rows: Callable[[], Mapping[int, bytes]]) -> Callable[[sqlite3.Connection], None]:
        """The action that adds ``rows`` with a commit of documents, where the table exists."""
        return _writes("forward", rows().items()) if self.has("forward") else lambda _: None

    # -- models

    def keep_model(self, body: str) -> str:
        """Store a model; returns the id by which a profile names it."""
        id = _name(body)
        self._ledger.change(_writes("models", [(id, body)]))
        return id

    def model(self, id: str) -> str:
        """IndexCorrupt where it is missing or not what was stored."""
        sql = "SELECT body FROM models WHERE id = ?"
        found = self._ledger.query(sql, (id,)) if self.has("models") else []
        if not found or _name(str(found[0][0])) != id:
            raise IndexCorrupt(
                f"the model {id[:12]} is missing or damaged; go back to another: hybrid profile DIR use N"
            )
        return str(found[0][0])

    # -- feedback

    def log(self, records: Iterable[str]) -> None:
        """Append to the log of impressions and clicks."""
        self._ledger.change(_writes("feedback", ((None, record) for record in records)))

    def logged(self) -> Iterator[str]:
        """The records of the log, oldest first."""
        last = 0
        while self.has("feedback"):
            sql = "SELECT number, record FROM feedback WHERE number > ? ORDER BY number LIMIT ?"
            part = self._ledger.query(sql, (last, _MANY))
            if not part:
                return
            yield from (record for _, record in part)
            last = part[-1][0]

    # -- a new generation

    def copy(self, target: Tables) -> None:
        """Give models and log to another ledger, and have it keep terms where this one does. (Terms are
        of ordinals, so they are its own.)"""
        if self.has("forward"):
            target.keep_forward({})
        if self.has("models"):
            rows = self._ledger.query("SELECT id, body FROM models")
            target._ledger.change(_writes("models", rows))
        if self.has("feedback"):
            rows = self._ledger.query("SELECT number, record FROM feedback")
            target._ledger.change(_writes("feedback", rows))


def _name(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _writes(table: str, rows: Iterable[tuple[object, object]]) -> Callable[[sqlite3.Connection], None]:
    def write(connection: sqlite3.Connection) -> None:
        if table not in database.extras(connection):
            connection.execute(database.EXTRAS[table])
        connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows)

    return write
