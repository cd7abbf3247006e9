"""Tables of a ledger beside those of documents, created on first use.

``passages``: the passages of documents that are several (`hybrid.ledger.passages`). ``forward``: the terms
of documents as hashes (`hybrid.lexical.forward`), a cache. ``models``: models of learned ranking, by the
SHA-256 of their text. ``feedback``: the log of impressions and clicks. ``past``: queries whose answers are
known (`hybrid.ledger.past`). They are in the ledger's database, so they are as durable as documents and
backed up with them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from hybrid.errors import IndexCorrupt
from hybrid.ledger import database, passages
from hybrid.ledger.database import Action
from hybrid.ledger.ledger import Ledger
from hybrid.ledger.passages import Piece, Pieces
from hybrid.ledger.past import PastQueries
from hybrid.types import Ordinals

_MANY: Final = 500  # rows asked for at a time


class Tables:
    """The additional tables of one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._there: set[str] = set()
        self.past = PastQueries(ledger)

    def has(self, table: str) -> bool:
        """Whether the table exists; once created, it stays."""
        sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
        if table not in self._there and self._ledger.query(sql, (table,)):
            self._there.add(table)
        return table in self._there

    # -- the terms of documents

    def forward(self, ordinals: Sequence[int]) -> dict[int, bytes]:
        """Return the existing rows of some ordinals."""
        if not self.has("forward"):
            return {}
        # Twice as fast as IN (?, ?, …).
        sql = "SELECT ordinal, terms FROM json_each(?) CROSS JOIN forward ON ordinal = value"
        return dict(self._ledger.query(sql, (orjson.dumps(list(ordinals)).decode(),)))

    def keep_forward(self, rows: Mapping[int, bytes]) -> None:
        """Store ``rows``, by ordinal; create the table if it is missing."""
        self._ledger.change(_writes("forward", rows.items()))

    def forget_forward(self, connection: sqlite3.Connection) -> None:
        """Delete all rows, made by another analyzer, in a transaction of the ledger's."""
        if "forward" in database.extras(connection):
            connection.execute("DELETE FROM forward")

    def keeps(self, rows: Callable[[], Mapping[int, bytes]]) -> Action:
        """Return an action that stores ``rows`` with a commit of documents; it does nothing if there is no
        such table."""
        return _writes("forward", rows().items()) if self.has("forward") else lambda _: None

    # -- the passages of documents

    def passages(self, ordinals: Sequence[int]) -> dict[int, list[Piece]]:
        """Return the passages of those ``ordinals`` that are several, by ordinal. Raises IndexCorrupt."""
        if not self.has("passages"):
            return {}
        sql = f"SELECT {passages.ROW} FROM json_each(?) CROSS JOIN passages ON ordinal = value"
        rows = self._ledger.query(sql, (orjson.dumps(list(ordinals)).decode(),))
        try:
            return {row[0]: passages.read(*row) for row in rows}
        except (ValueError, TypeError, IndexError) as error:
            raise self._ledger.damaged(error) from error

    def keeps_passages(self, first: int, pieces: Sequence[Pieces]) -> Action:
        """Return an action that stores the passages of the documents ``first``, ``first`` + 1, … with a
        commit of them."""
        cut = [(ordinal, own) for ordinal, own in enumerate(pieces, first) if len(own) > passages.WHOLE]
        return self.writes_passages(cut) if cut else lambda _: None

    def writes_passages(self, cut: Iterable[tuple[int, Pieces]]) -> Action:
        """Return an action that stores the passages of documents, by ordinal."""
        return _writes("passages", (passages.row(*one) for one in cut), 4)

    def check(self) -> Iterator[str]:
        """Read all passages and past queries; yield a line for each damage."""
        cut, _ = self.cuts()
        for start in range(0, len(cut), _MANY):
            try:
                self.passages(cut[start : start + _MANY].tolist())
            except IndexCorrupt as error:
                yield str(error)
        yield from self.past.check()

    def cuts(self) -> tuple[Ordinals, NDArray[np.int64]]:
        """Return the documents that are several passages, ascending, and the number of passages of each."""
        sql = "SELECT ordinal, count FROM passages ORDER BY ordinal"
        rows = self._ledger.query(sql) if self.has("passages") else []
        found = np.array(rows, np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def rows(self, ordinals: Ordinals) -> int:
        """Return the number of passages of some documents together."""
        cut, counts = self.cuts()
        return len(ordinals) + int((counts[np.isin(cut, ordinals, assume_unique=True)] - 1).sum())

    # -- models

    def keep_model(self, body: str) -> str:
        """Store a model; return the id by which profiles refer to it."""
        id = _name(body)
        self._ledger.change(_writes("models", [(id, body)]))
        return id

    def model(self, id: str) -> str:
        """Return a stored model. Raises IndexCorrupt if it is missing or damaged."""
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
        """Yield the records of the log, oldest first."""
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
        """Bring models, log and past queries of another ledger up to date with this one, and create its
        table ``forward`` if this ledger has one. (Its rows are not copied: ordinals differ.)"""
        if self.has("forward"):
            target.keep_forward({})
        if self.has("models"):
            rows = self._ledger.query("SELECT id, body FROM models")
            target._ledger.change(_writes("models", rows))
        if self.has("feedback"):
            rows = self._ledger.query("SELECT number, record FROM feedback")
            target._ledger.change(_writes("feedback", rows))
            target._ledger.change(database.keeps_only("feedback", (number for number, _ in rows)))
        self.past.copy(target.past)


def together(*actions: Action) -> Action:
    """Do all of them, in one transaction."""

    def act(connection: sqlite3.Connection) -> None:
        for action in actions:
            action(connection)

    return act


def _name(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _writes(table: str, rows: Iterable[tuple[object, ...]], width: int = 2) -> Action:
    marks = ", ".join("?" * width)

    def write(connection: sqlite3.Connection) -> None:
        database.ensure(connection, table)
        connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", rows)

    return write
