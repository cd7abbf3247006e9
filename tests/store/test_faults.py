"""Faults of the machine: a typed error, nothing torn, and the same Index works when they are gone."""

from __future__ import annotations

import errno
import io
import itertools
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from hybrid import Index
from hybrid.disk import failpoints
from hybrid.disk.failpoints import POINTS, FailPoint
from tests.durability import child
from tests.durability.footprint import open_files
from tests.durability.history import History
from tests.durability.trial import Trial, early_graph


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    early_graph(monkeypatch.setattr)
    trial = Trial(tmp_path / "idx")
    yield trial
    failpoints.disarm()
    trial.index.close()


# -- at every named point, at every call


def operations(trial: Trial, steps: int = 12) -> list[Callable[[], bool]]:
    """What reaches every point of the commit path; the steps are of all three kinds."""
    copies = itertools.count()
    later = [
        lambda: trial.attempt(trial.index.compact),
        lambda: trial.attempt(lambda: trial.index.backup(trial.path.with_name(f"copy{next(copies)}"))),
    ]
    return [trial.step] * steps + later + [trial.step, trial.step]


class Broken:
    """Fails the ``at``-th call and no other."""

    def __init__(self, at: int, error: Exception) -> None:
        self._left, self._error = at, error

    @property
    def hit(self) -> bool:
        return self._left <= 0

    def __call__(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise self._error


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError()], ids=type)
def test_a_failure_at_a_named_point(trial: Trial, point: FailPoint, error: Exception) -> None:
    broken = Broken(3 if point.startswith(("ledger", "lexical")) else 1, error)
    failpoints.arm(point, broken)
    for operation in operations(trial):
        if not operation():
            trial.mend()
    trial.attempt(trial.index.close)
    failpoints.disarm()
    trial.reopen()
    assert broken.hit, f"{point} was never reached"
    trial.mend()
    trial.check()


CALLS: Final[list[tuple[Any, str]]] = [
    (os, "pwrite"),
    (os, "fsync"),
    (os, "open"),
    (os, "replace"),
    (io, "open"),
    (mmap, "mmap"),
]


@contextmanager
def failing(module: Any, name: str, below: Path, broken: Broken) -> Iterator[None]:
    """Calls of ``module.name`` with a descriptor, a name in an opened folder or a path ``below`` a folder
    go through ``broken``."""
    real = getattr(module, name)

    def call(first: Any, *more: Any, **named: Any) -> Any:
        opened = isinstance(first, int) or named.keys() & {"dir_fd", "src_dir_fd"}
        if opened or os.fspath(first).startswith(os.fspath(below)):
            broken()
        return real(first, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, call)
        yield


@pytest.mark.parametrize(("module", "name"), CALLS, ids=[f"{m.__name__}.{n}" for m, n in CALLS])
def test_a_failure_of_every_system_call_in_turn(trial: Trial, module: Any, name: str) -> None:
    """Each operation is tried again and again, and each try fails a call later, until none fails. Of the
    many that open something every third, each time from another one on."""
    codes = itertools.cycle((errno.ENOSPC, errno.EIO, errno.EMFILE))
    stride = 3 if name == "open" else 1
    for number, operation in enumerate(operations(trial, steps=3)):
        for at in range(1 + number % stride, 100, stride):
            code = next(codes)
            broken = Broken(at, OSError(code, os.strerror(code)))
            with failing(module, name, trial.path, broken):
                passed = operation()
            trial.state()
            if not broken.hit:
                assert passed
                break
    assert trial.met
    trial.check()


