"""A handle stays with the directory that it opened, wherever that lies and whatever takes its place."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.disk.folder import Folder
from hybrid.errors import IndexLocked, IndexNotFound, StorageError
from hybrid.ledger import database
from tests.durability import moves
from tests.durability.trial import early_graph

SEEDS = range(5)
_INPUTS: dict[str, Callable[[Index], object]] = {
    "compact": lambda index: index.compact(),
    "add": lambda index: index.add([Document("new", "new", vector=np.ones(4))]),
    "durable add": lambda index: _durable(index),
    "delete": lambda index: index.delete(["0"]),
    "reindex": lambda index: index.reindex(analyzer="english"),
    "seal": lambda index: index.add(_documents(60)),
    "close": lambda index: index.close(),
    "install": lambda index: index.use(1),
    "repair": lambda index: index.repair(),
}


def _durable(index: Index) -> None:
    index.add([Document("new", "new", vector=np.ones(4))], wait="durable")
    index.flush()


def _documents(count: int, word: str = "kettle") -> list[Document]:
    rows = np.random.default_rng(1).normal(size=(count, 4))
    return [Document(str(i), f"{word} {i}", vector=row) for i, row in enumerate(rows)]


def _files(path: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(file.relative_to(path)): (file.stat().st_ino, file.read_bytes())
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.endswith("-shm")
    }


@pytest.fixture(autouse=True)
def working_directory() -> Iterator[None]:
    before = Path.cwd()
    yield
    os.chdir(before)


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a/shop and b/shop, an index each, and a link a/now to the first."""
    early_graph(monkeypatch.setattr)
    for name, word in (("a", "kettle"), ("b", "stranger")):
        (tmp_path / name).mkdir()
        with Index.create(tmp_path / name / "shop", encoder=None) as index:
            index.add(_documents(5, word))
    os.symlink("shop", tmp_path / "a" / "now")
    return tmp_path


def _changed_folder(two: Path) -> None:
    os.chdir(two / "b")


def _swapped(two: Path) -> None:
    (two / "a" / "shop").rename(two / "aside")
    (two / "b" / "shop").rename(two / "a" / "shop")
    (two / "aside").rename(two / "b" / "shop")


def _relinked(two: Path) -> None:
    (two / "a" / "now").unlink()
    os.symlink("../b/shop", two / "a" / "now")


def _moved_above(two: Path) -> None:
    (two / "a").rename(two / "c")
    (two / "b").rename(two / "a")


@pytest.mark.parametrize("move", [_changed_folder, _swapped, _relinked, _moved_above])
@pytest.mark.parametrize("how", _INPUTS)
def test_another_index_is_never_written_to(two: Path, move: Callable[[Path], None], how: str) -> None:
    os.chdir(two / "a")
    index = Index.open("now")
    other = (two / "b" / "shop").stat().st_ino
    before = _files(two / "b" / "shop")
    move(two)
    _INPUTS[how](index)
    index.close()
    places = {path.stat().st_ino: path for path in two.glob("*/shop")}
    stranger = places.pop(other)
    assert _files(stranger) == before
    (own,) = places.values()
    with Index.open(own) as index:
        assert index.verify() == []
        assert all("kettle" in document.text or document.id == "new" for document in index.documents())
        assert len(index) == {"add": 6, "durable add": 6, "delete": 4, "seal": 60}.get(how, 5)


@pytest.mark.parametrize("move", [_changed_folder, _swapped, _relinked, _moved_above])
def test_a_reader_follows_its_own_index(two: Path, move: Callable[[Path], None]) -> None:
    os.chdir(two / "a")
    reader, writer = Index.open("now", read_only=True), Index.open("shop")
    move(two)
    for change in (lambda: writer.add(_documents(60)), writer.compact):
        change()
        assert len(reader) == len(writer) == 60
        assert reader.search("stranger", mode="lexical").hits == ()
        assert reader.search("kettle", mode="lexical").total == 60
    reader.backup(two / "copy")
    assert reader.verify() == []
    for index in (reader, writer):
        index.close()
    with Index.open(two / "copy") as copy:
        assert len(copy) == 60


def test_one_that_was_deleted_is_a_typed_error(tmp_path: Path) -> None:
    """A notebook's cell that is run again: the old handle is still there."""
    path = tmp_path / "idx"
    writer = Index.create(path, encoder=None)
    writer.add(_documents(5))
    reader = Index.open(path, read_only=True)
    shutil.rmtree(path)
    with Index.create(path, encoder=None) as index:
        index.add(_documents(3, "new"))
        for act in (
            lambda: writer.add(_documents(1)),
            lambda: writer.add(_documents(1), wait="durable"),
            lambda: writer.delete(["0"]),
            writer.compact,
            lambda: writer.backup(tmp_path / "copy"),
            lambda: reader.search("kettle", mode="lexical"),
        ):
            with pytest.raises(StorageError):
                act()
        with pytest.raises(IndexNotFound, match="deleted"):
            writer.flush()
        writer.close()
        reader.close()
        assert len(index) == 3
        assert index.verify() == []
        with pytest.raises(IndexLocked):
            Index.open(path)


def test_the_lock_goes_with_the_directory(two: Path) -> None:
    index = Index.open(two / "a" / "shop")
    _swapped(two)
    Index.open(two / "a" / "shop").close()
    with pytest.raises(IndexLocked):
        Index.open(two / "b" / "shop")
    index.close()
    Index.open(two / "b" / "shop").close()


def test_what_sqlite_opens_is_held_against_the_folder(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look where the folder is and the opening, another takes its place: once, or always."""
    folder = Folder.open(two / "a" / "shop" / "g1")
    real, swaps = Folder.now, iter([True, False])

    def late(self: Folder) -> Path:
        found = real(self)
        if next(swaps, True):
            _swapped(two)
        return found

    monkeypatch.setattr(Folder, "now", late)
    connection = database.writer(folder)
    assert connection.execute("SELECT count(*) FROM bodies WHERE text LIKE 'kettle%'").fetchone() == (5,)
    connection.close()
    with pytest.raises(StorageError, match="moved or deleted"):
        database.writer(folder)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_program_of_moves(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    early_graph(monkeypatch.setattr)
    assert moves.run(seed, Counter()) is None


# -- the opened folder itself


def test_names_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    folder = Folder.open(tmp_path)
    for name in ("..", "a/b", "/etc/passwd", "../x"):
        with pytest.raises(OSError, match="not the name of a file"):
            folder.reading(name)


def test_errors_name_the_whole_path(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        Folder.open(tmp_path).reading("missing")
    assert error.value.filename == str(tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Folder.open(tmp_path / "file")


def test_a_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    os.symlink("elsewhere", tmp_path / "link")
    folder = Folder.open(tmp_path)
    assert not folder.is_folder("link")
    with pytest.raises(OSError, match="Not a directory"):
        folder.folder("link")


def test_a_file_system_without_links_gets_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(_documents(5))
        index.delete(["0"])
        index.compact()
    with Index.open(tmp_path / "idx") as index:
        assert index.verify() == []
        assert index.search("kettle", mode="lexical").total == 4


def test_it_is_gone_once_it_was_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    folder = Folder.open(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert not folder.deleted
    assert folder.now() == tmp_path / "b"
    (tmp_path / "b").rmdir()
    assert folder.deleted
