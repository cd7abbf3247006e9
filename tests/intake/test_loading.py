"""A stream goes in by batches, side by side with its encoding, into few segments, and nothing is lost."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import Document, Index
from hybrid.disk import failpoints
from hybrid.errors import DocumentError, StorageError
from hybrid.intake import loading
from hybrid.intake.loading import batches, load
from tests.durability import child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "idx"


@pytest.fixture
def index(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    monkeypatch.setattr(loading, "BATCH", 10)
    monkeypatch.setattr("hybrid.store.rebuild._BATCH", 10)
    with Index.create(path, encoder=None, analyzer="english") as index:
        yield index
    failpoints.disarm()


def documents(count: int, first: int = 0) -> Iterator[Document]:
    return (Document(f"d{n}", f"apple number {n}", vector=[1.0, n]) for n in range(first, first + count))


def segments(index: Index) -> int:
    return index._store.generation.snapshot.lexical.searcher.num_segments


def found(index: Index) -> int:
    return len(index.search("apple", mode="lexical", k=1000))


def fail() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# -- the stream


@given(st.lists(st.integers(0, 12)), st.integers(1, 5))
def test_batches_are_the_stream_and_hold_no_id_twice(numbers: list[int], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "BATCH", size)
        parts = [[document.id for document in part] for part in batches(Document(str(n)) for n in numbers)]
    assert [id for part in parts for id in part] == list(map(str, numbers))
    for part, following in zip(parts, [*parts, None][1:], strict=True):
        assert 0 < len(part) == len(set(part)) <= size
        assert following is None or len(part) == size or following[0] in part


def test_one_batch_is_made_ready_while_the_one_before_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", 1)
    begun = [threading.Event() for _ in range(3)]
    written: list[str] = []

    def prepare(batch: list[Document]) -> int:
        number = int(batch[0].id)
        begun[number].set()
        return number

    def write(number: int) -> None:
        assert number == 2 or begun[number + 1].wait(20)
        written.append(str(number))

    assert load([Document("0"), Document("1"), Document("2")], prepare, write) == 3
    assert written == ["0", "1", "2"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_fails_is_raised(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH", 1)
    written: list[str] = []

    def check(batch: list[Document]) -> list[Document]:
        if batch[0].id == str(number):
            raise LookupError
        return batch

    stream = [Document("0"), Document("1"), Document("2")]
    with pytest.raises(LookupError):
        load(stream, check, lambda batch: written.append(batch[0].id))
    assert written == ["0", "1", "2"][:number]
    with pytest.raises(LookupError):
        load(stream, lambda batch: batch, check)


# -- into an index


def test_a_load_ends_in_one_segment_and_so_does_a_compaction(index: Index) -> None:
    for first in range(0, 30, 10):
        index.add(documents(10, first))
    assert segments(index) == 3
    index.compact()
    assert segments(index) == 1
    assert index.load(documents(40, 20)) == 40
    assert (segments(index), len(index), found(index)) == (2, 60, 60)
    assert index.verify() == []
    index.reindex(analyzer="mixed")
    assert (segments(index), found(index)) == (1, 60)


def test_much_is_found_before_the_end(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.store.projection._PENDING", 50)
    seen: list[int] = []

    def stream() -> Iterator[Document]:
        for document in documents(100):
            seen.append(len(index))
            yield document

    index.load(stream())
    assert sorted(seen) == seen
    assert 0 < seen[-1] < 100
    assert len(index) == found(index) == 100
    assert index.verify() == []


def test_nothing_shows_before_it_is_found_in_all_ways(index: Index) -> None:
    index.add(documents(3))

    def stream() -> Iterator[Document]:
        yield from documents(25, 1)
        assert (len(index), found(index), index.get("d20")) == (3, 3, None)
        assert {hit.id for hit in index.search(vector=[1.0, 9.0])} == {"d0", "d1", "d2"}

    index.load(stream())
    assert len(index) == found(index) == 26
    assert index.verify() == []


def test_another_write_meanwhile_publishes_it(index: Index) -> None:
    def stream() -> Iterator[Document]:
        yield from documents(30)
        index.add([Document("other", "apple")])
        assert found(index) == len(index) > 10
        index.delete(["d3"])
        yield from documents(15, 30)

    index.load(stream())
    assert len(index) == found(index) == 45
    assert index.verify() == []


def test_after_a_wrong_document_those_before_are_there(index: Index) -> None:
    with pytest.raises(DocumentError, match="document 3: the id is empty"):
        index.load([*documents(23), Document("", "nameless")])
    assert len(index) == found(index) == 20
    assert index.verify() == []


@pytest.mark.parametrize(
    "point", ["ledger.inside", "ledger.committed", "lexical.added", "lexical.committed"]
)
def test_after_a_failure_no_document_is_there_twice(index: Index, point: failpoints.FailPoint) -> None:
    reached = 0

    def fail_later() -> None:
        nonlocal reached
        reached += 1
        if reached > 2 or point.startswith("lexical"):
            fail()

    failpoints.arm(point, fail_later)
    with pytest.raises(StorageError):
        index.load(documents(50))
    failpoints.disarm()
    index.flush()
    assert len(index) == found(index) == {"ledger.inside": 20, "ledger.committed": 30}.get(point, 50)
    assert index._store.generation.snapshot.lexical.searcher.num_docs == len(index)
    assert index.verify() == []
    assert index.load(documents(50)) == 50
    assert len(index) == found(index) == 50


def test_a_load_that_is_killed_keeps_what_was_written(path: Path) -> None:
    process = child.start(load_and_die, path, "3")
    _, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, errors
    with Index.open(path) as index:
        assert len(index) == found(index) == 30
        assert index.verify() == []


def load_and_die(path: str, committed: str) -> None:
    commits = iter(range(1, 1000))
    loading.BATCH = 10  # type: ignore[misc]

    def die() -> None:
        if next(commits) == int(committed):
            os.kill(os.getpid(), signal.SIGKILL)

    with Index.create(path, encoder=None, analyzer="english") as index:
        failpoints.arm("ledger.committed", die)
        index.load(documents(50))