def test_a_write_that_stops_half_way(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.pwrite, itertools.count()

    def half(descriptor: int, data: Any, offset: int) -> int:
        if next(calls) % 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[: len(data) // 2], offset)

    monkeypatch.setattr(os, "pwrite", half)
    while trial.step():  # deletions write no vectors
        pass
    monkeypatch.setattr(os, "pwrite", real)
    trial.mend()
    trial.check()


# -- the real thing, in a process of its own


def test_a_full_disk(tmp_path: Path) -> None:
    if reason := child.mounting():
        pytest.skip(reason)
    child.run(on_a_small_disk, tmp_path, before=child.with_small_disk(tmp_path, "3m"))


def on_a_small_disk(folder: str) -> None:
    """Less and less room, from all but nothing to a megabyte: then it fails elsewhere each time."""
    early_graph()
    trial = Trial(Path(folder, "idx"), History(documents=120, touched=60))
    for room in range(0, 400, 10):
        with Ballast(Path(folder, "ballast"), room):
            for _ in range(6):
                if not trial.step():
                    break
            trial.state()  # searching needs no room
            trial.attempt(trial.index.compact)
            trial.state()
        trial.mend()
    assert trial.met.total() > 10, trial.met
    trial.check()
    _close_and_open_without_room(trial, folder)
    sys.stdout.write(f"{trial.met}\n")


class Ballast:
    """All of the disk but ``room`` kilobytes."""

    def __init__(self, path: Path, room: int) -> None:
        self._path, self._room = path, room

    def __enter__(self) -> None:
        with self._path.open("wb") as file:
            while (size := self._free() - 1024 * self._room) > 0:
                with suppress(OSError):  # a thread of the index may just have taken some
                    os.posix_fallocate(file.fileno(), 0, size)
                    return

    def _free(self) -> int:
        disk = os.statvfs(self._path.parent)
        return disk.f_bavail * disk.f_bsize

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


def _close_and_open_without_room(trial: Trial, folder: str) -> None:
    trial.step()
    with Ballast(Path(folder, "ballast"), 0):
        trial.attempt(trial.index.close)
        trial.attempt(lambda: Index.open(trial.path).close())
        with Index.open(trial.path, read_only=True) as reader:
            assert len(reader) == trial.history.size(trial.done)
        assert not trial.attempt(lambda: Index.create(Path(folder, "another"), encoder=None))
        assert sorted(path.name for path in Path(folder).iterdir()) == ["ballast", "idx"]
    trial.index = Index.open(trial.path)
    trial.mend()
    trial.check()


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    child.run(under_a_file_size_limit, tmp_path / "idx")


def under_a_file_size_limit(path: str) -> None:
    """EFBIG reaches SQLite and tantivy too, which no patch of ours can."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    early_graph()
    trial = Trial(Path(path), History(documents=120, touched=60))
    for kilobytes in (*range(1, 20, 2), *range(20, 200, 12)):
        with child.limit(resource.RLIMIT_FSIZE, 1024 * kilobytes):
            for _ in range(4):
                if not trial.step():
                    break
            trial.state()
            trial.attempt(trial.index.compact)
        trial.mend()
    assert trial.met.total() > 10, trial.met
    trial.check()


def test_out_of_file_descriptors(tmp_path: Path) -> None:
    child.run(without_descriptors, tmp_path / "idx")


def without_descriptors(path: str) -> None:
    early_graph()
    trial = Trial(Path(path), History(documents=60))
    opened = []
    for spare in (*range(12), 16, 20, 24, 32):
        highest = max(map(int, os.listdir("/proc/self/fd")))
        with child.limit(resource.RLIMIT_NOFILE, highest + 1 + spare):
            for _ in range(4):
                if not trial.step():
                    break
            trial.attempt(trial.index.compact)
            trial.attempt(trial.state)
            opened.append(trial.attempt(lambda: Index.open(trial.path, read_only=True).close()))
        trial.mend()
    assert trial.met.total() > 5, trial.met
    assert not all(opened)
    trial.check()


def test_no_leak_of_descriptors_after_failures(trial: Trial) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    seen = []
    for _ in range(6):
        for point in POINTS:
            failpoints.arm(point, fail)
        trial.attempt(trial.index.compact)
        while trial.step():
            pass
        failpoints.disarm()
        trial.mend()
        seen.append(open_files())
    assert max(seen[3:]) <= max(seen[:3]) + 4, seen


def test_little_memory(tmp_path: Path) -> None:
    """Native parts may take the process down; what was acknowledged must be there all the same."""
    outcomes = []
    for megabytes in (8, 48, 128):
        path = tmp_path / f"idx{megabytes}"
        process = child.start(with_little_memory, path, megabytes)
        output, errors = process.communicate(timeout=300)
        history = History(documents=60, touched=60, dim=512)
        trial = Trial.__new__(Trial)
        trial.path, trial.history, trial.done = path, history, int(output.split()[-1])
        trial.index = Index.open(path)
        outcomes.append((megabytes, process.returncode, errors[-300:]))
        assert process.returncode <= 0 or process.returncode == 134, outcomes
        trial.mend()
        trial.check()
        trial.index.close()
    assert outcomes[0][1:] != outcomes[-1][1:] or outcomes[0][1] == 0, outcomes


def with_little_memory(path: str, megabytes: str) -> None:
    """Prints each acknowledged step."""
    early_graph()
    trial = Trial(Path(path), History(documents=60, touched=60, dim=512))
    sys.stdout.write(f"{trial.done}\n")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with child.limit(resource.RLIMIT_AS, used + int(megabytes) * 1_000_000):
        for _ in range(15):
            if not trial.step():
                break
            sys.stdout.write(f"{trial.done}\n")
            sys.stdout.flush()
        trial.attempt(trial.index.compact)
    trial.mend()
    sys.stdout.write(f"{trial.done}\n")
    trial.index.close()
