"""Ids, births and deaths read in bulk are those of the rows, and a table that lies is not believed."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest

from hybrid import database, roster
from hybrid.lifetimes import NEVER


@pytest.fixture
def connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    """A ledger of 100 documents, some dead, some of those alive again under a later ordinal."""
    monkeypatch.setattr(roster, "_PART", 7)
    made = database.create(tmp_path_factory.mktemp("roster") / "ledger.db")
    shuffled = random.Random(3)
    for ordinal in range(100):
        id, dead = shuffled.choice(["文档", "doc,", "a\\b", 'q"q', "é "]) + str(ordinal % 70), None
        if ordinal < 30 or ordinal % 11 == 0:
            dead = ordinal + 200
        made.execute("INSERT INTO documents VALUES (?, ?, ?, ?)", (ordinal, id, ordinal // 3, dead))
    yield made
    made.close()


def test_births_are_those_of_the_rows(connection: sqlite3.Connection) -> None:
    for first in (0, 1, 6, 7, 95, 99):
        found = [
            row
            for ordinals, ids, born, dead in roster.births(connection, first)
            for row in zip(ordinals.tolist(), ids, born.tolist(), dead.tolist(), strict=True)
        ]
        query = (
            "SELECT ordinal, id, born, coalesce(dead, ?) FROM documents WHERE ordinal >= ? ORDER BY ordinal"
        )
        assert found == connection.execute(query, (NEVER, first)).fetchall()
    assert list(roster.births(connection, 100)) == []


def test_the_index_of_ids_holds_the_living(connection: sqlite3.Connection) -> None:
    found = [
        pair
        for ordinals, ids in roster.indexed(connection)
        for pair in zip(ordinals.tolist(), ids, strict=True)
    ]
    query = "SELECT ordinal, id FROM documents WHERE dead IS NULL ORDER BY id"
    assert found == connection.execute(query).fetchall()
    assert len(found) > 50


def test_gaps_are_seen(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM documents WHERE ordinal = 50")
    ordinals = np.concatenate([part[0] for part in roster.births(connection, 0)])
    assert np.setdiff1d(np.arange(100), ordinals).tolist() == [50]


@pytest.mark.parametrize(
    "change", ["id = 'two' || char(31) || 'ids'", "born = 'x'", "born = '1,2'", "dead = x'00'"]
)
def test_what_was_never_written_is_not_believed(connection: sqlite3.Connection, change: str) -> None:
    connection.execute(f"UPDATE documents SET {change} WHERE ordinal = 33")
    with pytest.raises(ValueError, match=r"what was not written|unexpected character"):
        list(roster.births(connection, 0))
