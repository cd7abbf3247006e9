"""``hybrid adapt`` as a person and as a program meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid import Index
from tests.caesar import documents, questions, shifted, words
from tests.commands import Files, answer, judged_files, refusal, run

WORDS = words(80)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Questions in a cipher, over an encoder that counts letters."""
    asked, judged = questions(WORDS)
    pairs = ((query, id) for query, grades in judged.items() for id in grades)
    return judged_files(tmp_path_factory.mktemp("caesar"), documents(WORDS), asked, pairs)


def test_what_is_better_is_installed_and_can_be_undone(files: Files) -> None:
    query = shifted(WORDS[5])
    before = answer("search", files.folder, query)["hits"]
    shown = run("adapt", *files.arguments).out
    for word in ("serving", "adapted", "vector leg", "cross-validated", "none", "penalty 0.1, rank 16"):
        assert word in shown
    assert "installed as profile 2: adapted is better than what serves" in shown
    assert f"back: hybrid profile {files.folder} use 1" in shown
    evidence = answer("profile", files.folder)["evidence"]
    assert evidence["chosen by"].startswith("hybrid adapt ")
    assert evidence["winner"] == "adapted"
    assert {
        "none",
        f"penalty {evidence['choice']['penalty']:g}, rank {evidence['choice']['rank']}",
    } <= evidence["cross-validated"].keys()
    assert "queries moved by adapter" in run("profile", files.folder).out
    assert answer("search", files.folder, query)["hits"] != before
    assert "moved by an adapter" in run("search", files.folder, query, "--explain", "d5").out
    run("profile", files.folder, "use", "1")
    with Index.open(files.folder) as index:
        assert index.verify() == []
    assert answer("search", files.folder, query)["hits"] == before


def test_what_cannot_be_adapted(files: Files, tmp_path: Path) -> None:
    with Index.create(tmp_path / "bare", encoder=None) as index:
        index.add(documents(WORDS))
    said = run("adapt", tmp_path / "bare", *files.arguments[1:], status=2).err
    assert "adapting moves the vectors of queries" in said.splitlines()[-1]
    few = tmp_path / "few.tsv"
    few.write_text("q1\td1\t1\n")
    assert "judged queries to train on" in refusal(
        "adapt", files.folder, "--queries", files.queries, "--qrels", few
    )
