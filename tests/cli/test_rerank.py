"""``hybrid rerank`` as a person and as a program meet it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hybrid import Document, Index
from hybrid.fusion import Linear, dump
from hybrid.settings import Profile
from tests.commands import Files, answer, contents, judged_files, refusal, run
from tests.cross_encoder_models import QRELS, QUERIES, cross_encoder, documents

WORDS = Profile(fusion=dump(Linear((1, 0))), depth=20)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """An index that finds the right documents by their words, in no order; the right are the newest."""
    judged = [(query, id) for query, grades in QRELS.items() for id in grades]
    right = {id for _, id in judged}
    dated = (
        Document(one.id, one.text, metadata={"made": "2020-05-01" if one.id in right else "2020-01-01"})
        for one in documents()
    )
    files = judged_files(tmp_path_factory.mktemp("rerank"), dated, QUERIES, judged)
    with Index.open(files.folder) as index:
        index.install(WORDS)
    return files


def test_a_cross_encoder_that_helps_is_installed_and_can_be_undone(files: Files, trained: str) -> None:
    said = run("rerank", *files.arguments, "--cross-encoder", trained, "--seed", "3", "--json")
    assert said.err == ""
    told = said.json
    assert told["verdict"]["outcome"] == "better"
    assert (told["installed"], told["before"], told["dry_run"]) == (3, 2, False)
    assert told["reranker"]["model"] == trained
    assert len(told["tried"]) == 4
    shown = answer("profile", files.folder)
    assert shown["profile"] == WORDS.model_dump(mode="json") | {"reranker": shown["profile"]["reranker"]}
    evidence = shown["evidence"]
    assert evidence["chosen by"].startswith("hybrid rerank 0.")
    assert evidence["seed"] == 3
    sha256 = hashlib.sha256(files.qrels.read_bytes()).hexdigest()
    assert evidence["qrels"] == {"file": "qrels.tsv", "sha256": sha256}
    assert evidence["reranker"]["kind"] == "cross-encoder"
    hits = answer("search", files.folder, QUERIES["q8"])["hits"]
    assert hits[0]["id"] == "d8.3"
    run("profile", files.folder, "use", "2")
    with Index.open(files.folder) as index:
        assert index.profiles.serving == WORDS
        assert index.verify() == []


def test_one_that_knows_nothing_is_refused_and_leaves_every_byte(files: Files, tmp_path: Path) -> None:
    before = contents(files.folder)
    model = cross_encoder(tmp_path / "model", steps=0)
    shown = run("rerank", *files.arguments, "--cross-encoder", model).out
    assert "refused, the profile stays: CrossEncoder " in shown
    assert contents(files.folder) == before


def test_people_see_the_figures_and_a_dry_run_leaves_every_byte(files: Files) -> None:
    before = contents(files.folder)
    arguments = [*files.arguments, "--recency", "made", "--now", "2020-05-02"]
    shown = run("rerank", *arguments, "--dry-run").out
    assert contents(files.folder) == before
    for word in ("serving", "Recency", "RRF(60)", "lexical leg", "40 train and 20 held-out queries"):
        assert word in shown
    assert "would be installed: Recency is better" in shown
    assert "hybrid profile" not in shown
    shown = run("rerank", *arguments).out
    assert "installed as profile 3: Recency is better" in shown
    assert f"back: hybrid profile {files.folder} use 2" in shown


def test_diversity_that_does_not_help_is_refused(files: Files) -> None:
    before = contents(files.folder)
    told = answer("rerank", *files.arguments, "--mmr")
    assert told["installed"] is None
    assert told["verdict"]["outcome"] == "not better"
    assert contents(files.folder) == before


def test_what_cannot_be_is_refused_in_one_line(files: Files, tmp_path: Path) -> None:
    for options, status, complaint in (
        ([], 2, "give one of --cross-encoder MODEL, --late-"),
        (["--mmr", "--popularity", "made"], 2, "give one of"),
        (["--mmr", "--late-interaction", "a/b"], 2, "give one of"),
        (["--mmr", "--now", "2020-01-01"], 2, "--now says as of which day"),
        (["--recency", "made", "--now", "soon"], 2, "soon"),
        (["--popularity", "none"], 2, "no candidate has a number under the metadata path 'none'"),
        (["--cross-encoder", "nobody/nothing"], 1, "nowhere to be found"),
        (["--cross-encoder", str(tmp_path)], 1, "is not a cross-encoder model"),
        (["--late-interaction", str(tmp_path)], 1, "is not a late-interaction model"),
        (["--late-interaction", "ms-marco-MiniLM-L6-v2"], 1, "model of the kind cross-encoder"),
        (["--mmr", "--seed", "-1"], 2, "seed"),
        (["--mmr", "--max-queries", "1"], 2, "max-queries"),
    ):
        assert complaint in refusal("rerank", *files.arguments, *options, status=status)
    refusal("rerank", tmp_path / "none", *files.arguments[1:], "--mmr", status=1)
