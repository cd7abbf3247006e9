"""``hybrid tune`` as a person and as a program meet it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.cli import main
from hybrid.fusion import Linear, dump
from hybrid.settings import Profile
from tests.encoder_models import LETTERS, bundle_of_letters

VECTORS_ALONE = Profile(fusion=dump(Linear((0, 1))))


class Said(NamedTuple):
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The ``hybrid`` command, in this process: what it says, if it ends with ``status``."""

    def ran(*arguments: str | Path, status: int = 0) -> Said:
        monkeypatch.setattr(sys, "argv", ["hybrid", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        said = Said(*capsys.readouterr())
        assert left.value.code == status, said
        return said

    return ran


@pytest.fixture
def refusal(run: Run) -> Callable[..., str]:
    """The one line that ``hybrid tune`` with these arguments ends with."""

    def refused(*arguments: str | Path, status: int = 2) -> str:
        out, err = run("tune", *arguments, status=status)
        assert out == ""
        assert err.startswith("hybrid: ")
        assert err.count("\n") == 1
        return err

    return refused


class Files(NamedTuple):
    folder: Path
    queries: Path
    qrels: Path

    @property
    def arguments(self) -> list[str | Path]:
        return [self.folder, "--queries", self.queries, "--qrels", self.qrels]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Queries of words that one document has, over an encoder that only counts letters. The vector leg
    alone serves."""
    folder = tmp_path_factory.mktemp("tune")
    bundle_of_letters(folder / "letters")
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS), 5)) for _ in range(100)]
    texts = [list(random.choice(words, 6, replace=False)) for _ in range(90)]
    with Index.create(folder / "idx", encoder=folder / "letters") as index:
        index.add(Document(f"d{i}", " ".join(text)) for i, text in enumerate(texts))
        index.install(VECTORS_ALONE)
    queries = ((i, random.choice(text, 2, replace=False)) for i, text in enumerate(texts))
    lines = [json.dumps({"_id": f"q{i}", "text": " ".join(pair)}) + "\n" for i, pair in queries]
    (folder / "queries.jsonl").write_text("".join(lines))
    (folder / "qrels.tsv").write_text("".join(f"q{i}\td{i}\t1\n" for i in range(90)))
    return Files(folder / "idx", folder / "queries.jsonl", folder / "qrels.tsv")


@pytest.fixture
def files(made: Files, tmp_path: Path) -> Files:
    """The same, to write to."""
    shutil.copytree(made.folder, tmp_path / "idx")
    return made._replace(folder=tmp_path / "idx")


def contents(folder: Path) -> dict[str, str]:
    """What is in each file; locks and the empty log that a reader makes are no content."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.stat().st_size and not file.name.endswith((".lock", "-shm"))
    }


def test_what_is_better_is_installed_with_its_evidence_and_can_be_undone(files: Files, run: Run) -> None:
    told: dict[str, Any] = json.loads(run("tune", *files.arguments, "--seed", "3", "--json").out)
    assert told["verdict"]["outcome"] == "better"
    assert (told["installed"], told["before"], told["dry_run"]) == (3, 2, False)
    winner = told["systems"][told["verdict"]["installs"]]
    assert winner["held_out"] > told["systems"]["serving"]["held_out"]
    shown = json.loads(run("profile", files.folder, "--json").out)
    assert shown["number"] == 3
    assert shown["profile"] == winner["profile"]
    evidence = shown["evidence"]
    assert evidence["chosen by"].startswith("hybrid tune 0.")
    assert evidence["seed"] == 3
    sha256 = hashlib.sha256(files.qrels.read_bytes()).hexdigest()
    assert evidence["qrels"] == {"file": "qrels.tsv", "sha256": sha256}
    assert evidence["held out"]["vector leg"] == pytest.approx(evidence["held out"]["serving"])
    run("profile", files.folder, "use", "2")
    with Index.open(files.folder) as index:
        assert index.profiles.serving == VECTORS_ALONE
        assert index.verify() == []


def test_a_dry_run_leaves_every_byte(files: Files, run: Run) -> None:
    before = contents(files.folder)
    shown = run("tune", *files.arguments, "--dry-run").out
    assert contents(files.folder) == before
    assert "would be installed" in shown
    assert "hybrid profile" not in shown


def test_people_see_the_finalists_the_verdict_and_the_way_back(files: Files, run: Run) -> None:
    shown = run("tune", *files.arguments).out
    for word in ("serving", "tuned", "RRF(60)", "lexical leg", "vector leg", "p (Holm)"):
        assert word in shown
    assert "60 train and 30 held-out queries" in shown
    assert "installed as profile 3: " in shown
    assert f"back: hybrid profile {files.folder} use 2" in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80
    again = run("tune", *files.arguments).out
    assert "refused, the profile stays: " in again
    with Index.open(files.folder, read_only=True) as index:
        assert index.profiles.serves == 3


def test_separate_test_judgments_judge(files: Files, run: Run, tmp_path: Path) -> None:
    test = tmp_path / "test.tsv"
    test.write_text("".join(f"q{i}\td{i}\t1\n" for i in range(60, 90)))
    done = run("tune", *files.arguments, "--test-qrels", test, "--dry-run", "--json")
    told = json.loads(done.out)
    assert (told["train"], told["held_out"]) == (60, 30)
    assert done.err == "hybrid: 30 judged queries left out: held out, so not to train on\n"


def test_what_cannot_be_tuned_on_is_refused_in_one_line(
    files: Files, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    (tmp_path / "one.tsv").write_text("q1\td1\t1\n")
    (tmp_path / "none.tsv").write_text("q1\td1\t0\nq2\td1\t0\n")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "unknown.tsv").write_text("x1\td1\t1\nx2\td1\t1\n")
    (tmp_path / "binary.tsv").write_bytes(b"\xff\x00\xfe")
    for name in ("one", "none", "empty", "unknown", "binary", "absent"):
        refusal(files.folder, "--queries", files.queries, "--qrels", tmp_path / f"{name}.tsv")
    refusal(files.folder, "--queries", tmp_path / "absent", "--qrels", files.qrels)
    refusal(*files.arguments, "--test-qrels", tmp_path / "none.tsv")
    assert "takes 15 or more" in refusal(*files.arguments, "--test-qrels", files.qrels)
    assert "one measure" in refusal(*files.arguments, "--measure", "AP RR")
    assert "magic" in refusal(*files.arguments, "--measure", "magic")
    refusal(*files.arguments, "--seed", "-1")
    refusal(tmp_path / "none", *files.arguments[1:], status=1)


def test_another_writer_is_told_of_in_one_line(files: Files, refusal: Callable[..., str]) -> None:
    with Index.open(files.folder):
        assert "writer" in refusal(*files.arguments, "--json", status=1)
