"""wait="durable": acknowledged is never lost, searchable soon, in order, and no failure is swallowed."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.disk import failpoints
from hybrid.disk.failpoints import FailPoint
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, InputError, StorageError
from hybrid.ledger.ledger import Ledger
from hybrid.store import follower
from hybrid.types import Wait
from tests.durability import child

SOON = 20.0  # seconds that a busy machine may take for what takes 0.2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "idx"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    with Index.create(path, encoder=None, analyzer="english") as index:
        yield index
    failpoints.disarm()


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing becomes searchable by itself."""
    monkeypatch.setattr(follower.Follower, "wake", lambda _: None)


def document(number: int, text: str = "apple", id: str | None = None) -> Document:
    return Document(id or f"d{number}", f"{text} {word(number)}", vector=[1.0, float(number), 0.0])


def word(number: int) -> str:
    """That only document ``number`` has."""
    return f"number{chr(ord('a') + number)}x"


def found(index: Index, text: str = "apple") -> set[str]:
    return {hit.id for hit in index.search(text, mode="lexical", k=1000)}


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + SOON
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def fail() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# -- soon searchable, at the latest when something else says so


def test_what_is_durable_becomes_searchable_by_itself(index: Index) -> None:
    for n in range(30):
        assert index.add([document(n)], wait="durable") == 1
    assert eventually(lambda: len(index) == 30)
    assert found(index) == {f"d{n}" for n in range(30)}
    assert {hit.id for hit in index.search(vector=[1.0, 3.0, 0.0], k=1)} == {"d3"}
    assert index.delete(["d3"], wait="durable") == 1
    assert eventually(lambda: index.get("d3") is None)
    assert "d3" not in found(index)
    assert index.verify() == []


@pytest.mark.usefixtures("asleep")
def test_nothing_shows_before_it_is_searchable_in_all_ways(index: Index) -> None:
    index.add([document(0)])
    index.add([document(1), document(7, id="d0")], wait="durable")
    index.delete(["d1"], wait="durable")
    old = index.get("d0")
    assert old is not None
    assert word(0) in old.text
    assert (len(index), found(index)) == (1, {"d0"})
    assert {hit.id for hit in index.search(vector=[1.0, 1.0, 0.0])} == {"d0"}
    assert index.verify() == []
    index.flush()
    new = index.get("d0")
    assert new is not None
    assert word(7) in new.text
    assert found(index) == {"d0"}
    assert found(index, word(0)) == set()


@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize(
    "brings",
    [
        Index.flush,
        Index.compact,
        lambda index: index.add([document(99)]),
        lambda index: index.delete(["d0"]),
        lambda index: index.delete(["nobody"]),
        lambda index: index.reindex(analyzer="mixed"),
        Index.repair,
    ],
)
def test_what_brings_the_lexical_leg_up(index: Index, brings: Callable[[Index], object]) -> None:
    index.add([document(n) for n in range(5)], wait="durable")
    index.delete(["d1", "nobody"], wait="durable")
    brings(index)
    assert {"d2", "d3", "d4"} <= found(index)
    assert "d1" not in found(index)
    assert index.verify() == []


@pytest.mark.usefixtures("asleep")
def test_a_backup_and_a_closed_index_have_it(index: Index, path: Path, tmp_path: Path) -> None:
    index.add([document(n) for n in range(3)], wait="durable")
    index.backup(tmp_path / "copy")
    index.close()
    for place in (tmp_path / "copy", path):
        with Index.open(place, read_only=True) as reader:
            assert found(reader) == {"d0", "d1", "d2"}


@pytest.mark.usefixtures("asleep")
def test_the_order_of_writes_to_one_id(index: Index) -> None:
    waits: list[Wait] = ["durable", "searchable"]
    living: set[str] = set()
    random = np.random.default_rng(3)
    for n in range(120):
        id, wait = f"x{random.integers(4)}", waits[int(random.random() < 0.1)]
        if random.random() < 0.4:
            assert index.delete([id], wait=wait) == (id in living)
            living.discard(id)
        else:
            index.add([document(n, id=id)], wait=wait)
            living.add(id)
        if wait == "searchable":
            assert found(index) == living
            assert index.verify() == []
    index.flush()
    assert found(index) == living


