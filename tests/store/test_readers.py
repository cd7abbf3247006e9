"""A process that may only read: beside a writer that was killed, in a folder it may not write to, with a
writer of another user, in the group."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from hybrid import Document, Index
from hybrid.disk import failpoints
from hybrid.disk.failpoints import POINTS, FailPoint
from hybrid.errors import IndexReadOnly, StorageError
from tests.durability import child
from tests.durability.history import History
from tests.durability.reader import state_of
from tests.durability.trial import Trial, early_graph

GROUP: Final = 54_321  # of the writer and its readers; no such group need exist
OWNER: Final = 54_322
COLLEAGUE: Final = 54_323

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def history() -> History:
    return History(documents=60)


# -- beside a writer that was killed


@pytest.mark.parametrize("point", POINTS)
def test_beside_a_crashed_writer(tmp_path: Path, point: FailPoint) -> None:
    """The reader comes before any writer comes back."""
    path = tmp_path / "idx"
    process = child.start(write_and_die, path, point)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, f"{point} was never reached\n{errors}"
    acked = int(output.split()[-1])
    files = _files(path)
    with Index.open(path, read_only=True) as reader:
        state = state_of(reader, history(), range(acked, acked + 2))
        assert reader.verify() == []
        assert _files(path) == files, "a reader has changed what it read"
        with Index.open(path) as writer:
            assert state_of(writer, history(), range(state, state + 1)) == state
            assert writer.verify() == []
            history().apply(writer, state + 1)
            state_of(reader, history(), range(state + 1, state + 2))
            writer.compact()
            state_of(reader, history(), range(state + 1, state + 2))


def write_and_die(path: str, point: FailPoint, ready: Callable[[], object] = lambda: None) -> None:
    """Prints each acknowledged step. Calls ``ready`` when there is an index."""
    early_graph()
    trial = Trial(Path(path), history())
    ready()
    died = {"ledger": 4, "lexical": 4}.get(point.partition(".")[0], 1)
    visits = iter(range(1, died + 1))

    def die() -> None:
        if next(visits) == died:
            os.kill(os.getpid(), signal.SIGKILL)

    failpoints.arm(point, die)
    for _ in range(12):
        _say(trial)
        trial.step()
    _say(trial)
    trial.index.compact()
    trial.index.backup(trial.path.with_name("copy"))
    trial.index.close()


def _say(trial: Trial) -> None:
    sys.stdout.write(f"{trial.done}\n")
    sys.stdout.flush()


def _files(path: Path) -> dict[str, bytes]:
    """All files that hold anything, but the shared memory of SQLite, which is no part of what is stored."""
    files = (file for file in path.rglob("*") if file.is_file() and not file.name.endswith("-shm"))
    return {str(file.relative_to(path)): data for file in files if (data := file.read_bytes())}


# -- where nothing may be written


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users may enter."""
    with child.open_folder() as folder:
        yield folder


@as_root
@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "with a log"])
@pytest.mark.parametrize("mode", [0o555, 0o755], ids=["read-only", "another's"])
def test_a_folder_that_may_not_be_written(shared: Path, crashed: bool, mode: int) -> None:
    """With a write-ahead log, since the writer was killed, and without."""
    path = shared / "idx"
    acked = _leave(path, crashed)
    assert crashed == any(log.stat().st_size for log in path.rglob("*-wal"))
    before = _files(path)
    _open_to_all(path, mode)
    child.run(read_as_nobody, path, acked)
    assert _files(path) == before


def _leave(path: Path, crashed: bool) -> int:
    """An index that was closed well, or whose writer was killed; what was acknowledged."""
    process = child.start(write_and_leave, path, "crashed" if crashed else "closed")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == (-signal.SIGKILL if crashed else 0), errors
    return int(output.split()[-1])


def write_and_leave(path: str, how: str) -> None:
    trial = Trial(Path(path), history())
    for _ in range(12):
        trial.step()
    _say(trial)
    if how == "crashed":
        os.kill(os.getpid(), signal.SIGKILL)
    trial.index.close()


def _open_to_all(path: Path, mode: int) -> None:
    for place in (path, *path.rglob("*")):
        place.chmod(mode if place.is_dir() else mode & 0o666)


