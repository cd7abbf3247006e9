"""The forward table: the same terms as the documents', kept along, never trusted when damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.lexical import forward
from hybrid.lexical.terms import Terms

DOCUMENTS = [
    Document("a", "Stainless steel kettle", "Kettle"),
    Document("b", "主动降噪,续航三十小时 iPhone15", "无线耳机"),
    Document("c", "", "only a title"),
]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(DOCUMENTS)
        yield index


def texts(index: Index) -> list[tuple[list[int], int]]:
    """The hashes and title lengths of all living documents."""
    snapshot = index._store.generation.snapshot
    found = snapshot.texts(np.flatnonzero(snapshot.live))
    return [
        (found.terms[start:end].tolist(), int(title))
        for start, end, title in zip(found.starts[:-1], found.starts[1:], found.titles, strict=True)
    ]


def test_a_row_says_what_was_packed() -> None:
    terms = Terms(["无线", "耳机"], ["降噪", "c++"])
    row = forward.packed(7, terms, "降噪 c++")
    assert forward.sound(7, row)
    assert not forward.sound(8, row)  # another document's
    assert not forward.sound(7, row[:-1])
    assert not forward.sound(7, row[:-1] + b"\xff")
    assert not forward.sound(7, b"")
    both = forward.unpacked([(one[:12], one[12:]) for one in (row, forward.packed(8, Terms([], []), ""))])
    assert both.terms.tolist() == forward.hashes(["无线", "耳机", "降噪", "c++"]).tolist()
    assert both.starts.tolist() == [0, 4, 4]
    assert both.titles.tolist() == [2, 0]
    assert both.han.tolist() == pytest.approx([2 / 3, 0])
    assert len(forward.unpacked([])) == 0


def test_texts_are_the_same_with_the_table_and_without(index: Index) -> None:
    before = texts(index)
    index._store.generation.keep_forward()
    assert len(index._store.generation.tables.forward([0, 1, 2])) == 3
    assert texts(index) == before
    index.add([Document("a", "another kettle"), Document("d", "new")])
    assert set(index._store.generation.tables.forward(range(9))) == {0, 1, 2, 3, 4}
    with_table = texts(index)
    index.compact()
    assert index._store.generation.tables.has("forward")
    assert set(index._store.generation.tables.forward(range(9))) == {0, 1, 2, 3}
    assert sorted(texts(index)) == sorted(with_table)
    assert index.verify() == []


def test_it_is_there_after_reopening_and_for_readers(index: Index, tmp_path: Path) -> None:
    index._store.generation.keep_forward()
    expected = texts(index)
    with Index.open(tmp_path / "idx", read_only=True) as reader:
        assert reader._store.generation.tables.has("forward")
        assert texts(reader) == expected
        index.delete(["b"])
        assert len(reader) == 2
        assert texts(reader) == expected[:1] + expected[2:]


def test_a_damaged_or_missing_row_is_worked_out_again(index: Index, tmp_path: Path) -> None:
    index._store.generation.keep_forward()
    expected = texts(index)
    index.close()
    with closing(sqlite3.connect(tmp_path / "idx" / "g1" / "ledger.db")) as file:
        file.execute("UPDATE forward SET terms = x'0011' WHERE ordinal = 0")
        file.execute("DELETE FROM forward WHERE ordinal = 1")
        file.commit()
    with Index.open(tmp_path / "idx") as reopened:
        assert texts(reopened) == expected
        reopened._store.generation.keep_forward()
        kept = reopened._store.generation.tables.forward([0, 1, 2])
        assert all(forward.sound(ordinal, row) for ordinal, row in kept.items())
        assert len(kept) == 3


def test_rows_are_read_once_while_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {ordinal: forward.packed(ordinal, Terms(["a"], ["b"] * ordinal), "") for ordinal in range(9)}
    asked: list[list[int]] = []

    def read(ordinals: Sequence[int]) -> dict[int, bytes]:
        asked.append(list(ordinals))
        return {ordinal: made[ordinal] for ordinal in ordinals if ordinal != 3}

    def make(ordinals: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        assert set(ordinals) <= {3}
        return ((ordinal, made[ordinal]) for ordinal in ordinals)

    rows = forward.ForwardCache()
    for ordinals in ([5, 2, 3], [3, 8, 5], [8]):
        found = rows.texts(ordinals, read, make)
        assert np.diff(found.starts).tolist() == [1 + ordinal for ordinal in ordinals]
    assert asked == [[5, 2, 3], [8]]
    monkeypatch.setattr(forward, "_ROOM", 0)
    rows.texts([8], read, make)
    assert asked[2:] == [[8]]


def test_shares_of_chinese() -> None:
    assert forward.han_share("abc 123") == 0
    assert forward.han_share("耳机") == 1
    assert forward.han_share("耳机ab") == 0.5
    assert forward.han_share("123 !") == 0
