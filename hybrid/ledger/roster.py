"""Read the ids and lifetimes of all documents in a ledger, in bulk.

For a million documents, fetching a row of Python objects for each would take most of the time of opening.
Instead SQLite joins each column of many rows into one text, which is four times faster to parse. The
result is cached in a file, so that the next process reads only later changes; the ledger's digest tells
whether the result is complete.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np
import orjson

from hybrid.disk import cache
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.ledger import database, lifetimes
from hybrid.ledger.lifetimes import NEVER, Lifetimes
from hybrid.types import Ordinals

FILE: Final = "lives.npz"
_PART: Final = 50_000  # documents read at a time
_BETWEEN: Final = "\x1f"  # ids have no control characters
_IDS: Final = "group_concat(id, char(31))"
_DEATHS: Final = "SELECT ordinal, dead FROM documents WHERE dead > ? AND ordinal < ?"


class Roster:
    """Reads the lifetimes in the ledger in ``folder``. All methods raise IndexCorrupt if they do not
    match the digest, ValueError if the table holds something else, or sqlite3.Error."""

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._folder, self._uuid = folder, uuid
        self._kept = 0

    def whole(self, connection: sqlite3.Connection, digest: int) -> Lifetimes:
        """Read all lifetimes: the cached ones and later changes, or all from the table."""
        if kept := cache.read(self._folder, FILE, self._uuid, _taken, None):
            count = kept[1].count
            with suppress(IndexCorrupt):
                found = self.follow(connection, digest, *kept)
                self._kept = count
                return found
        return self.follow(connection, digest)

    def follow(
        self,
        connection: sqlite3.Connection,
        digest: int,
        seq: int = -1,
        known: Lifetimes | None = None,
    ) -> Lifetimes:
        """Update ``known``, the state as of ``seq``, to the state with this ``digest``."""
        known = Lifetimes() if known is None else known
        deaths = connection.execute(_DEATHS, (seq, known.count)).fetchall()
        killed = np.array(deaths, np.int64).reshape(-1, 2)
        known.kill(killed[:, 0], killed[:, 1])
        for ordinals, ids, born, dead in births(connection, known.count):
            if not np.array_equal(ordinals, np.arange(known.count, known.count + len(ids))):
                raise self._damaged(f"documents are missing from ordinal {known.count} on")
            known.append(born, dead, lifetimes.marks(ids))
        if known.digest != digest:
            raise self._damaged("births and deaths are not those that were written")
        return known

    def check_ids(self, connection: sqlite3.Connection, known: Lifetimes) -> None:
        """Check that the index of ids holds the same as the table."""
        found = sum(lifetimes.pairs(o, lifetimes.marks(ids)) for o, ids in indexed(connection))
        alive = np.flatnonzero(known.dead == NEVER)
        if found % 2**64 != lifetimes.pairs(alive, known.marks[alive]):
            raise self._damaged("the index of ids is damaged")

    def keep(self, seq: int, known: Lifetimes) -> None:
        """Cache the lifetimes for the next process, if enough of them are new."""
        if cache.worth_writing(known.count, self._kept):
            arrays = {"born": known.born, "dead": known.dead, "marks": known.marks}
            cache.write(self._folder, FILE, self._uuid, {"seq": seq}, arrays)

    def _damaged(self, what: str) -> IndexCorrupt:
        return database.damaged(self._folder, what)


def _taken(header: dict[str, Any], kept: Mapping[str, Any]) -> tuple[int, Lifetimes]:
    return int(header["seq"]), Lifetimes.of(kept["born"], kept["dead"], kept["marks"])


def births(
    connection: sqlite3.Connection, first: int
) -> Iterator[tuple[Ordinals, list[str], Ordinals, Ordinals]]:
    """Yield ordinals, ids, births and deaths of the documents from ordinal ``first`` on, ascending. Raises
    ValueError if the table holds something else."""
    query = (
        f"SELECT group_concat(ordinal), {_IDS}, group_concat(born), group_concat(coalesce(dead, {NEVER})) "
        "FROM (SELECT * FROM documents WHERE ordinal >= ? ORDER BY ordinal LIMIT ?)"
    )
    while (part := connection.execute(query, (first, _PART)).fetchone())[0] is not None:
        ordinals, ids = _numbers(part[0]), part[1].split(_BETWEEN)
        born, dead = _numbers(part[2]), _numbers(part[3])
        if not len(ordinals) == len(ids) == len(born) == len(dead):
            raise ValueError("the table documents holds what was not written")
        yield ordinals, ids, born, dead
        first = int(ordinals[-1]) + 1


def indexed(connection: sqlite3.Connection) -> Iterator[tuple[Ordinals, list[str]]]:
    """Yield ordinals and ids of live documents, as in the index of ids. Raises ValueError if they are not
    in order."""
    query = (
        f"SELECT group_concat(ordinal), {_IDS}, max(id) FROM (SELECT ordinal, id FROM documents "
        "INDEXED BY live_ids WHERE dead IS NULL AND id > ? ORDER BY id LIMIT ?)"
    )
    last = ""  # no id is empty
    while (part := connection.execute(query, (last, _PART)).fetchone())[0] is not None:
        ordinals, ids = _numbers(part[0]), part[1].split(_BETWEEN)
        if len(ordinals) != len(ids) or part[2] <= last:
            raise ValueError("the index of ids holds what was not written")
        yield ordinals, ids
        last = part[2]


def _numbers(joined: str) -> Ordinals:
    return np.array(orjson.loads(f"[{joined}]"), np.int64)
