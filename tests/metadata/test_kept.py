"""Columns of metadata that are kept on disk: used, never believed when damaged, and never needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Document, Index
from hybrid.disk import cache
from hybrid.ledger.ledger import Ledger
from hybrid.metadata import kept
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import parse
from tests.metadata.test_columns import METADATA

KEEP_AT = 50
CHEAP = {"price": {"lt": 5}}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEEP_AT", KEEP_AT)


def documents(first: int, end: int) -> list[Document]:
    metadata: list[dict[str, Any]] = [
        {"price": i % 10, "shop": f"s{i % 3}", "big": 2**70 + i, "at": [52.5, 13.4], "tags": ["a", f"t{i}"]}
        for i in range(first, end)
    ]
    return [Document(f"d{i}", "word", metadata=own) for i, own in enumerate(metadata, first)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(0, 60))
    return tmp_path / "idx"


def file(path: Path) -> Path:
    return path / "g1" / "columns.npz"


def found(index: Index, where: dict[str, Any] = CHEAP) -> set[str]:
    return {hit.id for hit in index.search("word", mode="lexical", k=1000, filter=where)}


def cheap(end: int) -> set[str]:
    return {f"d{i}" for i in range(end) if i % 10 < 5}


def read_spans(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What is read from the ledger from now on."""
    spans: list[tuple[int, int]] = []
    metadata = Ledger.metadata

    def noted(ledger: Ledger, first: int, end: int) -> Any:
        spans.append((first, end))
        return metadata(ledger, first, end)

    monkeypatch.setattr(Ledger, "metadata", noted)
    return spans


def test_a_new_process_reads_only_what_is_not_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = read_spans(monkeypatch)
    with Index.open(path) as index:
        assert found(index) == cheap(60)
        assert spans == []
        index.add(documents(60, 70))
        assert found(index) == cheap(70)
        assert spans == [(60, 70)]
    with Index.open(path, read_only=True) as reader:
        assert found(reader) == cheap(70)
        assert spans[1:] == [(60, 70)]
        assert found(reader, {"big": {"gte": 2**70 + 65}}) == {f"d{i}" for i in range(65, 70)}
        assert found(reader, {"at": {"near": [52.5, 13.4], "km": 1}, "tags": "t7"}) == {"d7"}


def test_it_is_written_again_when_much_has_come(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = file(path).stat().st_size
    with Index.open(path) as index:
        index.add(documents(60, 60 + KEEP_AT))
    assert file(path).stat().st_size > before
    spans = read_spans(monkeypatch)
    with Index.open(path, read_only=True) as reader:
        assert found(reader) == cheap(60 + KEEP_AT)
    assert spans == []


def test_a_reader_writes_nothing(path: Path) -> None:
    file(path).unlink()
    with Index.open(path, read_only=True) as reader:
        assert found(reader) == cheap(60)
    assert not file(path).exists()


def test_few_documents_are_not_kept(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(0, KEEP_AT - 1))
        assert found(index) == cheap(KEEP_AT - 1)
    assert not file(tmp_path / "idx").exists()


def other(path: Path) -> None:
    with Index.create(path.parent / "other", encoder=None) as index:
        index.add([Document(f"d{i}", "word", metadata={"price": 1}) for i in range(60)])
    shutil.copyfile(file(path.parent / "other"), file(path))


def flipped(path: Path) -> None:
    data = bytearray(file(path).read_bytes())
    data[len(data) // 2] ^= 1
    file(path).write_bytes(data)


@pytest.mark.parametrize("spoil", [other, flipped, lambda path: file(path).write_bytes(b"no archive")])
def test_what_is_damaged_or_anothers_is_not_used(
    path: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    spoil(path)
    with Index.open(path) as index:
        assert found(index) == cheap(60)
    assert "not used" in caplog.text
    caplog.clear()
    with Index.open(path) as index:
        assert found(index) == cheap(60)
    assert caplog.text == ""


def test_a_full_disk_is_no_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    file(path).unlink()
    monkeypatch.setattr(np, "savez", full)
    with Index.open(path) as index:
        assert found(index) == cheap(60)
    assert "not kept" in caplog.text


def test_compaction_leaves_nothing_of_the_dead(path: Path) -> None:
    with Index.open(path) as index:
        index.delete(["d7"])
        index.compact()
        assert found(index, {"tags": "t7"}) == set()
    (kept,) = path.glob("g*/columns.npz")
    assert b'"t8"' in kept.read_bytes()
    assert b'"t7"' not in kept.read_bytes()


def test_repair_begins_anew(path: Path) -> None:
    with Index.open(path) as index:
        index.repair()
        assert not file(path).exists()
    assert file(path).exists()


@given(st.lists(METADATA, max_size=4), st.lists(METADATA, max_size=4))
def test_what_is_kept_passes_the_same(first: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    made = Columns()
    made.extend(enumerate(first))
    kept = Columns.of(*made.parts())
    n = len(first) + len(more)
    for columns in (made, kept):
        columns.extend(enumerate(more, len(first)))
    wheres: list[dict[str, Any]] = [{path: {"exists": True}} for path in ("a", "b", "a.b")]
    wheres += [{path: {"gte": limit}} for path in ("a", "b") for limit in (0, 2**64, "9", "2024-05-01")]
    for where in map(parse, wheres):
        assert np.array_equal(made.mask(where, n), kept.mask(where, n))


def test_what_took_other_strings_for_dates_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    idx = tmp_path / "idx"
    with monkeypatch.context() as earlier:
        earlier.setattr(kept, "_TYPED", 1)
        with Index.create(idx, encoder=None) as index:
            index.add(documents(0, 60))
            assert found(index) == cheap(60)
    assert file(idx).exists()
    spans = read_spans(monkeypatch)
    for _ in range(2):
        with Index.open(idx) as index:
            assert found(index) == cheap(60)
    assert spans == [(0, 60)]  # once, and kept again
    assert caplog.messages == []
