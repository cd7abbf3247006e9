"""``hybrid index`` on files and folders, as a person and as a program meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid.cli import files
from hybrid.crawl.watch import watch
from tests.commands import answer, refusal, run
from tests.conftest import Write, lines


@pytest.fixture
def notes(write: Write) -> Path:
    write("notes/a.md", "# Tulips\n\nThey bloom.")
    write("notes/b.txt", "oolong tea")
    return write("notes/c.py", "print('kettle')\n").parent


def to(tmp_path: Path) -> tuple[str | Path, ...]:
    return ("--to", tmp_path / "idx", "--encoder", "none")


def test_a_folder_again_and_again(notes: Path, tmp_path: Path) -> None:
    idx = tmp_path / "idx"
    assert run("index", notes, *to(tmp_path)).out == f"3 documents indexed; {idx} holds 3\n"
    (notes / "c.py").unlink()
    (notes / "d.png").write_bytes(b"x")
    (notes / "e.txt").write_text("oolong tea")
    (notes / "link").symlink_to("/")
    assert run("index", notes, "--to", idx).out.splitlines() == [
        f"1 document indexed, 2 files unchanged; {idx} holds 4",
        "1 document of files that are gone stays; --prune removes it",
        "same text: notes/e.txt = notes/b.txt",
        "passed over, of other kinds: 1 file (.png 1)",
        "not followed: 1 link",
    ]
    assert run("index", "--prune", notes, "--to", idx).out.splitlines()[0] == (
        f"0 documents indexed, 3 files unchanged, 1 document removed; {idx} holds 3"
    )
    assert answer("search", idx, "kettle")["hits"] == []


def test_a_bad_file_is_said_and_the_status_is_1(notes: Path, tmp_path: Path) -> None:
    idx = tmp_path / "idx"
    (notes / "bad.txt").write_bytes(b"\0\1\2")
    for name in ("x", "y"):
        (notes / f"{name}.doc").write_bytes(b"\xd0\xcf\x11\xe0")
    done = run("index", notes, *to(tmp_path), status=1)
    assert done.out == f"3 documents indexed; {idx} holds 3\n"
    binary, old = done.err.splitlines()
    assert binary.startswith(f"hybrid: not read: {notes}/bad.txt: binary, not text")
    assert (
        old
        == f"hybrid: not read: {notes}/x.doc, {notes}/y.doc: an old .doc file is not read; save it as .docx"
    )
    (notes / "a.md").unlink()
    done = run("index", notes, "--to", idx, "--prune=all", "--json", status=1)
    assert done.json["removed"] == 0
    assert done.json["gone"] == 1
    assert len(done.json["failed"]) == 3
    why = "a file could not be read; mend it, or move it away"
    assert done.json["kept"] == [f"{notes}: 1 document of files that are gone stays: {why}"]


def test_collections_and_files_together(notes: Path, write: Write, tmp_path: Path) -> None:
    beir = write("beir/corpus.jsonl", lines({"_id": "1", "text": "x"})).parent
    write("beir/README.md", "no document of a BEIR folder")
    said = answer("index", beir, notes, notes / "b.txt", *to(tmp_path))
    assert (said["indexed"], said["documents"], said["failed"]) == (4, 4, [])
    assert answer("search", tmp_path / "idx", "oolong")["hits"][0]["id"] == "notes/b.txt"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["{tmp}/nowhere"], "nowhere: no such file or folder"),
        (["{tmp}/x.png"], "not a supported kind of file: give a BEIR folder"),
        (["{tmp}/notes", "--prune=some"], "write --prune or --prune=all"),
        (["{tmp}/notes/a.md", "--prune"], "give the folder"),
        (["{tmp}/a.jsonl", "--watch"], "--watch follows files and folders"),
        (["{tmp}/notes", "--types", "a=text"], "none of the inputs is a table"),
    ],
)
def test_what_cannot_be_understood(
    notes: Path, write: Write, tmp_path: Path, arguments: list[str], what: str
) -> None:
    write("x.png", "x")
    write("a.jsonl", lines({"_id": "1", "text": "x"}))
    assert what in refusal("index", *(one.format(tmp=tmp_path) for one in arguments), *to(tmp_path))
    assert not (tmp_path / "idx").exists()


def test_watch_goes_on_until_ctrl_c(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(2))

    def sleep(_: float) -> None:
        look = next(looks, None)
        if look is None:
            raise KeyboardInterrupt
        if look == 0:
            (notes / "new.txt").write_text("zebra")

    monkeypatch.setattr(files, "watch", lambda crawler, told: watch(crawler, told, sleep))
    done = run("index", notes, *to(tmp_path), "--watch", status=130)
    assert [line.partition(";")[0] for line in done.out.splitlines()] == [
        "3 documents indexed",
        "1 document indexed, 3 files unchanged",
    ]
    assert "interrupted" in done.err


def test_many_that_are_alike_are_not_all_shown() -> None:
    assert files._listed([f"f{n}" for n in range(8)]) == "f0, f1, f2, f3, f4 and 3 more"
