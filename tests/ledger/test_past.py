"""Past queries: kept durably, seen as of each commit, carried along, forgotten to the last byte."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index, restore
from hybrid.encoders import HashEncoder
from hybrid.errors import IndexCorrupt, IndexReadOnly, InputError
from hybrid.ledger import database
from hybrid.ledger.impressions import Impression
from hybrid.ledger.past import Kept, PastQuery
from hybrid.ledger.tables import Tables

QUERIES = {"1": "hot kettle", "2": "水壶", "3": "nobody knows"}
QRELS = {"1": {"a": 2, "b": 1, "c": 0}, "2": {"gone": 1}, "3": {"a": 0}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "idx", encoder=HashEncoder()) as index:
        index.add([Document(id, "kettle") for id in "abc"])
    return tmp_path / "idx"


def opened(path: Path, **options: Any) -> Index:
    return Index.open(path, encoder=HashEncoder(), **options)


def texts(index: Index) -> list[str]:
    return [past.query for past in index.past_queries()]


def learn(index: Index, queries: Sequence[PastQuery], **limits: Any) -> None:
    with index._store.writing() as generation:
        generation.commit([], also=generation.tables.past.learns(queries, [None] * len(queries), **limits))


def kept(index: Index) -> list[Kept]:
    with index._store.reading() as snapshot:
        return list(snapshot.past())


def clicked(query: str, user: str = "", time: float = 0.0) -> PastQuery:
    return PastQuery(query, {"a": 1}, "clicked", user, time)


def bytes_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


# --- kept --------------------------------------------------------------------------------------------


def test_judged_queries_are_kept_with_answers_vector_and_time(path: Path) -> None:
    with opened(path) as index:
        assert list(index.past_queries()) == []
        assert index.learn(QUERIES, QRELS) == 2
    with opened(path, read_only=True) as reader:
        one, two = kept(reader)
        assert reader.verify() == []
        with pytest.raises(IndexReadOnly):
            reader.learn(QUERIES, QRELS)
        with pytest.raises(IndexReadOnly):
            reader.forget(query="水壶")
    assert (one.past.query, one.past.answers) == ("hot kettle", {"a": 2, "b": 1})
    assert (two.past.query, two.past.answers) == ("水壶", {"gone": 1})
    assert (one.past.origin, one.past.user) == ("judged", "")
    assert abs(one.past.time - time.time()) < 60
    expected = HashEncoder().queries(["hot kettle", "水壶"])
    assert one.vector is not None
    assert two.vector is not None
    assert np.allclose([one.vector, two.vector], expected)


def test_queries_of_one_text_have_the_answers_of_all(path: Path) -> None:
    with opened(path) as index:
        assert index.learn({"1": "tea", "2": "tea"}, {"1": {"a": 1}, "2": {"b": 2}}) == 1
        assert [past.answers for past in index.past_queries()] == [{"a": 1, "b": 2}]


def test_without_an_encoder_they_have_no_vectors(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.learn(QUERIES, QRELS)
        assert [one.vector for one in kept(index)] == [None, None]
        assert index.verify() == []


def test_a_text_has_one_past_query_for_each_origin_and_user(path: Path) -> None:
    with opened(path) as index:
        learn(index, [clicked("tea", "u"), clicked("tea", "v"), PastQuery("tea", {"b": 1})])
        learn(index, [clicked("tea", "u", 5.0), PastQuery("tea", {"c": 1})])
        learn(index, [clicked("tea", "w"), clicked("tea", "w", 7.0)])
        found = {(past.origin, past.user): (past.time, *past.answers) for past in index.past_queries()}
        assert len(texts(index)) == 4
    assert found == {
        ("clicked", "u"): (5.0, "a"),
        ("clicked", "v"): (0.0, "a"),
        ("clicked", "w"): (7.0, "a"),
        ("judged", ""): (0.0, "c"),
    }


def test_what_is_learned_again_unchanged_is_not_written_again(path: Path) -> None:
    with opened(path) as index:
        learn(index, [clicked("tea")])
        (first,) = kept(index)
        learn(index, [clicked("tea")])
        (again,) = kept(index)
    assert first.number == again.number


def test_all_of_them_or_none(path: Path) -> None:
    with opened(path) as index:
        with pytest.raises(InputError, match="past query ' '"):
            index.learn({"1": "tea", "2": " "}, {"1": {"a": 1}, "2": {"a": 1}})
        assert texts(index) == []


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"query": ""}, "not blank"),
        ({"query": "x" * 100_001}, "at most 100,000 characters"),
        ({"query": "\ud800"}, "is a text"),
        ({"answers": {}}, "1 to 10,000 answers"),
        ({"answers": {f"d{i}": 1 for i in range(10_001)}}, "1 to 10,000 answers"),
        ({"answers": {"": 1}}, "'' is not a document id"),
        ({"answers": {5: 1}}, "5 is not a document id"),
        ({"answers": {"a": 0}}, "the grade of 'a' is 0"),
        ({"answers": {"a": True}}, "the grade of 'a' is True"),
        ({"origin": "guessed"}, "origin is 'guessed'; it must be one of judged, clicked"),
        ({"user": None}, "user is None"),
        ({"time": -1.0}, "time is -1.0"),
        ({"time": float("nan")}, "time is nan"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        PastQuery(**{"query": "tea", "answers": {"a": 1}, **changed})


# --- limits ------------------------------------------------------------------------------------------


def test_beyond_the_limit_clicked_ones_go_before_judged_ones_and_the_oldest_first(path: Path) -> None:
    judged = [PastQuery("old", {"a": 1}, time=1.0), PastQuery("new", {"a": 1}, time=9.0)]
    with opened(path) as index:
        learn(index, [clicked("x", time=8.0), clicked("y", time=3.0), *judged])
        learn(index, [], most=3)
        assert texts(index) == ["x", "old", "new"]
        learn(index, [], most=1)
        assert texts(index) == ["new"]


def test_those_from_before_a_time_go(path: Path) -> None:
    with opened(path) as index:
        learn(index, [clicked("x", time=8.0), clicked("y", time=3.0)])
        learn(index, [clicked("z", time=8.5)], since=8.0)
        assert texts(index) == ["x", "z"]


# --- states ------------------------------------------------------------------------------------------


def test_a_state_that_is_held_keeps_its_past_queries(path: Path) -> None:
    with opened(path) as index, opened(path, read_only=True) as reader:
        index.learn({"1": "tea"}, {"1": {"a": 1}})
        with reader._store.reading() as held:
            before = held.seq
            index.learn({"1": "coffee"}, {"1": {"b": 1}})
            assert index.forget(query="tea") == 1
            assert [one.past.query for one in held.past()] == ["tea"]
        assert texts(reader) == texts(index) == ["coffee"]
        with reader._store.reading() as now:
            assert now.seq == before + 2


def test_they_outlive_compaction_backup_restore_and_another_analyzer(path: Path, tmp_path: Path) -> None:
    with opened(path) as index:
        learn(index, [clicked(f"query {i}") for i in range(1200)])
        index.learn(QUERIES, QRELS)
        index.compact()
        index.learn({"1": "tea"}, {"1": {"a": 1}})
        index.reindex(analyzer="english")
        before = kept(index)
        index.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    with opened(tmp_path / "again") as index:
        after = kept(index)
        assert index.verify() == []
    assert [one.past for one in after] == [one.past for one in before]
    assert [one.past.query for one in after[1199:]] == ["query 1199", "hot kettle", "水壶", "tea"]
    assert [one.vector is None for one in after[1199:]] == [True, False, False, False]


def test_another_encoder_encodes_them_again(path: Path) -> None:
    with opened(path) as index:
        index.learn(QUERIES, QRELS)
        before = [one.past for one in kept(index)]
        index.reindex(encoder=HashEncoder(32))
        after = kept(index)
        assert [one.past for one in after] == before
        vectors = [one.vector for one in after if one.vector is not None]
        assert np.allclose(vectors, HashEncoder(32).queries(["hot kettle", "水壶"]))
        assert index.verify() == []


def test_what_is_learned_and_forgotten_while_a_compaction_runs_counts(path: Path) -> None:
    with opened(path) as index:
        index.learn({"1": "tea", "2": "milk"}, {"1": {"a": 1}, "2": {"a": 1}})
        store = index._store
        with store.holding() as generation:
            index.forget(query="milk")
            index.learn({"1": "tea", "2": "coffee"}, {"1": {"b": 1}, "2": {"b": 1}})
            seq = generation.ledger.seq
            store._compact_from(generation)
        assert [(past.query, *past.answers) for past in index.past_queries()] == [
            ("tea", "b"),
            ("coffee", "b"),
        ]
        assert index._store.generation.ledger.seq >= seq


def test_a_copy_that_was_begun_follows(path: Path, tmp_path: Path) -> None:
    with opened(path) as index, Index.create(tmp_path / "new", encoder=HashEncoder()) as other:
        source, target = (one._store.generation.tables for one in (index, other))
        index.learn({"1": "tea", "2": "milk", "3": "beer"}, {id: {"a": 1} for id in "123"})
        index.feedback("secret words", ["a"])
        source.copy(target)
        index.forget(query="milk")
        index.forget(query="secret words")
        index.learn({"1": "tea", "2": "coffee"}, {"1": {"b": 1}, "2": {"b": 1}})
        source.copy(target)
        assert [one.past for one in target.past.at(0)] == list(index.past_queries())
        assert list(target.logged()) == []


def test_a_row_that_replaces_another_while_it_is_copied(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(path) as index, Index.create(tmp_path / "new", encoder=HashEncoder()) as other:
        source, target = (one._store.generation.tables for one in (index, other))
        index.learn({"1": "tea"}, {"1": {"a": 1}})
        source.copy(target)
        drop = database.keeps_only

        def meanwhile(name: str, living: Sequence[int]) -> Any:
            index.learn({"1": "tea"}, {"1": {"b": 1}})
            return drop(name, living)

        monkeypatch.setattr(database, "keeps_only", meanwhile)
        source.copy(target)
        assert [one.past.answers for one in target.past.at(0)] == [{"b": 1}]


# --- forgotten ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({"query": "tea"}, ["milk", "milk"]),
        ({"user": "u"}, ["tea", "milk"]),
        ({"before": 3.0}, ["milk"]),
        ({"query": "milk", "before": 3.0}, ["tea", "tea", "milk"]),
        ({"query": "milk", "user": "u", "before": 3.0}, ["tea", "tea", "milk"]),
        ({"query": "nothing"}, ["tea", "tea", "milk", "milk"]),
    ],
)
def test_all_that_meets_the_conditions_is_forgotten(
    path: Path, named: dict[str, Any], left: list[str]
) -> None:
    with opened(path) as index:
        learn(index, [clicked("tea", "u", 1), clicked("tea", "v", 2), clicked("milk", "u", 2)])
        learn(index, [clicked("milk", "v", 4)])
        assert index.forget(**named) == 4 - len(left)
        assert texts(index) == left


def test_the_log_forgets_with_them(path: Path) -> None:
    log = [Impression(query, ("a",), frozenset(), 1, at) for query, at in [("水壶", 1), ("tea", 5)]]
    with opened(path) as index:
        index.log([*log, Impression("水壶", ("b",), frozenset(), 1, 9)])
        index.log([Impression("tea", ("a",), frozenset(), 1, 7, user="u")])
        index.feedback("tea", ["a"], user="u")
        index.forget(user="u")
        assert [one.time for one in index.impressions()] == [1, 5, 9]
        index.forget(query="水壶", before=9.0)
        assert [one.time for one in index.impressions()] == [5, 9]
        index.forget(before=6.0)
        assert [one.time for one in index.impressions()] == [9]


def test_a_condition_is_needed(path: Path) -> None:
    with opened(path) as index:
        with pytest.raises(InputError, match="name a query, a user or a time"):
            index.forget()
        with pytest.raises(InputError, match="a user has a name"):
            index.forget(user="")


def test_no_byte_of_what_was_forgotten_is_left_after_compaction(path: Path) -> None:
    with opened(path) as index:
        learn(index, [PastQuery("xyzzy", {"plugh": 1}, "clicked", "quux"), clicked("tea")])
        index.feedback("xyzzy", ["a", "b"], ["a"])
        index.learn({"1": "xyzzy"}, {"1": {"plugh": 1}})
        (vector,) = [one.vector for one in kept(index) if one.vector is not None]
        assert b"xyzzy" in bytes_in(path)
        assert index.forget(query="xyzzy") == 2
        index.compact()
        assert texts(index) == ["tea"]
    left = bytes_in(path)
    assert b"tea" in left
    for secret in (b"xyzzy", b"plugh", b"quux", vector.tobytes()):
        assert secret not in left


# --- damage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "query = 'coffee'",
        "user = 'x'",
        "origin = 'clicked'",
        "time = 5",
        "time = 'soon'",
        "answers = '[]'",
        "vector = NULL",
        "vector = x'00'",
        "query = 7",
        "crc = 0",
    ],
)
def test_damage_is_noticed(path: Path, change: str) -> None:
    with opened(path) as index:
        index.learn({"1": "tea"}, {"1": {"a": 1}})
    (database,) = path.rglob("ledger.db")
    with sqlite3.connect(database) as connection:
        connection.execute(f"UPDATE past SET {change}")
    connection.close()
    with opened(path) as index:
        with pytest.raises(IndexCorrupt, match="past query number 1"):
            texts(index)
        assert any("past query number 1" in line for line in index.verify())


def test_a_ledger_without_the_table_has_none(path: Path) -> None:
    with opened(path) as index:
        tables = Tables(index._store.generation.ledger)
        assert list(tables.past.at(0)) == []
        assert index.forget(query="tea") == 0
