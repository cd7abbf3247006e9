"""Ids, births and deaths read in bulk are those of the rows, and a table that lies is not believed."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.disk import cache
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.ledger import database, roster
from hybrid.ledger.lifetimes import NEVER


@pytest.fixture
def connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    """A ledger of 100 documents, some dead, some of those alive again under a later ordinal."""
    monkeypatch.setattr(roster, "_PART", 7)
    made = database.create(Folder.open(tmp_path_factory.mktemp("roster")))
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


# -- what is kept of it


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "KEEP_AT", 10)
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document(f"d{i}", f"word {i}") for i in range(30)])
        index.delete(["d3"])
    return tmp_path / "idx"


def births_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ordinals from which births are read from now on."""
    firsts: list[int] = []
    real = roster.births

    def noted(connection: sqlite3.Connection, first: int) -> Any:
        firsts.append(first)
        return real(connection, first)

    monkeypatch.setattr(roster, "births", noted)
    return firsts


@pytest.mark.parametrize("read_only", [False, True])
def test_the_next_process_reads_only_what_came_later(
    path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    with Index.open(path) as index:  # too little comes to be kept
        index.add([Document("d5", "other"), Document("new", "word")])
        index.delete(["d7"])
    firsts = births_read(monkeypatch)
    with Index.open(path, read_only=read_only) as index:
        assert firsts == [30]
        assert len(index) == 29
        assert index.get("d7") is None
        assert index.get("d5") == Document("d5", "other")
        assert index.verify() == []


def older(path: Path) -> None:
    """A backup's ledger under a newer index's file."""
    kept = (path / "g1" / roster.FILE).read_bytes()
    backup = path.parent / "backup"
    with Index.open(path) as index:
        index.backup(backup)
        index.delete(["d9"])
        index.add([Document(f"e{i}", "word") for i in range(20)])
    newer = (path / "g1" / roster.FILE).read_bytes()
    assert newer != kept
    shutil.rmtree(path)
    backup.rename(path)
    (path / "g1" / roster.FILE).write_bytes(newer)


def damaged(path: Path) -> None:
    (path / "g1" / roster.FILE).write_bytes(b"no archive")


@pytest.mark.parametrize("spoil", [older, damaged])
def test_what_does_not_fit_is_not_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    spoil(path)
    firsts = births_read(monkeypatch)
    with Index.open(path) as index:
        assert firsts[-1] == 0
        assert len(index) == 29
        assert index.verify() == []
    firsts.clear()
    with Index.open(path, read_only=True):
        assert firsts == [30]


def test_a_table_that_was_not_read_is_checked_as_it_is_used(path: Path) -> None:
    with sqlite3.connect(path / "g1" / "ledger.db") as connection:
        connection.execute("UPDATE documents SET id = 'other' WHERE id = 'd8'")
    (path / "g1" / "bodies").unlink()  # or its answer is read there
    with Index.open(path, read_only=True) as index:
        assert index.search("word 9", mode="lexical", k=1)
        with pytest.raises(IndexCorrupt, match="hybrid verify"):
            index.search("word 8", mode="lexical", k=1)
        with pytest.raises(IndexCorrupt, match="hybrid verify"):
            index.run({"q": "word 8"}, mode="lexical", k=1)
        assert any("births and deaths" in line for line in index.verify())
    with pytest.raises(IndexCorrupt, match="ids"):
        Index.open(path)


def test_what_was_never_written_is_a_complaint(path: Path) -> None:
    with sqlite3.connect(path / "g1" / "ledger.db") as connection:
        connection.execute("UPDATE documents SET born = 'x' WHERE id = 'd8'")
    with Index.open(path, read_only=True) as index:
        assert any("ledger.db" in line for line in index.verify())


def test_commits_beside_a_check_are_no_complaint(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = roster.births
    with Index.open(path) as index, Index.open(path, read_only=True) as reader:

        def later(connection: sqlite3.Connection, first: int) -> Any:
            if first == 0:
                monkeypatch.undo()
                index.add([Document("e1", "word")])
            return real(connection, first)

        monkeypatch.setattr(roster, "births", later)
        assert reader.verify() == []