def read_as_nobody(path: str, acked: str) -> None:
    child.become(child.NOBODY, child.NOBODY)
    read(Path(path), int(acked))


def read(path: Path, acked: int) -> None:
    """Everything a reader can do, and that it cannot write."""
    with Index.open(path, read_only=True) as reader:
        state_of(reader, history(), range(acked, acked + 1))
        assert reader.verify() == []
        assert reader.stats()["documents"] == history().size(acked)
        found = reader.search("common", filter={"stamp": {"gte": 5}}, mode="lexical", k=100)
        assert all(hit.document.metadata["stamp"] >= 5 for hit in found)
        with pytest.raises(IndexReadOnly):
            reader.add([Document("x", "x")])
    with pytest.raises(StorageError):
        Index.open(path)


@pytest.mark.parametrize("crashed", [False, True], ids=["closed", "with a log"])
def test_a_read_only_file_system(tmp_path: Path, crashed: bool) -> None:
    if reason := child.mounting():
        pytest.skip(reason)
    acked = _leave(tmp_path / "idx", crashed)
    child.run(read_here, tmp_path / "idx", acked, before=child.read_only(tmp_path))


def read_here(path: str, acked: str) -> None:
    with pytest.raises(OSError, match="Read-only file system"):
        Path(path, "x").touch()
    read(Path(path), int(acked))


# -- a writer of another user


@as_root
@pytest.mark.parametrize("umask", [0o022, 0o027], ids=["for all", "for the group"])
def test_under_another_user_of_the_group(shared: Path, umask: int) -> None:
    """A writer at work; a reader of its group follows it, step by step, and may not write."""
    shared.chmod(0o777)
    reader = _Partner(follow, shared / "idx", COLLEAGUE)
    writer = _Partner(lead, shared / "idx", OWNER, umask)
    try:
        for step in range(15):
            acked = writer.ask("step" if step % 5 < 4 else "compact")
            reader.ask(acked)
        writer.kill()
        reader.ask(acked)
    finally:
        reader.kill()
        writer.kill()


class _Partner:
    """A child that answers a line with a line."""

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self._process = child.start(function, *arguments, talk=True)

    def ask(self, line: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(line + "\n")
            stdin.flush()
        except BrokenPipeError:
            pass
        if not (answer := stdout.readline().strip()):
            raise AssertionError(self._process.communicate()[1])
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def lead(path: str, user: str, umask: str) -> None:
    child.become(int(user), GROUP, GROUP)
    os.umask(int(umask))
    trial = Trial(Path(path), history())
    for line in sys.stdin:
        if line.strip() == "compact":
            trial.index.compact()
        else:
            assert trial.step(), trial.met
        _say(trial)


def follow(path: str, user: str) -> None:
    child.become(int(user), GROUP, GROUP)
    reader = None
    for line in sys.stdin:
        reader = reader or Index.open(path, read_only=True)
        for index in (reader, Index.open(path, read_only=True)):
            state_of(index, history(), range(int(line), int(line) + 1))
            assert index.verify() == []
        index.close()
        with pytest.raises(StorageError):
            Index.open(path)
        sys.stdout.write("seen\n")
        sys.stdout.flush()


@as_root
def test_writers_of_a_group_take_turns(shared: Path) -> None:
    """Where the folder and the umask let the group write, a colleague goes on where the owner left."""
    shared.chmod(0o2777)
    os.chown(shared, OWNER, GROUP)
    path = shared / "idx"
    child.run(write_a_turn, path, OWNER, 0)
    for turn, user in enumerate((COLLEAGUE, OWNER, COLLEAGUE), 1):
        child.run(write_a_turn, path, user, turn * 4)


def write_a_turn(path: str, user: str, done: str) -> None:
    child.become(int(user), GROUP, GROUP)
    os.umask(0o002)
    if not int(done):
        Index.create(path, encoder=None, analyzer="english").close()
    with Index.open(path) as index:
        state_of(index, history(), range(int(done), int(done) + 1))
        for n in range(int(done) + 1, int(done) + 5):
            history().apply(index, n)
        index.compact()
        assert index.verify() == []
