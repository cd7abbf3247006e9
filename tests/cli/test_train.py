"""``hybrid train`` as a person and as a program meet it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.settings import Profile
from tests.commands import Files, contents, judged_files, refusal, run
from tests.encoder_models import LETTERS

PAIRS = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Of four documents that hold both words of a query, the one with the most stars is right."""
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS), 6)) for _ in range(2 * PAIRS)]
    pairs = [words[2 * i : 2 * i + 2] for i in range(PAIRS)]
    texts = {
        f"d{i}.{copy}": " ".join(random.permutation(pairs[i])) for i in range(PAIRS) for copy in range(4)
    }
    stars = {id: 5 if id.endswith("1") else float(random.random()) for id in texts}
    files = judged_files(
        tmp_path_factory.mktemp("train"),
        (
            Document(id, texts[id], metadata={"stars": stars[id]})
            for id in random.permutation(list(texts)).tolist()
        ),
        {f"q{i}": " ".join(pair) for i, pair in enumerate(pairs)},
        ((f"q{i}", f"d{i}.1") for i in range(PAIRS)),
    )
    with Index.open(files.folder) as index:
        index.install(Profile(depth=10))
    return files


def test_what_is_better_is_installed_with_its_evidence_and_can_be_undone(files: Files) -> None:
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
    for word in ("d0.1: rank 1, score", "  reranked by LambdaMART", "metadata.stars", "bias"):
        assert word in said.out
    why = json.loads(run("search", files.folder, text, "--explain", "none", "--json").out)["explanation"]
    assert why["absent"] == "the index has no document of this id"
    run("profile", files.folder, "use", "2")
    with Index.open(files.folder) as index:
        assert index.profiles.serving == Profile(depth=10)
        assert index.verify() == []


def test_people_see_the_figures_and_a_dry_run_leaves_every_byte(files: Files) -> None:
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


def test_what_is_not_better_is_refused_and_leaves_every_byte(files: Files) -> None:
    before = contents(files.folder)
    shown = run("train", *files.arguments).out
    assert "refused, the profile stays: " in shown
    assert contents(files.folder) == before


def test_what_cannot_be_learned_from_is_refused_in_one_line(files: Files, tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text("q1\td1.1\t1\n")
    (tmp_path / "none.tsv").write_text("q1\td1.1\t0\nq2\td1.1\t0\n")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "unknown.tsv").write_text("x1\td1\t1\nx2\td1\t1\n")
    (tmp_path / "absent.tsv").write_text("".join(f"q{i}\tabsent\t1\n" for i in range(PAIRS)))
    (tmp_path / "binary.tsv").write_bytes(b"\xff\x00\xfe")
    for name in ("one", "none", "empty", "unknown", "absent", "binary", "no such"):
        refusal("train", files.folder, "--queries", files.queries, "--qrels", tmp_path / f"{name}.tsv")
    refusal("train", files.folder, "--queries", tmp_path / "no such", "--qrels", files.qrels)
    refusal("train", *files.arguments, "--test-qrels", tmp_path / "none.tsv")
    for path in ("unknown", "", "a\nb", '{"[,]":\x1b[2J'):
        assert "no candidate has a number" in refusal("train", *files.arguments, "--metadata", path)
    refusal("train", *files.arguments, "--seed", "-1")
    refusal("train", *files.arguments, "--max-queries", "0")
    refusal("train", tmp_path / "none", *files.arguments[1:], status=1)


def test_grades_of_any_size_are_learned_from(files: Files, tmp_path: Path) -> None:
    huge = tmp_path / "huge.tsv"
    huge.write_text("".join(f"q{i}\td{i}.1\t{10**6}\nq{i}\td{i}.2\t-5\n" for i in range(PAIRS)))
    arguments = [*files.arguments[:-1], huge]
    told = json.loads(run("train", *arguments, "--metadata", "stars", "--dry-run", "--json").out)
    assert told["installed"] is None
    assert told["verdict"]["outcome"] == "better"
