"""The counter of changes: a reader looks whenever something was committed, and mostly only then."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from hybrid import Document, Index, Profile
from hybrid.disk.failpoints import FailPoint
from hybrid.disk.folder import Folder
from hybrid.errors import IndexNotFound
from hybrid.ledger import changes
from hybrid.ledger.changes import FILE, PERIOD, Counter, Watch
from hybrid.store.store import Store
from tests.durability import child
from tests.durability.forks import die
from tests.durability.reader import state_of
from tests.store.test_readers import history, write_and_die


class Clock:
    """Stands still unless it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(changes, "time", clock)
    return clock


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder.open(tmp_path)
    yield folder
    folder.close()


class Looks:
    """Counts how often a watch looks."""

    def __init__(self, watch: Watch, whole: bool = True) -> None:
        self._watch, self.whole, self._count = watch, whole, 0

    def _look(self) -> bool:
        self._count += 1
        return self.whole

    def __call__(self, searches: int = 3) -> int:
        """How many of some searches have looked."""
        self._count = 0
        for _ in range(searches):
            self._watch.look(self._look)
        return self._count


# -- the counter


def test_a_look_a_change(folder: Folder) -> None:
    counter, looks = Counter(folder), Looks(Watch(folder))
    assert looks() == 1
    assert looks() == 0
    for _ in range(300):  # more than fit in a byte
        with counter.changing():
            assert looks() == 3
        assert looks() == 1


def test_a_change_during_the_look_is_looked_for(folder: Folder) -> None:
    counter, watch = Counter(folder), Watch(folder)

    def look() -> bool:
        with counter.changing():
            return True

    looks = Looks(watch)
    watch.look(look)
    assert looks() == 1


def test_a_look_that_did_not_see_everything_is_repeated(folder: Folder) -> None:
    Counter(folder)
    looks = Looks(Watch(folder), whole=False)
    assert looks() == 3
    looks.whole = True
    assert looks() == 1


def test_a_look_that_fails_is_repeated(folder: Folder, clock: Clock) -> None:
    counter, watch = Counter(folder), Watch(folder)
    looks = Looks(watch)
    assert looks() == 1

    def fail() -> bool:
        raise IndexNotFound

    with counter.changing():
        pass
    for _ in range(2):
        with pytest.raises(IndexNotFound):
            watch.look(fail)
    clock.now += PERIOD
    assert looks() == 1
    clock.now += PERIOD
    for _ in range(2):
        with pytest.raises(IndexNotFound):
            watch.look(fail)


def test_a_killed_writer_leaves_it_odd(folder: Folder) -> None:
    """Until another one opens the index; what that one finds is looked at, too."""
    looks = Looks(Watch(folder))
    change = Counter(folder).changing()
    change.__enter__()
    assert looks() == 3
    counter = Counter(folder)
    assert looks() == 1
    with counter.changing():
        pass
    assert looks() == 1


def test_a_change_that_fails_is_over(folder: Folder) -> None:
    counter, looks = Counter(folder), Looks(Watch(folder))
    with pytest.raises(OSError, match="full"), counter.changing():
        raise OSError("full")
    assert looks() == 1


@pytest.mark.parametrize("content", [None, b"", b"\2\0\0"])
def test_without_a_counter_every_search_looks(folder: Folder, content: bytes | None, clock: Clock) -> None:
    if content is not None:
        folder.write(FILE, content)
    looks = Looks(Watch(folder))
    assert looks() == 3
    Counter(folder)
    clock.now += PERIOD
    assert looks() == 1


@pytest.mark.parametrize("content", [b"\xff" * 8, b"\xfe" + b"\xff" * 7, b"x" * 100])
def test_any_content_will_do(folder: Folder, content: bytes) -> None:
    folder.write(FILE, content)
    looks = Looks(Watch(folder))
    looks()
    counter = Counter(folder)
    assert looks() == content[0] % 2  # an even one stays, since opening changes nothing
    with counter.changing():
        assert looks() == 3
    assert looks() == 1


def test_it_looks_now_and_then(folder: Folder, clock: Clock) -> None:
    Counter(folder)
    looks = Looks(Watch(folder))
    assert looks() == 1
    clock.now += 0.9 * PERIOD
    assert looks() == 0
    clock.now += 0.2 * PERIOD
    assert looks() == 1


def test_a_counter_that_cannot_be_written_stops_no_writer(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    counter = Counter(folder)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder, "write", refuse)
    with counter.changing():
        pass
    assert "cannot be written: [Errno 28]" in caplog.text


# -- an index, whose readers look only where the counter says so


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "idx", encoder=None, analyzer="english") as index:
        index.add([_kettle(0)])
        yield index


@contextmanager
def reading(path: Path) -> Iterator[Index]:
    """A reader that has searched before."""
    with Index.open(path, read_only=True) as reader:
        reader.search("kettle")
        yield reader


def _kettle(n: int) -> Document:
    return Document(str(n), f"kettle {n}", vector=[1.0, n])


def _found(index: Index) -> object:
    """What its searches tell."""
    results = index.search("kettle")
    return results.sequence, [hit.id for hit in results], index.profiles.serves, index.synonyms


def _all(*acts: Callable[[], object]) -> None:
    for act in acts:
        act()


