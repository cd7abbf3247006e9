"""``hybrid tune`` as a person and as a program meet it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from hybrid import Index
from hybrid.fusion import Linear, dump
from hybrid.settings import Profile
from tests.commands import Files, contents, refusal, run

VECTORS_ALONE = Profile(fusion=dump(Linear((0, 1))))


@pytest.fixture(scope="module")
def made(made: Files) -> Files:
    """The vector leg alone serves."""
    with Index.open(made.folder) as index:
        index.install(VECTORS_ALONE)
    return made


def test_what_is_better_is_installed_with_its_evidence_and_can_be_undone(files: Files) -> None:
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


def test_a_dry_run_leaves_every_byte(files: Files) -> None:
    before = contents(files.folder)
    shown = run("tune", *files.arguments, "--dry-run").out
    assert contents(files.folder) == before
    assert "would be installed" in shown
    assert "hybrid profile" not in shown


def test_people_see_the_finalists_the_verdict_and_the_way_back(files: Files) -> None:
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


def test_separate_test_judgments_judge(files: Files, tmp_path: Path) -> None:
    test = tmp_path / "test.tsv"
    test.write_text("".join(f"q{i}\td{i}\t1\n" for i in range(60, 90)))
    done = run("tune", *files.arguments, "--test-qrels", test, "--dry-run", "--json")
    told = json.loads(done.out)
    assert (told["train"], told["held_out"]) == (60, 30)
    assert done.err == "hybrid: 30 judged queries left out: held out, so not to train on\n"


def test_gains_where_documents_are_known_stand_apart(files: Files, tmp_path: Path) -> None:
    test = tmp_path / "test.tsv"
    test.write_text("".join(f"q{i}\td{i}\t1\n" + f"q{i}\td{i - 60}\t1\n" * (i < 80) for i in range(60, 90)))
    arguments = ("tune", *files.arguments, "--test-qrels", test, "--dry-run")
    told = json.loads(run(*arguments, "--accept", "known", "--json").out)
    assert told["related"] == 20
    for apart in (told["verdict"]["control"], told["verdict"]["challengers"]["tuned"]["apart"]):
        assert (apart["known"]["queries"], apart["unknown"]["queries"]) == (20, 10)
    assert told["verdict"]["challengers"]["tuned"]["against_control"]["queries"] == 20
    shown = run(*arguments).out
    assert "bonus for known" in shown
    assert "20 held-out queries have a near-copy or a query about the same document" in " ".join(
        shown.split()
    )
    assert "known" in refusal(*arguments, "--accept", "anything")


def test_what_cannot_be_tuned_on_is_refused_in_one_line(files: Files, tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text("q1\td1\t1\n")
    (tmp_path / "none.tsv").write_text("q1\td1\t0\nq2\td1\t0\n")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "unknown.tsv").write_text("x1\td1\t1\nx2\td1\t1\n")
    (tmp_path / "binary.tsv").write_bytes(b"\xff\x00\xfe")
    for name in ("one", "none", "empty", "unknown", "binary", "absent"):
        refusal("tune", files.folder, "--queries", files.queries, "--qrels", tmp_path / f"{name}.tsv")
    refusal("tune", files.folder, "--queries", tmp_path / "absent", "--qrels", files.qrels)
    refusal("tune", *files.arguments, "--test-qrels", tmp_path / "none.tsv")
    assert "takes 15 or more" in refusal("tune", *files.arguments, "--test-qrels", files.qrels)
    assert "one measure" in refusal("tune", *files.arguments, "--measure", "AP RR")
    assert "magic" in refusal("tune", *files.arguments, "--measure", "magic")
    refusal("tune", *files.arguments, "--seed", "-1")
    refusal("tune", tmp_path / "none", *files.arguments[1:], status=1)


def test_another_writer_is_told_of_in_one_line(files: Files) -> None:
    with Index.open(files.folder):
        assert "writer" in refusal("tune", *files.arguments, "--json", status=1)
