"""The ledger: what is committed is there, as of every sequence number, and what is damaged is noticed."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, StorageError
from hybrid.ledger.ledger import Ledger
from hybrid.ledger.lifetimes import NEVER, Lifetimes, marks
from hybrid.ledger.rows import Rows
from hybrid.settings import AnalyzerRef, Profile, Profiles, Settings
from hybrid.types import Document

SETTINGS = Settings(analyzer=AnalyzerRef(id="english-1", name="english"))


def rows(*owners: int, dim: int = 3, seed: int = 0) -> Rows:
    n = len(owners)
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return Rows(vectors, np.array(owners, np.int64), np.tile(np.array([[0, 1]]), (n, 1)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Ledger.create(Folder.open(tmp_path), SETTINGS, Profiles.first(Profile()))
    return tmp_path


def test_a_commit_is_there_after_reopening(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    given = rows(0, 1, 1)
    commit = ledger.commit([Document("a", "eins", "T", {"n": 2**70}), Document("b", "zwei\0\n")], given)
    ledger.close()

    again = Ledger(Folder.open(folder))
    assert (commit.seq, commit.first) == (1, 0)
    assert again.seq == 1
    assert again.settings == SETTINGS
    assert again.documents([1, 0]) == [Document("b", "zwei\0\n"), Document("a", "eins", "T", {"n": 2**70})]
    assert np.array_equal(again.rows.vectors, given.vectors)
    assert again.rows.ordinals.tolist() == [0, 1, 1]
    assert again.rows.of(np.array([1])).tolist() == [1, 2]
    assert list(again.check()) == []
    again.close()


def test_a_replaced_document_gets_a_new_ordinal_and_the_old_one_dies(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "old"), Document("b", "stays")])
    commit = ledger.commit([Document("a", "new")])
    assert commit.deaths.tolist() == [0]
    assert ledger.living(["a", "b", "c"]) == {"a": 2, "b": 1}
    assert ledger.lifetimes.live(3, 1)[:2].tolist() == [True, True]
    assert ledger.lifetimes.live(3, 2).tolist() == [False, True, True]
    ledger.close()


def test_a_reader_sees_what_another_connection_commits(folder: Path) -> None:
    writer, reader = Ledger(Folder.open(folder)), Ledger(Folder.open(folder), read_only=True)
    assert not reader.refresh()
    writer.commit([Document("a", "x"), Document("b", "y")], rows(0, 1))
    writer.commit([], deleted=["a"])
    assert reader.refresh()
    assert not reader.refresh()
    assert reader.seq == 2
    assert reader.lifetimes.dead.tolist() == [2, NEVER]
    assert np.array_equal(reader.rows.vectors, writer.rows.vectors)
    writer.close()
    reader.close()


def test_rows_past_the_committed_count_never_happened(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x")], rows(0, seed=1))
    with pytest.raises(AttributeError):
        ledger.commit([Document("b", object())], rows(0, seed=2))  # type: ignore[arg-type]
    kept = rows(0, seed=3)
    ledger.commit([Document("c", "z")], kept)
    assert len(ledger.rows) == 2
    assert np.array_equal(ledger.rows.vectors[1:], kept.vectors)
    assert ledger.living(["b"]) == {}
    assert list(ledger.check()) == []
    ledger.close()


def test_a_view_of_the_rows_outlives_later_commits(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x")], rows(0, seed=1))
    view = ledger.rows
    before = view.vectors.copy()
    for i in range(50):
        ledger.commit([Document(f"n{i}", "x")], rows(0, seed=i))
    assert len(view) == 1
    assert np.array_equal(view.vectors, before)
    ledger.close()


@pytest.mark.parametrize("name", ["text.f32", "text.ord", "text.span"])
def test_a_flipped_byte_in_the_vectors_is_found(folder: Path, name: str) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x"), Document("b", "y")], rows(0, 1))
    ledger.close()
    data = bytearray((folder / name).read_bytes())
    data[5] ^= 1
    (folder / name).write_bytes(data)
    for read_only in (False, True):
        with pytest.raises(IndexCorrupt, match="vectors from row 0 on are damaged"):
            Ledger(Folder.open(folder), read_only=read_only)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE documents SET dead = 1 WHERE ordinal = 1", "births and deaths"),
        ("UPDATE documents SET dead = 9 WHERE ordinal = 0", "births and deaths"),
        ("UPDATE documents SET born = 1 WHERE ordinal = 2", "births and deaths"),
        ("UPDATE documents SET id = 'c' WHERE ordinal = 1", "births and deaths"),
        ("DELETE FROM documents WHERE ordinal = 1", "missing from ordinal 0"),
        ("DELETE FROM documents WHERE ordinal = 2", "births and deaths"),
        ("UPDATE documents SET born = 'x'", "unexpected character"),
        ("UPDATE meta SET value = '3' WHERE key = 'seq'", "meta is damaged"),
        ("DELETE FROM meta WHERE key = 'dim'", "meta is damaged"),
        ("UPDATE blocks SET crc = crc + 1", "vectors from row 0"),
        ("DELETE FROM blocks", "no checksums of the vectors from row 0"),
        ("DROP INDEX live_ids", "not those of a ledger"),
    ],
)
def test_a_changed_table_is_refused(folder: Path, change: str, says: str) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x"), Document("b", "y")], rows(0, 1))
    ledger.commit([Document("a", "z")])
    ledger.close()
    with sqlite3.connect(folder / "ledger.db") as connection:
        connection.execute(change)
    connection.close()
    with pytest.raises(IndexCorrupt, match=says):
        Ledger(Folder.open(folder))


def test_an_index_of_ids_that_lies_is_found(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("name-of-one", "x")])
    ledger.close()
    data = (folder / "ledger.db").read_bytes()
    places = [match.start() for match in re.finditer(b"name-of-one", data)]
    assert len(places) == 2  # the table, and the index
    refused = 0
    for place in places:
        (folder / "ledger.db").write_bytes(data[:place] + b"N" + data[place + 1 :])
        with pytest.raises(IndexCorrupt):
            Ledger(Folder.open(folder))
        refused += 1
    assert refused == 2


def test_commits_that_sqlite_forgot_are_missed(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x")])
    ledger.commit([Document("b", "y")])
    keep = shutil.copytree(folder, folder.with_name("crashed"))  # the log is not folded in yet
    ledger.close()
    log = keep / "ledger.db-wal"
    data = bytearray(log.read_bytes())
    data[-100] ^= 1  # in its last frame
    log.write_bytes(data)
    with pytest.raises(IndexCorrupt, match="commits 2 to 2 are lost"):
        Ledger(Folder.open(keep))
    (keep / "head").unlink()
    Ledger(Folder.open(keep)).close()  # nothing says so now: what is there is there


def test_a_changed_body_is_refused(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x")])
    ledger.close()
    with sqlite3.connect(folder / "ledger.db") as connection:
        connection.execute("UPDATE bodies SET text = 'y'")
    connection.close()
    ledger = Ledger(Folder.open(folder))
    assert ledger.documents([0])[0].text == "x"  # mapped, and true
    assert "document 'a' is damaged" in next(ledger.check())
    ledger.close()
    (folder / "bodies").unlink()
    ledger = Ledger(Folder.open(folder))
    with pytest.raises(IndexCorrupt, match="document 'a'"):
        ledger.documents([0])
    assert any("document 'a'" in line for line in ledger.check())
    ledger.close()


def test_missing_or_short_files_are_typed_errors(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "x")], rows(0))
    ledger.close()
    (folder / "text.f32").write_bytes(b"short")
    with pytest.raises(IndexCorrupt, match="shorter"):
        Ledger(Folder.open(folder))
    (folder / "text.f32").unlink()
    with pytest.raises(IndexCorrupt, match="missing"):
        Ledger(Folder.open(folder))
    (folder / "ledger.db").write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(IndexCorrupt, match="not a database"):
        Ledger(Folder.open(folder))
    (folder / "ledger.db").unlink()
    with pytest.raises(IndexCorrupt, match="missing"):
        Ledger(Folder.open(folder))


def test_a_reader_cannot_commit(folder: Path) -> None:
    reader = Ledger(Folder.open(folder), read_only=True)
    with pytest.raises(StorageError, match="opened for reading"):
        reader.commit([Document("a", "x")])
    reader.close()


def test_lifetimes_grow_without_changing_what_was_seen() -> None:
    lifetimes = Lifetimes()
    lifetimes.append(np.full(3, 1), np.full(3, NEVER), marks("abc"))
    early = lifetimes.live(3, 1)
    more = marks(map(str, range(5000)))
    expected = lifetimes.after(np.empty(0, np.int64), more, 2)
    lifetimes.append(np.full(5000, 2), np.full(5000, NEVER), more)
    assert lifetimes.digest == expected
    expected = lifetimes.after(np.array([1]), marks([]), 3)
    lifetimes.kill(np.array([1]), 3)
    assert (lifetimes.digest, lifetimes.deaths) == (expected, 1)
    assert early.tolist() == [True, True, True]
    assert lifetimes.live(3, 2).tolist() == [True, True, True]
    assert lifetimes.live(3, 3).tolist() == [True, False, True]
    assert lifetimes.count == 5003


def test_a_document_is_found_as_of_any_sequence_number(folder: Path) -> None:
    ledger = Ledger(Folder.open(folder))
    ledger.commit([Document("a", "1"), Document("b", "1")])
    ledger.commit([Document("a", "2")], deleted=["b"])
    assert [ledger.found([id], 2, 1).get(id) for id in "abc"] == [0, 1, None]
    assert [ledger.found([id], 3, 2).get(id) for id in "abc"] == [2, None, None]
    ledger.close()
