"""``hybrid calibrate`` and ``hybrid search --min-score`` as a person and as a program meet them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index
from tests.commands import Files, run


def query(files: Files) -> str:
    """The text of a judged query."""
    return str(json.loads(files.queries.read_text().splitlines()[0])["text"])


def test_it_is_installed_with_its_evidence_and_can_be_undone(files: Files) -> None:
    told: dict[str, Any] = json.loads(run("calibrate", *files.arguments, "--seed", "3", "--json").out)
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


def test_a_person_sees_errors_thresholds_and_then_how_relevant_hits_are(files: Files) -> None:
    before = run("search", files.folder, query(files)).out
    assert "relevance" not in before
    assert "%" not in before
    out, err = run("calibrate", *files.arguments)
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


def test_min_score_needs_a_calibration(made: Files) -> None:
    out, err = run("search", made.folder, "word", "--min-score", "0.5", status=2)
    assert out == ""
    assert err.startswith("hybrid: min_score needs a calibration")
    assert "hybrid calibrate DIR" in err
    assert err.count("\n") == 1
    assert "from 0 to 1" in run("search", made.folder, "word", "--min-score", "7", status=2).err


def test_a_dry_run_installs_nothing(made: Files) -> None:
    said = run("calibrate", *made.arguments, "--dry-run").out
    assert "\nwould be installed: hits carry their relevance, " in said
    with Index.open(made.folder, read_only=True) as index:
        assert index.profiles.serves == len(index.profiles.history) == 1


def test_what_tells_nothing_is_refused(files: Files, tmp_path: Path) -> None:
    """Judgments that have nothing to do with the texts."""
    random = np.random.default_rng(1)
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("".join(f"q{i}\td{random.integers(90)}\t1\n" for i in range(90)))
    arguments: list[str | Path] = ["calibrate", files.folder, "--queries", files.queries, "--qrels", wrong]
    assert "refused, the profile stays: in mode hybrid" in run(*arguments).out
    with Index.open(files.folder, read_only=True) as index:
        assert index.profiles.serves == 1


def test_too_few_judgments(made: Files, tmp_path: Path) -> None:
    few = tmp_path / "few.tsv"
    few.write_text("q0\td0\t1\n")
    out, err = run("calibrate", made.folder, "--queries", made.queries, "--qrels", few, status=2)
    assert (out, err) == ("", "hybrid: 1 judged queries have a text; a calibration needs 30 or more\n")


def test_an_index_without_encoder(made: Files, tmp_path: Path) -> None:
    with Index.open(made.folder, read_only=True) as index:
        documents = [Document(one.id, one.text) for one in index.documents()]
    with Index.create(tmp_path / "words", encoder=None) as index:
        index.add(documents)
    files = made._replace(folder=tmp_path / "words")
    assert list(json.loads(run("calibrate", *files.arguments, "--json").out)["modes"]) == ["lexical"]
    [hit, *_] = json.loads(run("search", files.folder, query(files), "--json").out)["hits"]
    assert 0 < hit["relevance"] < 1
