"""Impressions and clicks: logged durably, carried along, read back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from hybrid import Document, Index, restore
from hybrid.errors import IndexReadOnly, InputError
from hybrid.ledger.impressions import Impression
from hybrid.settings import Profile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add([Document(id, "kettle") for id in "abc"])
    return tmp_path / "idx"


def test_what_was_shown_and_clicked_is_kept_with_the_profile_and_the_time(path: Path) -> None:
    with Index.open(path) as index:
        index.feedback("水壶 kettle", ["a", "b"], ["b"])
        index.install(Profile(depth=7))
        index.feedback("kettle", ["c"], first=11)
    with Index.open(path, read_only=True) as reader:
        one, two = reader.impressions()
        with pytest.raises(IndexReadOnly):
            reader.feedback("kettle", ["a"])
    assert (one.query, one.shown, one.clicked, one.profile) == (
        "水壶 kettle",
        ("a", "b"),
        frozenset("b"),
        1,
    )
    assert (two.shown, two.clicked, two.first, two.profile) == (("c",), frozenset(), 11, 2)
    assert abs(one.time - time.time()) < 60
    assert one.time <= two.time


def test_the_log_outlives_compaction_reindexing_backup_and_restore(path: Path, tmp_path: Path) -> None:
    with Index.open(path) as index:
        for i in range(1200):
            index._store.generation.tables.log([Impression("q", (f"d{i}",), frozenset(), 1, 5).to_json()])
        index.compact()
        index.feedback("kettle", ["a"])
        index.reindex(analyzer="english")
        index.backup(tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "again")
    with Index.open(tmp_path / "again") as index:
        log = list(index.impressions())
        assert index.verify() == []
    assert [one.shown for one in log] == [(f"d{i}",) for i in range(1200)] + [("a",)]


def test_what_is_logged_while_a_compaction_runs_is_not_lost(path: Path) -> None:
    with Index.open(path) as index:
        store = index._store
        with store.holding() as generation:
            index.feedback("kettle", ["a"])
            store._compact_from(generation)
        assert len(list(index.impressions())) == 1


@pytest.mark.parametrize(
    ("shown", "clicked", "options"),
    [([], [], {}), (["a", "a"], [], {}), (["a"], ["b"], {}), (["a"], [], {"first": 0}), ([1], [], {})],
)
def test_what_cannot_be_is_refused(
    path: Path, shown: list[Any], clicked: list[str], options: dict[str, Any]
) -> None:
    with Index.open(path) as index:
        with pytest.raises(InputError, match="impression of 'kettle'"):
            index.feedback("kettle", shown, clicked, **options)
        assert list(index.impressions()) == []


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"shown": 5, "clicked": []}', "\x00"])
def test_a_record_that_is_none(record: str) -> None:
    with pytest.raises(InputError):
        Impression.from_json(record)