_CHANGES: dict[str, Callable[[Index], object]] = {
    "add": lambda index: index.add([_kettle(1)]),
    "durable": lambda index: _all(lambda: index.add([_kettle(1)], wait="durable"), index.flush),
    "load": lambda index: index.load(map(_kettle, range(5))),
    "replace": lambda index: index.add([Document("0", "kettle anew")]),
    "delete": lambda index: index.delete(["0"]),
    "metadata": lambda index: index.update_metadata({"a": 1}, everything=True),
    "profile": lambda index: index.install(Profile(depth=50)),
    "synonyms": lambda index: index.set_synonyms(["kettle, teapot"]),
    "compact": lambda index: _all(index.compact, lambda: index.add([_kettle(2)])),
    "reindex": lambda index: _all(lambda: index.reindex(analyzer="mixed"), lambda: index.add([_kettle(2)])),
    "repair": lambda index: _all(index.repair, lambda: index.add([_kettle(2)])),
}


@pytest.mark.parametrize("change", _CHANGES)
def test_the_next_search_sees_it(index: Index, tmp_path: Path, change: str) -> None:
    with reading(tmp_path / "idx") as reader:
        before = _found(reader)
        _CHANGES[change](index)
        assert _found(reader) == _found(index) != before


def test_a_search_asks_neither_disk_nor_sqlite(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, real = list[Store](), Store._look

    def look(store: Store) -> bool:
        looks.append(store)
        return real(store)

    monkeypatch.setattr(Store, "_look", look)
    with reading(tmp_path / "idx") as reader:
        looks.clear()
        for _ in range(5):
            reader.search("kettle")
        assert not looks
        index.add([_kettle(1)])
        for _ in range(5):
            reader.search("kettle")
        assert len(looks) == 1


def test_a_writer_of_an_earlier_version(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """It does not count."""
    monkeypatch.setattr(Counter, "changing", lambda self: nullcontext())
    with reading(tmp_path / "idx") as reader:
        index.add([_kettle(1)])
        assert len(reader) == 1
        clock.now += PERIOD
        assert len(reader) == 2


@pytest.mark.parametrize("anew", [False, True], ids=["gone", "another in its place"])
def test_one_that_was_deleted(tmp_path: Path, clock: Clock, anew: bool) -> None:
    path = tmp_path / "idx"
    Index.create(path, encoder=None).close()
    with reading(path) as reader:
        shutil.rmtree(path)
        if anew:
            Index.create(path, encoder=None).close()
        clock.now += PERIOD
        for _ in range(2):
            with pytest.raises(IndexNotFound, match="deleted"):
                reader.search("kettle")


def test_a_copy_has_its_own(index: Index, tmp_path: Path) -> None:
    """Made by the system, of an open index, counter and all."""
    ignored = shutil.ignore_patterns("*-shm")
    shutil.copytree(tmp_path / "idx", tmp_path / "copy", ignore=ignored)
    with Index.open(tmp_path / "copy") as copy, reading(tmp_path / "copy") as reader:
        index.add([_kettle(1)])
        assert len(reader) == 1
        copy.add(map(_kettle, range(3)))
        assert len(reader) == 3


# -- a writer that dies


@pytest.mark.parametrize(
    "point",
    ["ledger.inside", "ledger.committed", "lexical.committed", "rebuild.filled", "rebuild.switched"],
)
def test_beside_a_writer_that_is_killed(tmp_path: Path, point: FailPoint) -> None:
    """The reader was there before. It sees what one sees that comes after."""
    path = tmp_path / "idx"
    process = child.start(wait_and_die, path, point, talk=True)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    with reading(path) as reader:
        process.stdin.write("go on\n")
        output, errors = process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, f"{point} was never reached\n{errors}"
        acked = int(output.split()[-1])
        state = state_of(reader, history(), range(acked, acked + 2))
        with Index.open(path, read_only=True) as later:
            assert state_of(later, history(), range(acked, acked + 2)) == state


def wait_and_die(path: str, point: FailPoint) -> None:
    def ready() -> None:
        sys.stdout.write("filled\n")
        sys.stdout.flush()
        sys.stdin.readline()

    write_and_die(path, point, ready)


@pytest.mark.parametrize("even", [False, True], ids=["before the commit", "after it"])
def test_beside_a_writer_that_is_killed_while_it_counts(tmp_path: Path, even: bool) -> None:
    path = tmp_path / "idx"
    with Index.create(path, encoder=None, analyzer="english") as index:
        index.add(map(_kettle, range(3)))
    with reading(path) as reader:
        process = child.start(die_while_counting, path, int(even))
        _, errors = process.communicate(timeout=300)
        assert process.returncode == -signal.SIGKILL, errors
        assert len(reader) == 3 - even
        with Index.open(path) as index:
            assert len(index) == 3 - even
            index.delete(["1"])
            assert len(reader) == 2 - even


def die_while_counting(path: str, number: str) -> None:
    index, real = Index.open(Path(path)), Counter._move_to

    def move_to(counter: Counter, *, even: bool) -> None:
        if even == bool(int(number)):
            die()
        real(counter, even=even)

    Counter._move_to = move_to  # type: ignore[method-assign, assignment]
    index.delete(["0"])
