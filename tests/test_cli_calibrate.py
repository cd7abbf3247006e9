"""``hybrid calibrate`` and ``hybrid search --min-score`` as a person and as a program meet them."""

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
from tests.encoder_models import LETTERS, bundle_of_letters


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


class Files(NamedTuple):
    folder: Path
    queries: Path
    qrels: Path

    @property
    def arguments(self) -> list[str | Path]:
        return ["calibrate", self.folder, "--queries", self.queries, "--qrels", self.qrels]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Queries of two words that one document has, over an encoder that only counts letters."""
    folder = tmp_path_factory.mktemp("calibrate")
    bundle_of_letters(folder / "letters")
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS), 5)) for _ in range(100)]
    texts = [list(random.choice(words, 6, replace=False)) for _ in range(90)]
    with Index.create(folder / "idx", encoder=folder / "letters") as index:
        index.add(Document(f"d{i}", " ".join(text)) for i, text in enumerate(texts))
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


def query(files: Files) -> str:
    """The text of a judged query."""
    return str(json.loads(files.queries.read_text().splitlines()[0])["text"])


def test_it_is_installed_with_its_evidence_and_can_be_undone(files: Files, run: Run) -> None:
    told: dict[str, Any] = json.loads(run(*files.arguments, "--seed", "3", "--json").out)
    assert (told["installed"], told["before"], told["dry_run"], told["refused"]) == (2, 1, False, None)
    assert list(told["modes"]) == ["hybrid", "lexical", "vector"]
    shown = json.loads(run("profile", files.folder, "--json").out)
    assert shown["number"] == 2
    assert shown["profile"]["calibration"]
    evidence = shown["evidence"]
    assert evidence["calibrated by"].startswith("hybrid calibrate 0.")
    assert (evidence["ranks like profile"], evidence["queries"], evidence["seed"]) == (1, 90, 3)
    sha256 = hashlib.sha256(files.qrels.read_bytes()).hexdigest()
    assert evidence["qrels"] == {"file": "qrels.tsv", "sha256": sha256}
    skill = told["modes"]["hybrid"]["reliability"]["skill"]
    assert evidence["modes"]["hybrid"]["Brier skill"] == pytest.approx(skill, abs=1e-4)
    [hit, *_] = json.loads(run("search", files.folder, query(files), "--json").out)["hits"]
    assert 0 < hit["relevance"] < 1
    run("profile", files.folder, "use", "1")
    [hit, *_] = json.loads(run("search", files.folder, query(files), "--json").out)["hits"]
    assert hit["relevance"] is None


def test_a_person_sees_errors_thresholds_and_then_how_relevant_hits_are(files: Files, run: Run) -> None:
    before = run("search", files.folder, query(files)).out
    assert "relevance" not in before
    assert "%" not in before
    out, err = run(*files.arguments)
    assert err == ""
    for heading in ("calibration error", "by chance", "Brier skill", "precision 0.9", "AURC"):
        assert heading in out
    assert "90 queries, 22 of which were asked again" in out
    assert out.count("\nlexical ") == 2
    assert "installed as profile 2" in out
    assert out.rstrip().endswith(f"back: hybrid profile {files.folder} use 1")
    out = run("search", files.folder, query(files)).out
    assert "relevance" in out
    assert out.count("%") == 10
    few = run("search", files.folder, query(files), "--min-score", "0.4").out
    assert 0 < few.count("%") < 10
    assert "no good answer" not in few
    none = run("search", files.folder, query(files), "--min-score", "1").out
    assert "no good answer" in none
    assert "0 of 90" in none
    found = json.loads(run("search", files.folder, query(files), "--min-score", "1", "--json").out)
    assert (found["hits"], found["total"]) == ([], 90)


def test_min_score_needs_a_calibration(made: Files, run: Run) -> None:
    out, err = run("search", made.folder, "word", "--min-score", "0.5", status=2)
    assert out == ""
    assert err.startswith("hybrid: min_score needs a calibration")
    assert "hybrid calibrate DIR" in err
    assert err.count("\n") == 1
    assert "from 0 to 1" in run("search", made.folder, "word", "--min-score", "7", status=2).err


def test_a_dry_run_installs_nothing(made: Files, run: Run) -> None:
    assert run(*made.arguments, "--dry-run").out.rstrip().endswith("would be installed")
    with Index.open(made.folder, read_only=True) as index:
        assert index.profiles.serves == len(index.profiles.history) == 1


def test_what_tells_nothing_is_refused(files: Files, run: Run, tmp_path: Path) -> None:
    """Judgments that have nothing to do with the texts."""
    random = np.random.default_rng(1)
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("".join(f"q{i}\td{random.integers(90)}\t1\n" for i in range(90)))
    arguments = ["calibrate", files.folder, "--queries", files.queries, "--qrels", wrong]
    assert "refused, the profile stays: in mode hybrid" in run(*arguments).out
    with Index.open(files.folder, read_only=True) as index:
        assert index.profiles.serves == 1


def test_too_few_judgments(made: Files, run: Run, tmp_path: Path) -> None:
    few = tmp_path / "few.tsv"
    few.write_text("q0\td0\t1\n")
    out, err = run("calibrate", made.folder, "--queries", made.queries, "--qrels", few, status=2)
    assert (out, err) == ("", "hybrid: 1 judged queries have a text; a calibration needs 30 or more\n")


def test_an_index_without_encoder(made: Files, run: Run, tmp_path: Path) -> None:
    with Index.open(made.folder, read_only=True) as index:
        documents = [Document(one.id, one.text) for one in index.documents()]
    with Index.create(tmp_path / "words", encoder=None) as index:
        index.add(documents)
    files = made._replace(folder=tmp_path / "words")
    assert list(json.loads(run(*files.arguments, "--json").out)["modes"]) == ["lexical"]
    [hit, *_] = json.loads(run("search", files.folder, query(files), "--json").out)["hits"]
    assert 0 < hit["relevance"] < 1
