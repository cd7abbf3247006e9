"""A damaged file is refused or rebuilt; it never kills the process and never changes an answer."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import hybrid
from hybrid import Document, Index, PastQuery
from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.errors import CommitsLost, IndexCorrupt
from hybrid.store import salvage
from tests.durability.damage import DAMAGES, Damage, Range, flipped, kind, truncated, zeroed


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Range:
    return Range(tmp_path_factory.mktemp("shelf"))


def test_no_damage_is_answered_wrongly(shelf: Range) -> None:
    cases = shelf.cases(50, seed=7)
    assert {case.damage for case in cases} == set(DAMAGES)
    assert {kind(Path(case.file)) for case in cases} >= {
        "columns.npz",
        "lives.npz",
        "graph-N.hnsw",
        "lexical.json",
        "ledger.db",
        "ledger.db-wal",
        "lexical/*.idx",
        "text.f32",
    }
    found = {str(case): outcome for case, outcome in shelf.outcomes(cases)}
    assert {case: outcome for case, outcome in found.items() if outcome not in ("same", "refused")} == {}
    assert set(found.values()) == {"same", "refused"}


def test_the_harness_sees_a_wrong_answer(shelf: Range, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the checks of the segments off, a flipped byte of an index file changes answers or kills."""
    monkeypatch.setattr("hybrid.lexical.segments.check", lambda *_: None)
    ends = ("idx", "term", "fast", "del")
    cases = [case for case in shelf.cases(1200, seed=1) if case.file.endswith(ends)]
    parts = (list(shelf.outcomes(cases[start : start + 20])) for start in range(0, 200, 20))
    assert any(outcome not in ("same", "refused") for part in parts for _, outcome in part)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "idx"
    with Index.create(path, encoder=None) as index:
        index.add([Document(f"d{i}", f"word{i} 水壶 {i}", vector=np.eye(8)[i % 8] + i) for i in range(40)])
        index.delete(["d3"])
    return path


def test_a_sound_index_has_nothing_to_say(path: Path) -> None:
    assert salvage.examine(path) == []


def test_a_lost_pointer_and_lost_legs_are_built_again(path: Path) -> None:
    for name in ("current", "g1/lexical.json", "g1/head"):
        (path / name).unlink()
    with pytest.raises(IndexCorrupt, match="run: hybrid verify"):
        Index.open(path)
    assert "all 39 documents are sound" in salvage.examine(path)[-1]
    salvage.repair(path)
    assert salvage.examine(path) == []
    with Index.open(path, read_only=True) as index:
        assert index.search("word7", mode="lexical").hits[0].id == "d7"


def test_what_can_still_be_read_is_saved(path: Path, tmp_path: Path) -> None:
    changed(path, "UPDATE bodies SET text = 'other' WHERE ordinal = 5")
    changed(path, "UPDATE documents SET born = 7 WHERE ordinal = 6")
    (path / "g1" / "bodies").unlink()
    with pytest.raises(IndexCorrupt, match="births and deaths"):
        Index.open(path)
    with pytest.raises(IndexCorrupt):
        salvage.repair(path)
    assert "38 documents of 39 can be read" in salvage.examine(path)[-1]
    saved = [document for document in hybrid.salvage(path) if document is not None]
    assert len(saved) == 38
    with Index.create(tmp_path / "new", encoder=None) as index:
        index.add(saved)
        assert index.search(vector=np.eye(8)[1] + 9, k=1).hits[0].id == "d9"
        assert index.get("d5") is None


