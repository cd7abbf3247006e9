"""``hybrid train`` as a person and as a program meet it."""

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
from hybrid.settings import Profile
from tests.encoder_models import LETTERS, bundle_of_letters

PAIRS = 60


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
    """The one line that ``hybrid train`` with these arguments ends with."""

    def refused(*arguments: str | Path, status: int = 2) -> str:
        out, err = run("train", *arguments, status=status)
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
    """Of four documents that hold both words of a query, the one with the most stars is right."""
    folder = tmp_path_factory.mktemp("train")
    bundle_of_letters(folder / "letters")
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS), 6)) for _ in range(2 * PAIRS)]
    documents = [
        Document(f"d{pair}.{copy}", " ".join(random.permutation(words[2 * pair : 2 * pair + 2])), "", {})
        for pair in range(PAIRS)
        for copy in range(4)
    ]
    stars = [{"stars": 5 if one.id.endswith("1") else float(random.random())} for one in documents]
    with Index.create(folder / "idx", encoder=folder / "letters") as index:
        index.add(
            Document(documents[i].id, documents[i].text, metadata=stars[i])
            for i in random.permutation(len(documents))
        )
        index.install(Profile(depth=10))
    lines = [
        json.dumps({"_id": f"q{i}", "text": " ".join(words[2 * i : 2 * i + 2])}) + "\n"
        for i in range(PAIRS)
    ]
    (folder / "queries.jsonl").write_text("".join(lines))
    (folder / "qrels.tsv").write_text("".join(f"q{i}\td{i}.1\t1\n" for i in range(PAIRS)))
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
    said = run("train", *files.arguments, "--metadata", "stars", "--seed", "3", "--json")
    told: dict[str, Any] = json.loads(said.out)
    assert told["verdict"]["outcome"] == "better"
    assert (told["installed"], told["before"], told["dry_run"]) == (3, 2, False)
    assert told["systems"]["lambdamart"]["held_out"] > told["systems"]["serving"]["held_out"] + 0.2
    shown = json.loads(run("profile", files.folder, "--json").out)
    assert shown["number"] == 3
    assert shown["profile"]["depth"] == 10
    assert len(shown["profile"]["reranker"]) == 64
    evidence = shown["evidence"]
    assert evidence["chosen by"].startswith("hybrid train 0.")
    assert evidence["seed"] == 3
    sha256 = hashlib.sha256(files.qrels.read_bytes()).hexdigest()
    assert evidence["qrels"] == {"file": "qrels.tsv", "sha256": sha256}
    assert next(iter(evidence["importances"])) == "metadata.stars"
    text = json.loads(files.queries.read_text().splitlines()[0])["text"]
    assert json.loads(run("search", files.folder, text, "--json").out)["hits"][0]["id"] == "d0.1"
    said = run("search", files.folder, text, "--explain", "d0.1")
    for word in ("d0.1: lexical ", "final 1 (", "metadata.stars", "bias"):
        assert word in said.out
    why = json.loads(run("search", files.folder, text, "--explain", "none", "--json").out)["explanation"]
    assert why["absent"] == "the index has no document of this id"
    run("profile", files.folder, "use", "2")
    with Index.open(files.folder) as index:
        assert index.profiles.serving == Profile(depth=10)
        assert index.verify() == []


def test_people_see_the_figures_and_a_dry_run_leaves_every_byte(files: Files, run: Run) -> None:
    before = contents(files.folder)
    shown = run("train", *files.arguments, "--metadata", "stars", "--dry-run", "--ablation").out
    assert contents(files.folder) == before
    for word in ("serving", "lambdamart", "RRF(60)", "lexical leg", "share of the gain", "metadata.stars"):
        assert word in shown
    assert "40 train and 20 held-out queries" in shown
    assert "would be installed: lambdamart is better" in shown
    assert "hybrid profile" not in shown
    without = shown[shown.index("without") :]
    assert float(without[without.index("metadata") :].split()[2]) < -0.2


def test_what_is_not_better_is_refused_and_leaves_every_byte(files: Files, run: Run) -> None:
    before = contents(files.folder)
    shown = run("train", *files.arguments).out
    assert "refused, the profile stays: " in shown
    assert contents(files.folder) == before


def test_what_cannot_be_learned_from_is_refused_in_one_line(
    files: Files, tmp_path: Path, refusal: Callable[..., str]
) -> None:
    (tmp_path / "one.tsv").write_text("q1\td1.1\t1\n")
    (tmp_path / "none.tsv").write_text("q1\td1.1\t0\nq2\td1.1\t0\n")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "unknown.tsv").write_text("x1\td1\t1\nx2\td1\t1\n")
    (tmp_path / "absent.tsv").write_text("".join(f"q{i}\tabsent\t1\n" for i in range(PAIRS)))
    (tmp_path / "binary.tsv").write_bytes(b"\xff\x00\xfe")
    for name in ("one", "none", "empty", "unknown", "absent", "binary", "no such"):
        refusal(files.folder, "--queries", files.queries, "--qrels", tmp_path / f"{name}.tsv")
    refusal(files.folder, "--queries", tmp_path / "no such", "--qrels", files.qrels)
    refusal(*files.arguments, "--test-qrels", tmp_path / "none.tsv")
    for path in ("unknown", "", "a\nb", '{"[,]":\x1b[2J'):
        assert "no candidate has a number" in refusal(*files.arguments, "--metadata", path)
    refusal(*files.arguments, "--seed", "-1")
    refusal(*files.arguments, "--max-queries", "0")
    refusal(tmp_path / "none", *files.arguments[1:], status=1)


def test_grades_of_any_size_are_learned_from(files: Files, run: Run, tmp_path: Path) -> None:
    huge = tmp_path / "huge.tsv"
    huge.write_text("".join(f"q{i}\td{i}.1\t{10**6}\nq{i}\td{i}.2\t-5\n" for i in range(PAIRS)))
    arguments = [*files.arguments[:-1], huge]
    told = json.loads(run("train", *arguments, "--metadata", "stars", "--dry-run", "--json").out)
    assert told["installed"] is None
    assert told["verdict"]["outcome"] == "better"
