"""Who may write where, what time it is, who was forked: an index keeps its promises all the same."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from hybrid import Index
from hybrid.errors import IndexClosed, IndexLocked, StorageError
from tests.durability import child
from tests.durability.trial import Trial


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    trial = Trial(tmp_path / "idx")
    yield trial
    trial.index.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_that_stops_being_writable() -> None:
    with child.open_folder() as folder:
        child.run(as_its_owner, folder)


def as_its_owner(folder: str) -> None:
    os.chown(folder, child.NOBODY, child.NOBODY)
    child.become(child.NOBODY, child.NOBODY)
    trial = Trial(Path(folder, "idx"))
    folders = [trial.path, *(path for path in trial.path.rglob("*") if path.is_dir())]
    for mode in (0o555, 0o755):
        for path in folders:
            path.chmod(mode)
        for _ in range(4):
            trial.step()
            trial.state()
        trial.attempt(trial.index.compact)
        trial.state()
    trial.mend()
    trial.check()
    trial.index.close()
    _no_writer_in(Path(folder), trial)


def _no_writer_in(folder: Path, trial: Trial) -> None:
    """A writer of a read-only folder, and a new index in one: refused, and nothing is left behind."""
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        path.chmod(0o555)
    before = sorted(folder.rglob("*"))
    with pytest.raises(StorageError) as caught:
        Index.open(trial.path)
    assert "\n" not in str(caught.value)
    with pytest.raises(StorageError) as caught:
        Index.create(folder / "new", encoder=None)
    assert "\n" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before
    with Index.open(trial.path, read_only=True) as reader:
        assert len(reader) == trial.history.size(trial.done)


def test_a_clock_that_goes_backwards(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = time.time, itertools.count()
    monkeypatch.setattr(time, "time", lambda: real() - 86_400 * next(calls))
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))
    with Index.open(trial.path, read_only=True) as reader:
        for turn in range(20):
            assert trial.attempt(trial.index.compact) if turn % 5 == 4 else trial.step()
            for path in trial.path.rglob("*"):
                os.utime(path, (1e9 - turn, 1e9 - turn))
            trial.at_rest(reader)
    assert not trial.met
    trial.check()


def test_a_clock_that_stands_still(trial: Trial) -> None:
    """A reader must see a switch of generations even if ``current`` looks as old as before."""
    with Index.open(trial.path, read_only=True) as reader:
        for _ in range(6):
            for operation in (trial.step, lambda: trial.attempt(trial.index.compact)):
                assert operation()
                os.utime(trial.path / "current", (1e9, 1e9))
            trial.at_rest(reader)
            assert trial.step()
            trial.at_rest(reader)


USES: Final[list[Callable[[Index], object]]] = [
    lambda index: index.search("common", mode="lexical"),
    lambda index: index.search_many(["common"], mode="lexical"),
    lambda index: index.run({"q": "common"}, mode="lexical"),
    lambda index: index.get("d1"),
    len,
    lambda index: list(index.documents()),
    lambda index: index.add([]),
    lambda index: index.delete(["d1"]),
    lambda index: index.compact(),
    lambda index: index.reindex(analyzer="english"),
    lambda index: index.backup("elsewhere"),
    lambda index: index.repair(),
    lambda index: index.verify(),
    lambda index: index.stats(),
]


def test_a_forked_child_must_open_its_own(tmp_path: Path) -> None:
    child.run(fork_an_index, tmp_path / "idx")


def fork_an_index(path: str) -> None:
    trial = Trial(Path(path))
    if (pid := os.fork()) == 0:
        _use_as_a_child(trial)
        trial.index.close()
        sys.exit()  # as a child of multiprocessing does: its copy of the writer's lock goes with it
    assert os.waitpid(pid, 0)[1] == 0
    with pytest.raises(IndexLocked):
        Index.open(path)
    for _ in range(5):
        assert trial.step()
    trial.check()


def _use_as_a_child(trial: Trial) -> None:
    for use in USES:
        with pytest.raises(IndexClosed, match="open it in this one"):
            use(trial.index)
    with Index.open(trial.path, read_only=True) as own:
        trial.at_rest(own)
    with pytest.raises(IndexLocked):
        Index.open(trial.path)
