"""The directory: made whole or not at all, one writer, and a pointer that is checked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.errors import FormatTooNew, IndexCorrupt, IndexExists, IndexLocked, IndexNotFound
from hybrid.store.directory import Directory, Place


def fill(folder: Folder) -> str:
    with folder.writing("data") as file:
        file.write(b"x")
    return "uuid-of-x"


def test_create_makes_a_generation_and_leaves_no_draft(tmp_path: Path) -> None:
    directory = Directory.create(tmp_path / "idx", fill)
    assert directory.current() == Place("g1", "uuid-of-x")
    assert (tmp_path / "idx" / "g1" / "data").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["idx"]


def test_a_failing_create_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Folder) -> str:
        fill(folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Directory.create(tmp_path / "idx", fail)
    assert list(tmp_path.iterdir()) == []


def test_create_refuses_what_is_there(tmp_path: Path) -> None:
    Directory.create(tmp_path / "idx", fill)
    with pytest.raises(IndexExists, match="an index here already"):
        Directory.create(tmp_path / "idx", fill)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(IndexExists, match="something here already"):
        Directory.create(tmp_path / "mine", fill)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    Directory.create(tmp_path / "empty", fill)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    first = Directory.create(tmp_path / "idx", fill)
    second = Directory.open(tmp_path / "idx")
    with pytest.raises(IndexLocked, match="another writer"):
        second.claim()
    first.release()
    second.claim()
    second.release()


def test_the_lock_belongs_to_no_thread(tmp_path: Path) -> None:
    first = Directory.create(tmp_path / "idx", fill)
    first.release()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(first.claim).result()
        first.release()
        pool.submit(Directory.open(tmp_path / "idx").claim).result()


def test_switching_is_one_rename_and_sweeping_drops_the_rest(tmp_path: Path) -> None:
    directory = Directory.create(tmp_path / "idx", fill)
    stamp = directory.stamp()
    draft = directory.draft()
    fill(draft)
    assert directory.stamp() == stamp
    assert directory.current().name == "g1"
    assert directory.switch(draft, "uuid-of-y") == directory.current()
    assert directory.stamp() != stamp
    assert directory.current() == Place("g2", "uuid-of-y")
    directory.sweep()
    assert sorted(path.name for path in directory.path.glob("g*")) == ["g2"]


@pytest.mark.parametrize(
    ("pointer", "error"),
    [
        (None, IndexCorrupt),
        ("", IndexCorrupt),
        ("[]", IndexCorrupt),
        ("\x00\xff", IndexCorrupt),
        ('{"format": 1, "generation": "g1", "uuid": "uuid-of-x"}', IndexCorrupt),
        ('{"format": 1, "generation": "g1", "uuid": "uuid-of-x", "crc": 1}', IndexCorrupt),
        ({"format": 1}, IndexCorrupt),
        ({"format": 1, "generation": "g9", "uuid": "u"}, IndexCorrupt),
        ({"format": 1, "generation": "../idx/g1", "uuid": "u"}, IndexCorrupt),
        ({"format": 99, "generation": "g1", "uuid": "u"}, FormatTooNew),
    ],
)
def test_a_pointer_that_cannot_be_followed(tmp_path: Path, pointer: Any, error: type[Exception]) -> None:
    Directory.create(tmp_path / "idx", fill)
    path = tmp_path / "idx" / "current"
    path.unlink()
    if isinstance(pointer, str):
        path.write_text(pointer)
    elif pointer is not None:
        manifest.write(Folder.open(path.parent), path.name, pointer)
    with pytest.raises(error, match="idx"):
        Directory.open(tmp_path / "idx").current()


def test_what_is_no_index_is_not_touched(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        Directory.open(tmp_path).claim()
    with pytest.raises(IndexNotFound):
        Directory.open(tmp_path / "nowhere").claim()
    assert list(tmp_path.iterdir()) == []


def test_the_draft_of_a_dead_process_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    for name in (".idx.00000000.tmp", ".idx.11111111.tmp", ".other.00000000.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "writer.lock").touch()
    with FileLock(tmp_path / ".idx.11111111.tmp" / "writer.lock"):
        Directory.create(tmp_path / "idx", fill)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".idx.11111111.tmp",
        ".other.00000000.tmp",
        "idx",
    ]


@pytest.mark.parametrize("name", ["backup", "lexical", ".", "g1x", "g", "g１"])
def test_a_pointer_to_anything_but_a_generation_is_refused_before_the_generations_go(
    tmp_path: Path, name: str
) -> None:
    directory = Directory.create(tmp_path / "idx", fill)
    (tmp_path / "idx" / name).mkdir(exist_ok=True)
    pointer = {"format": 1, "generation": name, "uuid": "uuid-of-x"}
    manifest.write(Folder.open(tmp_path / "idx"), "current", pointer)
    with pytest.raises(IndexCorrupt, match="missing"):
        directory.sweep()
    assert (tmp_path / "idx" / "g1" / "data").exists()