def changed(path: Path, *statements: str) -> None:
    """Damage the rows of a ledger."""
    with closing(sqlite3.connect(path / "g1" / "ledger.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def without_leaves(path: Path, table: str) -> None:
    """Overwrite the leaves of a table's, or an index's, B-tree with zeros."""
    file = path / "g1" / "ledger.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
    data = bytearray(file.read_bytes())
    leaves = list(leaves_of(bytes(data), root, size))
    assert root not in leaves
    for number in leaves:
        data[(number - 1) * size : number * size] = bytes(size)
    file.write_bytes(data)


def leaves_of(data: bytes, page: int, size: int) -> Iterator[int]:
    """The leaves below a page of a database file (https://sqlite.org/fileformat2.html, "B-tree Pages")."""
    start = (page - 1) * size
    kind, _, cells = struct.unpack_from(">BHH", data, start)
    if kind not in (2, 5):
        yield page
        return
    places = struct.unpack_from(f">{cells}H", data, start + 12)
    children = [struct.unpack_from(">I", data, start + place)[0] for place in (8, *places)]
    for child in children:
        yield from leaves_of(data, child, size)


def test_a_damaged_body_is_read_from_the_mapped_copy(path: Path) -> None:
    with Index.open(path, read_only=True) as index:
        sound = list(index.documents())
    changed(
        path,
        "UPDATE bodies SET text = 'other' WHERE ordinal = 5",
        "UPDATE documents SET id = 'other' WHERE ordinal = 6",
        "DELETE FROM bodies WHERE ordinal = 7",
    )
    assert list(hybrid.salvage(path)) == sound


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """An index whose tables have several pages."""
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document(f"d{i}", f"word{i} " * 9, vector=np.eye(8)[i % 8] + i) for i in range(900)])
        index.delete([f"d{i}" for i in range(0, 900, 10)])
        index.keep_past_queries(
            PastQuery(f"query {i}" * 9, {f"d{i}": 1}, "clicked", f"user {i}", i) for i in range(300)
        )
        index.forget(before=20.0)
    return tmp_path / "idx"


@pytest.mark.parametrize("table", ["bodies", "documents"])
def test_bodies_are_read_from_the_mapped_copy_where_no_row_can_be_read(large: Path, table: str) -> None:
    with Index.open(large, read_only=True) as index:
        sound = list(index.documents())
    without_leaves(large, table)
    found = list(hybrid.salvage(large))
    assert [document for document in found if document is not None] == sound
    without_leaves(large, "live_ids")  # so nothing says which were deleted
    assert [document for document in hybrid.salvage(large) if document is not None] == (
        sound if table == "bodies" else []
    )


def test_no_mapped_copy_of_another_generation_is_believed(large: Path) -> None:
    bodies = large / "g1" / "bodies"
    bodies.write_bytes(b"f" * 32 + bodies.read_bytes()[32:])
    changed(large, "UPDATE bodies SET text = 'other' WHERE ordinal = 5")
    assert [document is None for document in hybrid.salvage(large)].count(True) == 1


def test_past_queries_are_saved(large: Path) -> None:
    with Index.open(large, read_only=True) as index:
        sound = list(index.past_queries())
    assert len(sound) == 280
    assert list(hybrid.salvage_past_queries(large)) == sound
    changed(
        large,
        "UPDATE past SET answers = '{\"d1\":9}' WHERE number = 40",
        "UPDATE past SET vector = x'00000000' WHERE number = 41",
    )
    found = list(hybrid.salvage_past_queries(large))
    assert found == [None if place in (19, 20) else one for place, one in enumerate(sound)]
    changed(large, "UPDATE bodies SET text = 'other' WHERE ordinal = 5")
    (large / "g1" / "bodies").unlink()
    said = salvage.examine(large)[-1]
    assert "809 documents of 810 and 278 past queries of 280 can be read" in said
    assert "--salvage --past-queries PAST.jsonl" in said


def test_past_queries_that_cannot_be_read_are_counted_by_their_index(large: Path) -> None:
    sound = list(hybrid.salvage_past_queries(large))
    without_leaves(large, "past")
    assert list(hybrid.salvage_past_queries(large)) == [None] * len(sound)


def test_past_queries_are_read_without_their_index(large: Path) -> None:
    sound = list(hybrid.salvage_past_queries(large))
    without_leaves(large, "past_keys")
    assert list(hybrid.salvage_past_queries(large)) == sound


