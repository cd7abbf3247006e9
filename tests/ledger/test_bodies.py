"""Mapped bodies: what the tables have, faster; whatever is wrong with the files, never anything else."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.disk.folder import Folder
from hybrid.ledger import checksums
from hybrid.ledger.bodies import FILE, PLACES, Bodies

DOCUMENTS = [
    Document("a", "first text", "title", {"n": 1}),
    Document("乙", "第二个 \x00 \U0001f600", "", {"deep": {"list": [1, None, "x"]}}),
    Document("c", "", "only a title"),
]
ROWS = [checksums.row(document) for document in DOCUMENTS]
UUID = "0123456789abcdef" * 2


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    with_files = Folder.open(tmp_path)
    yield with_files
    with_files.close()


def filled(folder: Folder) -> Bodies:
    bodies = Bodies(folder, UUID)
    bodies.append(0, ROWS)
    return bodies


def test_what_is_appended_is_found(folder: Folder) -> None:
    bodies = filled(folder)
    assert bodies.documents([2, 0, 1]) == {2: DOCUMENTS[2], 0: DOCUMENTS[0], 1: DOCUMENTS[1]}
    assert bodies.ids([1, 7]) == {1: "乙"}
    assert bodies.documents([-1, 3, 2**40]) == {}
    other = Bodies(folder, UUID)  # another process
    assert other.documents([1]) == {1: DOCUMENTS[1]}
    other.append(3, ROWS[:1])
    assert bodies.documents([0, 3]) == {0: DOCUMENTS[0], 3: DOCUMENTS[0]}


def test_gaps_are_not_there_and_may_be_filled(folder: Folder) -> None:
    bodies = Bodies(folder, UUID)
    assert bodies.documents([0]) == {}
    bodies.append(5, ROWS[:1])
    assert bodies.documents(range(6)) == {5: DOCUMENTS[0]}
    bodies.append(2, ROWS[1:2])
    assert bodies.documents(range(6)) == {2: DOCUMENTS[1], 5: DOCUMENTS[0]}


def test_files_of_another_generation_are_not_read_and_replaced(folder: Folder) -> None:
    filled(folder)
    other = Bodies(folder, "f" * 32)
    assert other.documents([0, 1, 2]) == {}
    other.append(1, ROWS[:1])
    assert other.documents([0, 1, 2]) == {1: DOCUMENTS[0]}


@pytest.mark.parametrize("name", [FILE, PLACES])
def test_every_flipped_or_missing_byte_loses_a_record_and_changes_none(folder: Folder, name: str) -> None:
    filled(folder)
    true, path = dict(enumerate(DOCUMENTS)), folder.path / name
    whole = path.read_bytes()
    for at in range(len(whole)):
        for damaged in (whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :], whole[:at]):
            path.write_bytes(damaged)
            found = Bodies(folder, UUID).documents([0, 1, 2])
            assert found.items() <= true.items(), at
            assert len(found) < 3 or damaged == whole, at


@pytest.mark.parametrize("content", [b"", b"\xff" * 400, b"\x00" * 400], ids=["empty", "ones", "zeros"])
@pytest.mark.parametrize("name", [FILE, PLACES])
def test_strange_files_hold_nothing(folder: Folder, name: str, content: bytes) -> None:
    filled(folder)
    (folder.path / name).write_bytes(content)
    assert Bodies(folder, UUID).documents([0, 1, 2]) == {}


def test_what_cannot_be_written_is_logged(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bodies = filled(folder)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "write", full)
        bodies.append(3, ROWS)
    assert "cannot be written: [Errno 28] No space left" in caplog.text
    bodies.append(3, ROWS)
    assert bodies.documents([0, 5]) == {0: DOCUMENTS[0], 5: DOCUMENTS[2]}


def test_scattered_documents_are_written_in_one_go(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies, written = Bodies(folder, UUID), list[str]()
    bodies.append(0, ROWS[:1])
    true = Folder.write

    def counted(self: Folder, name: str, *rest: Any) -> None:
        written.append(name)
        true(self, name, *rest)

    monkeypatch.setattr(Folder, "write", counted)
    bodies.write([(2, ROWS[1]), (3, ROWS[2]), (9, ROWS[0])])
    assert written == [FILE, PLACES, PLACES]
    found = bodies.documents(range(12))
    assert found == {0: DOCUMENTS[0], 2: DOCUMENTS[1], 3: DOCUMENTS[2], 9: DOCUMENTS[0]}
    bodies.write([])
    assert bodies.documents(range(12)) == found


def test_a_failure_is_told_once_until_a_write_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A search shows ten documents that are not mapped, on a full disk."""
    index_at(tmp_path / "idx").close()
    for file in files(tmp_path / "idx"):
        file.unlink()
    refused, true = [errno.ENOSPC], Folder.write

    def full(self: Folder, name: str, *rest: Any) -> None:
        if name in (FILE, PLACES) and refused:
            raise OSError(refused[0], "refused")
        true(self, name, *rest)

    monkeypatch.setattr(Folder, "write", full)

    def told() -> int:
        with Index.open(tmp_path / "idx") as index:
            for _ in range(2):
                index.search("text", k=10)
        many = caplog.text.count("cannot be written")
        caplog.clear()
        return many

    assert told() == 1
    assert told() == 0  # opened again
    refused[0] = errno.EDQUOT
    assert told() == 1
    refused.clear()
    assert told() == 0
    for file in files(tmp_path / "idx"):
        file.unlink()
    refused.append(errno.ENOSPC)
    assert told() == 1


