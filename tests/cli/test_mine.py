"""``hybrid mine`` as a person and as a program meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hybrid import Document, Index
from hybrid.learn import mining
from tests.commands import answer, refusal, run
from tests.conftest import lines
from tests.encoder_models import LETTERS, bundle_of_letters


class Files(NamedTuple):
    folder: Path
    texts: dict[str, str]

    def arguments(self, to: Path) -> list[str | Path]:
        queries, qrels = self.folder / "queries.jsonl", self.folder / "qrels.tsv"
        return [self.folder / "idx", "--queries", queries, "--qrels", qrels, "--to", to]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Sixty documents of five words, a query of two words for each of forty of them, and two more."""
    folder = tmp_path_factory.mktemp("mine")
    bundle_of_letters(folder / "letters")
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(LETTERS), 5)) for _ in range(80)]
    texts = {f"d{i}": " ".join(random.choice(words, 5, replace=False)) for i in range(60)}
    with Index.create(folder / "idx", encoder=folder / "letters") as index:
        index.add(Document(id, text, title=f"title {id}") for id, text in texts.items())
    queries = [{"_id": f"q{i}", "text": " ".join(texts[f"d{i}"].split()[:2])} for i in range(40)]
    (folder / "queries.jsonl").write_text(lines(*queries, {"_id": "far", "text": "zzz"}))
    qrels = [*(f"q{i}\td{i}\t1\n" for i in range(40)), "textless\td1\t1\n", "far\tnowhere\t1\n"]
    (folder / "qrels.tsv").write_text("".join(qrels))
    return Files(folder, texts)


def read(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_line_for_each_judged_pair(files: Files, tmp_path: Path) -> None:
    out, err = run("mine", *files.arguments(tmp_path / "new" / "negatives.jsonl"), "--margin", 0.2)
    rows = read(tmp_path / "new" / "negatives.jsonl")
    assert list(rows[0]) == ["anchor", "positive", "negative_1", "negative_2", "negative_3"]
    assert rows[0]["positive"] == f"title d0\n{files.texts['d0']}"
    assert 30 < len(rows) <= 40
    assert out.startswith(f"{len(rows)} lines, of {len(rows)} queries: ")
    assert "1 queries without a text: left out" in err
    assert "1 positives without text or vector in the index: left out" in err
    for row in rows:
        positive, *negatives = list(row.values())[1:]
        assert len({positive, *negatives}) == 4


def test_counts_for_programs_and_the_same_again(files: Files, tmp_path: Path) -> None:
    one, two, other = (tmp_path / f"{name}.jsonl" for name in ("one", "two", "other"))
    options = ["--sampling", "random", "--negatives", "2", "--mode", "vector", "--ranks", "2", "60"]
    told: dict[str, Any] = answer("mine", *files.arguments(one), *options, "--seed", 5)
    assert told["tuples"] == len(read(one)) == told["queries"]
    assert told["to"] == str(one)
    assert told["candidates"]["eligible"] > 2 * told["tuples"]
    run("mine", *files.arguments(two), *options, "--seed", 5)
    run("mine", *files.arguments(other), *options, "--seed", 6)
    assert one.read_text() == two.read_text() != other.read_text()
    assert [row["anchor"] for row in read(one)] == [row["anchor"] for row in read(other)]


def test_what_cannot_be_done_is_said_in_one_line(files: Files, tmp_path: Path) -> None:
    to = tmp_path / "negatives.jsonl"
    to.write_text("before")

    def refused(*options: str | Path | int, status: int = 2) -> str:
        said = refusal("mine", *files.arguments(to), *options, status=status)
        assert to.read_text() == "before"
        return said

    assert "--ranks 5 6" in refused("--ranks", 5, 6)
    assert "--ranks 0 6" in refused("--ranks", 0, 6)
    assert "--ranks 9 6" in refused("--ranks", 9, 6)
    assert "mode 'sideways' is not known" in refused("--mode", "sideways")
    assert "nothing was mined: 1 queries without a text, 40 positives" in refused("--margin", 1)
    assert "not a file" in run("mine", *files.arguments(tmp_path), status=1)[1]
    with Index.create(tmp_path / "bare", encoder=None) as index:
        index.add([Document("d1", "kettle")])
    bare = [tmp_path / "bare", *files.arguments(to)[1:]]
    assert "no encoder" in run("mine", *bare, status=2)[1]
    assert to.read_text() == "before"


def test_what_is_broken_off_leaves_no_file(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(one: mining.Tuple) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(mining.Tuple, "to_json", interrupted)
    run("mine", *files.arguments(tmp_path / "negatives.jsonl"), status=130)
    assert list(tmp_path.iterdir()) == []
