"""The directory: made whole or not at all, one writer, and a pointer that is checked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hybrid.directory import Directory
from hybrid.errors import FormatTooNew, IndexCorrupt, IndexExists, IndexLocked, IndexNotFound


def fill(folder: Path) -> None:
    (folder / "data").write_text("x")


def test_create_makes_a_generation_and_leaves_no_draft(tmp_path: Path) -> None:
    directory = Directory.create(tmp_path / "idx", fill)
    assert directory.current() == tmp_path / "idx" / "g1"
    assert (directory.current() / "data").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == ["idx"]


def test_a_failing_create_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
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
    second = Directory(tmp_path / "idx")
    first.claim()
    with pytest.raises(IndexLocked, match="another writer"):
        second.claim()
    first.release()
    second.claim()
    second.release()


def test_the_lock_belongs_to_no_thread(tmp_path: Path) -> None:
    first = Directory.create(tmp_path / "idx", fill)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(first.claim).result()
        first.release()
        pool.submit(Directory(tmp_path / "idx").claim).result()


def test_switching_is_one_rename_and_sweeping_drops_the_rest(tmp_path: Path) -> None:
    directory = Directory.create(tmp_path / "idx", fill)
    stamp = directory.stamp()
    draft = directory.draft()
    fill(draft)
    assert directory.stamp() == stamp
    assert directory.current().name == "g1"
    directory.switch(draft)
    assert directory.stamp() != stamp
    assert directory.current().name == "g2"
    directory.sweep()
    assert sorted(path.name for path in directory.path.glob("g*")) == ["g2"]


@pytest.mark.parametrize(
    ("pointer", "error"),
    [
        (None, IndexNotFound),
        ("", IndexCorrupt),
        ("[]", IndexCorrupt),
        ("\x00\xff", IndexCorrupt),
        (json.dumps({"format": 1}), IndexCorrupt),
        (json.dumps({"format": 1, "generation": "g9"}), IndexCorrupt),
        (json.dumps({"format": 1, "generation": "../idx/g1"}), IndexCorrupt),
        (json.dumps({"format": 99, "generation": "g1"}), FormatTooNew),
    ],
)
def test_a_pointer_that_cannot_be_followed(
    tmp_path: Path, pointer: str | None, error: type[Exception]
) -> None:
    Directory.create(tmp_path / "idx", fill)
    path = tmp_path / "idx" / "current"
    path.unlink() if pointer is None else path.write_text(pointer)
    with pytest.raises(error, match="idx"):
        Directory(tmp_path / "idx").current()


def test_what_is_no_index_is_not_touched(tmp_path: Path) -> None:
    with pytest.raises(IndexNotFound):
        Directory(tmp_path).claim()
    with pytest.raises(IndexNotFound):
        Directory(tmp_path / "nowhere").claim()
    assert list(tmp_path.iterdir()) == []