def test_threads_read_while_one_appends(folder: Folder) -> None:
    bodies, wrong = filled(folder), list[Any]()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for ordinal, document in bodies.documents(range(300)).items():
                if document != DOCUMENTS[ordinal % 3]:
                    wrong.append(ordinal)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for first in range(3, 300, 3):
        bodies.append(first, ROWS)
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(bodies.documents(range(300))) == 300


# -- in an index


def index_at(path: Path) -> Index:
    index = Index.create(path, encoder=None)
    index.add([Document(str(n), f"text of {n}") for n in range(20)])
    return index


def files(path: Path) -> tuple[Path, Path]:
    [generation] = path.glob("g*")
    return generation / FILE, generation / PLACES


def test_an_index_without_the_files_maps_what_it_shows(tmp_path: Path) -> None:
    index_at(tmp_path / "idx").close()
    bodies, places = files(tmp_path / "idx")
    bodies.unlink()
    places.unlink()
    with Index.open(tmp_path / "idx", read_only=True) as reader:
        assert reader.search("text of 7", k=1).hits[0].document.text == "text of 7"
        assert not bodies.exists()
    with Index.open(tmp_path / "idx") as index:
        assert index.search("text of 7", k=1).hits[0].document.text == "text of 7"
        assert np.count_nonzero(np.fromfile(places, "<i8")) == 1
        assert index.verify() == []
        index.compact()
        _, places = files(tmp_path / "idx")
        assert np.count_nonzero(np.fromfile(places, "<i8")) == 20


def test_damage_is_read_over_and_mended(tmp_path: Path) -> None:
    index_at(tmp_path / "idx").close()
    bodies, _ = files(tmp_path / "idx")
    bodies.write_bytes(bodies.read_bytes().replace(b"text of 7", b"text of 8"))
    with Index.open(tmp_path / "idx") as index:
        assert index.search("text of 7", k=1).hits[0].document.text == "text of 7"
        assert bodies.read_bytes().count(b"text of 7") == 1
        assert index.verify() == []


def test_a_mapped_body_that_is_another_document_is_found_by_verify(tmp_path: Path) -> None:
    index_at(tmp_path / "idx").close()
    bodies, _ = files(tmp_path / "idx")
    uuid = bodies.read_bytes()[:32].decode()
    with Index.open(tmp_path / "idx") as index:
        folder = Folder.open(bodies.parent)
        Bodies(folder, uuid).append(3, [checksums.row(Document("3", "another"))])
        folder.close()
        assert any("the mapped body of ordinal 3 is another one" in line for line in index.verify())
        index.repair()
        assert index.verify() == []


def test_compaction_leaves_no_byte_of_what_was_deleted(tmp_path: Path) -> None:
    with index_at(tmp_path / "idx") as index:
        index.add([Document("secret", "xyzzy plugh")])
        index.delete(["secret"])
        index.compact()
    assert not any(
        b"xyzzy" in path.read_bytes() for path in (tmp_path / "idx").rglob("*") if path.is_file()
    )