def test_too_much_owed_is_waited_for(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.store.generation._OWED", 10)
    monkeypatch.setattr(follower.Follower, "wake", lambda _: None)
    for n in range(11):
        index.add([document(n)], wait="durable")
    assert len(index) == 11


def test_another_wait_is_refused(index: Index) -> None:
    with pytest.raises(InputError, match="wait='soon'"):
        index.add([], wait=cast(Any, "soon"))
    with pytest.raises(InputError, match="wait=None"):
        index.delete([], wait=cast(Any, None))


def test_several_threads(index: Index) -> None:
    def write(name: str) -> None:
        for n in range(25):
            index.add([document(n, id=f"{name}{n}")], wait="durable")
            index.delete([f"{name}{n - 1}"], wait="durable")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    index.flush()
    assert found(index) == {"a24", "b24", "c24"}
    assert index.verify() == []


# -- failures in the background


def test_a_failure_in_the_background_is_raised_and_mended(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "RETRY", 0.05)
    index.add([document(0)])
    failpoints.arm("lexical.added", fail)
    index.add([document(1)], wait="durable")
    assert eventually(lambda: index._store.generation.projection.failed)
    writes: list[Callable[[], object]] = [
        lambda: index.add([document(2)], wait="durable"),
        lambda: index.delete(["d0"]),
        index.flush,
    ]
    for write in writes:
        with pytest.raises(StorageError):
            write()
    assert found(index) == {"d0"}
    failpoints.disarm()
    assert eventually(lambda: found(index) == {"d0", "d1"})
    index.flush()
    assert index.verify() == []


@pytest.mark.parametrize("point", ["lexical.committed", "lexical.listed"])
def test_a_failure_that_the_next_look_mends(
    index: Index, point: FailPoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "RETRY", 0.05)
    failpoints.arm(point, fail)
    for n in range(3):
        index.add([document(n)], wait="durable")
    assert eventually(lambda: len(index) == 3)
    assert found(index) == {"d0", "d1", "d2"}
    failpoints.disarm()
    index.flush()
    assert index.verify() == []


def test_a_failed_transaction_is_not_acknowledged(index: Index) -> None:
    index.add([document(0)], wait="durable")
    failpoints.arm("ledger.inside", fail)
    with pytest.raises(StorageError):
        index.add([document(1)], wait="durable")
    failpoints.disarm()
    index.add([document(2)], wait="durable")
    index.flush()
    assert found(index) == {"d0", "d2"}


# -- readers elsewhere


def test_a_reader_follows_in_whole_commits(index: Index, path: Path) -> None:
    """Each commit holds a pair; no reader ever sees one without the other."""
    with Index.open(path, read_only=True) as reader:
        for n in range(0, 60, 2):
            index.add([document(n), document(n + 1)], wait="durable")
            seen = found(reader)
            assert len(seen) % 2 == 0
            assert len(seen) == len(reader.search(vector=[1.0, 0.0, 0.0], k=1000)) or len(reader) > len(
                seen
            )
        assert eventually(lambda: len(reader) == 60)
        assert found(reader) == {f"d{n}" for n in range(60)}
        assert reader.verify() == []


@pytest.mark.usefixtures("asleep")
def test_a_reader_while_the_ledger_is_ahead(index: Index, path: Path) -> None:
    index.add([document(n) for n in range(4)])
    with Index.open(path, read_only=True) as reader:
        index.add([document(9, id="d1")], wait="durable")
        index.delete(["d2"], wait="durable")
        index.add([document(5)], wait="durable")
        for handle in (reader, Index.open(path, read_only=True)):
            assert found(handle) == {"d0", "d1", "d2", "d3"}
            assert found(handle, word(1)) == {"d1"}
            assert handle.verify() == []
        handle.close()
        index.flush()
        assert found(reader) == {"d0", "d1", "d3", "d5"}
        assert found(reader, word(9)) == {"d1"}


# -- kill -9 and power loss


@pytest.mark.parametrize("point", ["ledger.committed", "lexical.added", "lexical.committed", "no point"])
def test_a_killed_writer_loses_nothing_that_was_acknowledged(path: Path, point: str) -> None:
    process = child.start(write_and_die, path, point)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, errors
    acked = int(output.split()[-1])
    assert acked >= 5
    with Index.open(path, read_only=True) as reader:
        assert found(reader) <= {f"d{n}" for n in range(acked + 2)}
        assert reader.verify() == []
    with Index.open(path) as writer:
        assert {f"d{n}" for n in range(acked + 1)} <= found(writer) <= {f"d{n}" for n in range(acked + 2)}
        assert writer.verify() == []


def write_and_die(path: str, point: str) -> None:
    """Prints each acknowledged number."""
    calls = iter(range(1000))
    with Index.create(path, encoder=None, analyzer="english") as index:
        for n in range(100):
            index.add([document(n)], wait="durable")
            sys.stdout.write(f"{n}\n")
            sys.stdout.flush()
            if n == 5 and point != "no point":
                failpoints.arm(cast(FailPoint, point), lambda: _die() if next(calls) == 1 else None)
            if n == 30 and point == "no point":
                _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after_a_power_cut(index: Index, path: Path, copy: Path, keep: int) -> Path:
    """What is there if the arrays lose all but the first ``keep`` bytes; a copy, since the writer lives."""
    shutil.copytree(path, copy)
    for array in copy.glob("g1/text.*"):
        os.truncate(array, min(keep, array.stat().st_size))
    return copy


@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize("keep", [0, 5, 40])
def test_rows_that_only_the_ledger_has(index: Index, path: Path, tmp_path: Path, keep: int) -> None:
    """The arrays of small batches are not synced."""
    for n in range(6):
        index.add([document(n)], wait="durable")
    index.flush()
    cut = after_a_power_cut(index, path, tmp_path / "cut", keep)
    with Index.open(cut, read_only=True) as reader:
        rows = [hit.id for hit in reader.search(vector=[1.0, 4.0, 0.0], k=1)]
        assert rows == ["d4"]
        assert reader.verify() == []
        assert reader._store.generation.ledger.rows.vectors.shape == (6, 3)
        with Index.open(cut) as writer:
            assert writer.verify() == []
            writer.add([document(6)])
            assert {hit.id for hit in reader.search(vector=[1.0, 6.0, 0.0], k=1)} == {"d6"}
    with Index.open(cut) as again:
        assert again.verify() == []
        assert np.array_equal(
            again._store.generation.ledger.rows.vectors[:6], index._store.generation.ledger.rows.vectors
        )


def pending(path: Path) -> int:
    ledger = Ledger(Folder.open(path / "g1"), read_only=True)
    try:
        return int(ledger.query("SELECT count(*) FROM pending")[0][0])
    finally:
        ledger.close()


@pytest.mark.usefixtures("asleep")
def test_the_arrays_are_synced_in_time(index: Index, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """36 bytes a row: after each third one, and when the index is closed."""
    monkeypatch.setattr("hybrid.ledger.pending.MOST", 100)
    counts = []
    for n in range(7):
        index.add([document(n)], wait="durable")
        counts.append(pending(path))
    assert counts == [1, 2, 0, 1, 2, 0, 1]
    index.close()
    assert pending(path) == 0


@pytest.mark.usefixtures("asleep")
def test_a_failed_fsync_keeps_the_rows_in_the_ledger(
    index: Index, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.ledger.pending.MOST", 100)
    index.add([document(0)], wait="durable")
    index.add([document(1)], wait="durable")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: fail())
        with pytest.raises(StorageError):
            index.add([document(2)], wait="durable")
    assert pending(path) == 2
    index.add([document(3)])
    assert pending(path) == 0
    assert index.verify() == []
    assert found(index) == {"d0", "d1", "d3"}


@pytest.mark.usefixtures("asleep")
def test_pending_rows_that_are_damaged_are_not_believed(index: Index, path: Path, tmp_path: Path) -> None:
    index.add([document(0)], wait="durable")
    cut = after_a_power_cut(index, path, tmp_path / "cut", 0)
    connection = sqlite3.connect(cut / "g1" / "ledger.db")
    connection.execute("UPDATE pending SET vectors = zeroblob(12)")
    connection.commit()
    connection.close()
    for read_only in (True, False):
        with pytest.raises(IndexCorrupt):
            Index.open(cut, read_only=read_only)