@pytest.mark.parametrize("name", ["ledger.db", "bodies", "bodies.at"])
@pytest.mark.parametrize("damage", [truncated, flipped, zeroed])
def test_whatever_is_damaged_nothing_is_saved_that_was_not_written(
    large: Path, tmp_path: Path, name: str, damage: Damage
) -> None:
    texts = {f"d{i}": f"word{i} " * 9 for i in range(900)}
    answers = {f"query {i}" * 9: {f"d{i}": 1} for i in range(300)}
    draw, lost = random.Random(7), 0
    for turn in range(8):
        copy = shutil.copytree(large, tmp_path / str(turn))
        damage(copy / "g1" / name, copy, draw)
        try:
            documents, queries = list(hybrid.salvage(copy)), list(hybrid.salvage_past_queries(copy))
        except IndexCorrupt:
            continue
        assert {one.id: one.text for one in documents if one}.items() <= texts.items()
        assert {one.query: one.answers for one in queries if one}.items() <= answers.items()
        lost += documents.count(None) + queries.count(None)
    assert lost == 0 or name == "ledger.db"


def test_no_past_query_is_saved_of_an_index_that_has_none(path: Path) -> None:
    assert list(hybrid.salvage_past_queries(path)) == []


def test_damaged_vectors_cost_only_the_vectors(path: Path) -> None:
    data = bytearray((path / "g1" / "text.f32").read_bytes())
    data[10] ^= 1
    (path / "g1" / "text.f32").write_bytes(data)
    saved = list(hybrid.salvage(path))
    assert len(saved) == 39
    assert all(document is not None and document.vector is None for document in saved)


def test_nothing_can_be_read_of_what_is_no_database(path: Path) -> None:
    (path / "g1" / "ledger.db").write_bytes(b"no database" * 1000)
    assert "nothing can be read" in salvage.examine(path)[-1]
    (path / "g1" / "ledger.db").unlink()
    assert "nothing can be read" in salvage.examine(path)[-1]


def test_lost_commits_are_refused_until_they_are_given_up(path: Path) -> None:
    head = path / "g1" / "head"
    later = hybrid.ledger.head.Head(Folder.open(path / "g1"), head.read_text().split()[1])
    later.write(9)
    for read_only in (False, True):
        with pytest.raises(CommitsLost, match="commits 3 to 9 are lost"):
            Index.open(path, read_only=read_only)
    salvage.repair(path)
    assert salvage.examine(path) == []


def test_a_ledger_behind_its_lexical_leg_is_refused(path: Path, tmp_path: Path) -> None:
    old = path / "g1" / "ledger.db"
    before = {name: (path / "g1" / name).read_bytes() for name in ("ledger.db", "head")}
    with Index.open(path) as index:
        index.add([Document("late", "x", vector=np.ones(8))])
    for name, data in before.items():
        (path / "g1" / name).write_bytes(data)
    assert old.exists()
    with pytest.raises(CommitsLost, match="1 documents are lost that the lexical leg has"):
        Index.open(path)
    salvage.repair(path)
    with Index.open(path) as index:
        assert index.get("late") is None
        assert index.verify() == []


@pytest.mark.parametrize("earlier", [False, True], ids=["today", "left to tantivy, by earlier versions"])
def test_no_flipped_bit_of_tantivys_list_of_segments_is_believed(path: Path, earlier: bool) -> None:
    """tantivy takes any number of documents that this list names."""
    folder = Folder.open(path / "g1")
    value = manifest.read(folder, "lexical.json")
    sound = value.pop("commit") if earlier else value["commit"]
    changed = [sound.replace('"max_doc": 40', f'"max_doc": {count}') for count in (0, 1, 39, 41, 2**32 - 1)]
    changed += [
        "[]",
        '{"segments": [{"segment_id": "\\u0000", "deletes": null}]}',
        sound.replace("i64", "u64"),
    ]
    for text in changed:
        assert text != sound
        if earlier:
            manifest.write(folder, "lexical.json", value)
            (path / "g1" / value["folder"] / "meta.json").write_text(text)
        else:
            manifest.write(folder, "lexical.json", value | {"commit": text})
        with pytest.raises(IndexCorrupt, match=r"damaged|does not list"):
            Index.open(path, read_only=True)
    with Index.open(path) as index:
        assert index.verify() == []
        assert index.search("word7", mode="lexical").hits[0].id == "d7"
