"""Queries that are documents: each passes over itself, in asking, measuring and learning alike."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest

from hybrid import Document, Index, MemoryIndex
from hybrid.evaluate import evaluate, parse, run_modes
from hybrid.learn import Mined, Miner, calibrate, tune
from hybrid.learn.contest import measured, ndcg, silent
from hybrid.learn.split import split
from hybrid.learn.training import _gathered
from hybrid.rerank.calibration import Signals
from hybrid.settings import Profile
from hybrid.types import Lacking, Mode, Qrels, Run
from tests.asking import of_now
from tests.contracts.index import letters
from tests.encoder_models import LETTERS

RANDOM = random.Random(0)
TEXTS = {f"d{i}": f"kettle {''.join(RANDOM.choices(LETTERS, k=6 + i % 7))}" for i in range(40)}
QUERIES = TEXTS
QRELS: Qrels = {f"d{i}": {f"d{(i + 7) % 40}": 1, f"d{i}": 1} for i in range(40)}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index.create(tmp_path_factory.mktemp("identical") / "idx", encoder=letters) as made:
        made.add(Document(id, text) for id, text in TEXTS.items())
        yield made


def check(run: Run) -> None:
    assert len(run) == 40
    for query, hits in run.items():
        assert len(hits) == 10
        assert query not in dict(hits)


def test_a_run_has_all_its_hits_and_none_is_the_query(index: Index) -> None:
    memory = MemoryIndex(encoder=letters)
    memory.add(Document(id, text) for id, text in TEXTS.items())
    for one in (index, memory):
        for run in run_modes(
            one, QUERIES, QRELS, ["hybrid", "vector"], k=10, ignore_identical_ids=True
        ).values():
            check(run)
        [with_itself] = run_modes(one, QUERIES, QRELS, ["vector"], k=10).values()
        assert all(hits[0][0] == query for query, hits in with_itself.items())


def test_a_foreign_run_and_judgments_lose_the_query_itself() -> None:
    run: Run = {"a": [("a", 3.0), ("b", 2.0)], "b": [("c", 1.0)]}
    qrels: Qrels = {"a": {"a": 1, "b": 1}, "b": {"b": 1}}
    found = evaluate({"s": run}, qrels, parse("RR R@10"), ignore_identical_ids=True)
    assert found.per_query["s"] == {"RR": {"a": 1.0}, "R@10": {"a": 1.0}}  # of b nothing is judged any more
    assert evaluate({"s": run}, qrels, parse("R@10")).systems["s"]["R@10"] == (1.0 + 0.0) / 2


def test_tuning_and_contests_ask_so(index: Index) -> None:
    found = of_now(index, tune, QUERIES, QRELS, ignore_identical_ids=True)
    alone = {
        query: {id: grade for id, grade in grades.items() if id != query} for query, grades in QRELS.items()
    }
    runs = run_modes(index, QUERIES, QRELS, ["vector"], k=10, ignore_identical_ids=True)
    figures = found.systems["vector leg"]
    reached = evaluate(runs, alone, parse("nDCG@10")).systems["vector"]["nDCG@10"]
    weights = found.train / 40, found.held_out / 40
    assert weights[0] * figures.train + weights[1] * figures.held_out == pytest.approx(reached)
    sample, _, _ = split(QUERIES, QRELS, None, 0, 100, ignore_identical_ids=True)
    assert sample.only(list(sample.texts)[:3]).lacking == {id: (id,) for id in list(sample.texts)[:3]}
    with_itself, _, _ = split(QUERIES, QRELS, None, 0, 100)
    serving = {"s": Profile()}
    asked = [
        of_now(index, measured, one, serving, ndcg(), "", silent)["s"].mean for one in (sample, with_itself)
    ]
    assert asked[0] < asked[1]


def test_learning_gathers_so(index: Index) -> None:
    sample, _, _ = split(QUERIES, QRELS, None, 0, 100, ignore_identical_ids=True)
    gathered = of_now(index, _gathered, sample, (), False, silent)
    assert {len(one.grades) for one in gathered} == {39}
    assert {one.ideal for one in gathered} == {1.0}


def test_calibrating_asks_so(index: Index) -> None:
    asked: list[tuple[set[str], Lacking]] = []

    class Asked:
        profiles = index.profiles

        def signals(
            self, queries: Mapping[str, str], mode: Mode, lacking: Lacking
        ) -> Iterator[tuple[str, list[str], Signals]]:
            asked.append((set(queries), lacking))
            yield from of_now(index, lambda one: [*one.signals(queries, mode, lacking)])

    calibrate(Asked(), QUERIES, QRELS, ["lexical"], ignore_identical_ids=True)
    lacked = [(query, set(lacking[query])) for queries, lacking in asked for query in queries]
    assert all(query in ids for query, ids in lacked)
    assert sorted(map(len, dict(lacked).values())) == 30 * [1] + 10 * [2]  # a quarter lacks its answer, too


def test_mining_takes_the_query_for_neither(index: Index) -> None:
    for ignore in (False, True):
        miner = Miner(1, ignore_identical_ids=ignore)
        with index.searcher() as searcher:
            made = list(miner.tuples(searcher, QUERIES, QRELS, Mined()))
        itself = [one for one in made if one.anchor in (one.positive, *one.negatives)]
        assert bool(itself) != ignore
