"""Learned ranking from judged queries to serving: what tells is learned, what does not is refused."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.errors import IndexCorrupt, InputError
from hybrid.evaluate import evaluate, parse
from hybrid.fusion import Linear, dump
from hybrid.learn import Learning, learn
from hybrid.settings import Profile
from hybrid.types import Qrels
from tests.asking import of_now

PAIRS = 60
SHALLOW = Profile(depth=15)


class Collection(NamedTuple):
    path: Path
    queries: dict[str, str]
    qrels: Qrels


def noise(texts: Sequence[str]) -> NDArray[np.float64]:
    """Vectors that know nothing."""
    return np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=16) for text in texts])


def documents() -> list[Document]:
    """For each pair of words five documents that hold both as often; in the third they are neighbours, and
    the second is the most popular."""
    random = np.random.default_rng(0)
    made = []
    for pair in range(PAIRS):
        for copy in range(5):
            others = [f"x{word}" for word in random.integers(0, 500, 6)]
            a, b = f"a{pair}", f"b{pair}"
            words = [*others[:3], a, b, *others[3:]] if copy == 2 else [a, *others, b]
            likes = 100 + random.random() if copy == 1 else 10 * random.random()
            made.append(Document(f"d{pair}.{copy}", " ".join(words), metadata={"likes": likes}))
    return [made[i] for i in random.permutation(len(made))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    path = tmp_path_factory.mktemp("learning") / "idx"
    with Index.create(path, encoder=noise) as index:
        index.add(documents())
        index.install(SHALLOW)
    queries = {f"q{pair}": f"a{pair} b{pair}" for pair in range(PAIRS)}
    return Collection(path, queries, judged(2))


def judged(copy: int) -> Qrels:
    return {f"q{pair}": {f"d{pair}.{copy}": 1} for pair in range(PAIRS)}


@pytest.fixture(scope="module")
def learned(made: Collection) -> Learning:
    with Index.open(made.path, encoder=noise, read_only=True) as index:
        return of_now(index, learn, made.queries, made.qrels, ablation=True)


@pytest.fixture
def serving(made: Collection, learned: Learning, tmp_path: Path) -> Path:
    """The index with the model installed."""
    shutil.copytree(made.path, tmp_path / "idx")
    with Index.open(tmp_path / "idx", encoder=noise) as index:
        assert learned.install(index) == 3
    return tmp_path / "idx"


def test_what_tells_is_learned_and_wins(learned: Learning) -> None:
    assert learned.verdict.outcome == "better"
    assert learned.installs == SHALLOW
    best = learned.systems["lambdamart"]
    assert best.train > 0.95 > 0.7 > learned.systems["serving"].train
    assert best.held_out > 0.95 > 0.7 > learned.systems["serving"].held_out
    assert learned.verdict.challengers["lambdamart"].against_incumbent.low > 0.2
    assert next(iter(learned.importances)) in ("bigrams", "phrase", "proximity")
    assert sum(learned.importances.values()) == pytest.approx(1)


def test_the_group_that_tells_is_missed_where_it_is_left_out(learned: Learning) -> None:
    assert list(learned.ablation) == ["fused score", "legs", "text matching", "query"]
    lowest = min(learned.ablation, key=lambda group: learned.ablation[group])
    assert lowest == "text matching"
    assert learned.ablation[lowest] < learned.systems["lambdamart"].train - 0.2


def test_the_split_counts_every_query_once(learned: Learning) -> None:
    assert (learned.train, learned.held_out) == (40, 20)
    assert learned.left_out == {}


def test_where_nothing_tells_nothing_is_installed(made: Collection, tmp_path: Path) -> None:
    """The words alone already find the five; which of them is right, nobody knows."""
    random = np.random.default_rng(5)
    qrels = {f"q{pair}": {f"d{pair}.{random.integers(5)}": 1} for pair in range(PAIRS)}
    shutil.copytree(made.path, tmp_path / "idx")
    with Index.open(tmp_path / "idx", encoder=noise) as index:
        index.install(Profile(fusion=dump(Linear((1, 0))), depth=15))
        found = of_now(index, learn, made.queries, qrels)
    assert found.installs is None
    assert found.verdict.outcome == "not better"
    assert abs(found.systems["lambdamart"].held_out - found.systems["serving"].held_out) < 0.15


def test_numbers_in_the_metadata_are_features_where_asked_for(made: Collection) -> None:
    with Index.open(made.path, encoder=noise, read_only=True) as index:
        found = of_now(index, learn, made.queries, judged(1), metadata=["likes", "likes"])
        with pytest.raises(InputError, match="number under the metadata path 'none'"):
            of_now(index, learn, made.queries, judged(1), metadata=["none"])
    assert found.verdict.outcome == "better"
    assert next(iter(found.importances)) == "metadata.likes"
    assert found.model.features.count("metadata.likes") == 1


def test_clicks_teach_by_what_was_judged_alone(made: Collection) -> None:
    qrels: Qrels = {
        query: {**grades, f"{next(iter(grades))[:-1]}0": 0} for query, grades in made.qrels.items()
    }
    with Index.open(made.path, encoder=noise, read_only=True) as index:
        found = of_now(index, learn, made.queries, qrels, judged_only=True)
        assert found.systems["lambdamart"].train > 0.8 > 0.7 > found.systems["serving"].train
        with pytest.raises(
            InputError, match=r"^0 judged queries have a relevant document .* and another one"
        ):
            of_now(index, learn, made.queries, made.qrels, judged_only=True)


def test_the_figures_are_those_of_the_serving_path(
    made: Collection, learned: Learning, serving: Path
) -> None:
    with Index.open(serving, encoder=noise, read_only=True) as index:
        run = index.run(made.queries, k=10)
        assert run == index.run(made.queries, k=10, reranker=learned.model)
    with Index.open(made.path, encoder=noise, read_only=True) as index:
        before = evaluate({"all": index.run(made.queries, k=10)}, made.qrels, parse("nDCG@10"))
    figures = learned.systems["serving"]
    together = (learned.train * figures.train + learned.held_out * figures.held_out) / PAIRS
    assert before.systems["all"]["nDCG@10"] == pytest.approx(together)
    after = evaluate({"all": run}, made.qrels, parse("nDCG@10"))
    assert after.systems["all"]["nDCG@10"] > 0.95


def test_a_model_that_serves_is_the_one_to_beat(made: Collection, serving: Path, learned: Learning) -> None:
    with Index.open(serving, encoder=noise, read_only=True) as index:
        again = of_now(index, learn, made.queries, made.qrels)
    assert again.systems["serving"].held_out == learned.systems["lambdamart"].held_out
    assert again.installs is None
    assert again.profile == SHALLOW
    assert again.model.model == learned.model.model


def test_the_model_outlives_reopening_and_compaction_but_no_other_analyzer(
    made: Collection, serving: Path
) -> None:
    with Index.open(serving, encoder=noise) as index:
        before = index.run(made.queries, k=5)
        number = index.profiles.serves
    with Index.open(serving, encoder=noise) as index:
        assert index.run(made.queries, k=5) == before
        index.delete(["d0.0"])
        deleted = index.run({"q5": made.queries["q5"]}, k=5)
        index.compact()
        assert index.profiles.serves == number
        assert index.run({"q5": made.queries["q5"]}, k=1)["q5"][0][0] == deleted["q5"][0][0] == "d5.2"
        index.reindex(analyzer="english")
        assert index.profiles.serving.reranker is None
        assert index.search("a5 b5").hits
        assert index.verify() == []


def test_the_way_back_is_an_earlier_profile(made: Collection, serving: Path, learned: Learning) -> None:
    with Index.open(serving, encoder=noise) as index:
        kept = index.profiles[index.profiles.serves]
        assert kept.evidence["queries judged"] == {"train": 40, "held out": 20}
        assert kept.evidence["winner"] == "lambdamart"
        assert kept.evidence["p"] < 0.05
        assert len(kept.evidence["importances"]) == 15
        index.use(2)
        back = index.run(made.queries, k=10)
    with Index.open(made.path, encoder=noise, read_only=True) as index:
        assert back == index.run(made.queries, k=10)


@pytest.mark.parametrize("change", ["DELETE FROM models", "UPDATE models SET body = body || ' '"])
def test_a_damaged_model_says_how_to_go_back(serving: Path, change: str) -> None:
    [ledger] = serving.glob("*/ledger.db")
    with sqlite3.connect(ledger) as connection:
        connection.execute(change)
    connection.close()
    with Index.open(serving, encoder=noise) as index:
        with pytest.raises(IndexCorrupt, match=r"missing or damaged.*hybrid profile DIR use N") as raised:
            index.search("a5 b5")
        assert "\n" not in str(raised.value)
        index.use(2)
        assert index.search("a5 b5").hits


def test_what_was_found_is_json(learned: Learning) -> None:
    told = json.loads(json.dumps(learned.to_json()))
    assert told["verdict"]["installs"] == "lambdamart"
    assert told["systems"]["serving"]["held_out"] == learned.systems["serving"].held_out
    assert told["tried"][str(learned.choice)] == learned.systems["lambdamart"].train
    figures = learned.systems
    for name, found in learned.compared.items():
        gained = figures["lambdamart"].held_out - figures[name].held_out
        assert told["compared"][name]["difference"] == pytest.approx(gained), name
        assert found.low <= found.difference <= found.high
    json.dumps(learned.evidence())


@pytest.mark.parametrize("qrels", [{}, {"q1": {"d1.2": 1}}, {"unknown": {"d1.2": 1}}])
def test_what_cannot_be_learned_from_is_an_error_in_one_line(made: Collection, qrels: Qrels) -> None:
    with (
        Index.open(made.path, encoder=noise, read_only=True) as index,
        pytest.raises(InputError) as raised,
    ):
        of_now(index, learn, made.queries, qrels)
    assert "\n" not in str(raised.value)


def test_documents_that_no_leg_finds_teach_nothing(made: Collection) -> None:
    with (
        Index.open(made.path, encoder=noise, read_only=True) as index,
        pytest.raises(InputError, match="0 judged queries have a relevant document among"),
    ):
        of_now(index, learn, made.queries, {query: {"absent": 1} for query in made.queries})


def test_an_empty_index_has_nothing_to_learn_from(made: Collection, tmp_path: Path) -> None:
    with (
        Index.create(tmp_path / "idx", encoder=noise) as index,
        pytest.raises(InputError, match="no leg finds a candidate"),
    ):
        of_now(index, learn, made.queries, made.qrels)
