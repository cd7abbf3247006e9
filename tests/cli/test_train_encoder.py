"""``hybrid train-encoder`` as a person and as a program meet it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

from hybrid import Index
from tests.commands import Files, contents, refusal, run
from tests.conftest import lines
from tests.encoder_models import words_model
from tests.worded import QUERIES, WORDS, documents

pytestmark = pytest.mark.slow

Options: TypeAlias = list[str | Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("encoder")
    with Index.create(folder / "idx", encoder=words_model(folder / "words", WORDS)) as index:
        index.add(documents())
    files = Files(folder / "idx", folder / "queries.jsonl", folder / "qrels.tsv")
    files.queries.write_text(lines(*({"_id": id, "text": text} for id, text in QUERIES.items())))
    files.qrels.write_text("".join(f"{id}\td{id[1:]}\t1\n" for id in QUERIES))
    return files


def test_what_it_trained_serves(files: Files, tmp_path: Path) -> None:
    before, out = contents(files.folder), tmp_path / "out"
    options: Options = ["--out", out, "--layers", "all", "--lr", "0.003", "--batch", "16", "--epochs", "20"]
    said = run("train-encoder", *files.arguments, *options)
    assert all("left out: " in line for line in said.err.splitlines())
    assert "loss on held-out families:" in said.out
    assert "nDCG@10 of the vector leg, 20 held-out queries, 60 documents" in said.out
    assert contents(files.folder) == before
    told = json.loads((out / "training.json").read_text())
    assert set(told["files"]) == {"queries", "qrels"}
    assert len(told["files"]["qrels"]["sha256"]) == 64
    run("reindex", files.folder, "--encoder", out)
    assert run("search", files.folder, QUERIES["q0"], "--json").json["hits"]
    assert "exists already" in refusal("train-encoder", *files.arguments, *options)
    another: Options = ["--out", tmp_path / "another"]
    assert "it is a bundle" in refusal("train-encoder", *files.arguments, *another, status=1)


def test_nothing_learned_is_nothing_written(files: Files, tmp_path: Path) -> None:
    options: Options = ["--out", tmp_path / "out", "--lr", "1e-30", "--epochs", "1", "--json"]
    told = run("train-encoder", *files.arguments, *options, status=1).json
    assert (told["encoder"], told["to"], told["figures"], told["steps"]) == (None, None, None, 0)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_asked_is_said_in_one_line(files: Files, tmp_path: Path) -> None:
    def refused(*options: str | Path, judged: bool = True) -> str:
        given = files.arguments if judged else [files.folder]
        return refusal("train-encoder", *given, "--out", tmp_path / "out", *options)

    alone: Options = ["--unlabelled", files.queries]
    assert "give --queries and --qrels, or --unlabelled" in refused(judged=False)
    assert "give --queries and --qrels, or --unlabelled" in refused(
        *alone, "--qrels", files.qrels, judged=False
    )
    assert "--loss and --negatives are of judged queries" in refused(*alone, "--loss", "triplet")
    assert "--loss and --negatives are of judged queries" in refused(*alone, "--negatives", "random")
    assert "loss is 'best'; give one of infonce, cached" in refused("--loss", "best")
    assert "learns from unlabelled texts" in refused("--loss", "kl")
    assert "layers is 'most'" in refused("--layers", "most")
    assert not (tmp_path / "out").exists()


def test_the_extra_is_named(files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    said = refusal("train-encoder", *files.arguments, "--out", tmp_path / "out", status=1)
    assert said.endswith("needs peft; run: pip install 'hybrid-retrieval[models]'\n")
