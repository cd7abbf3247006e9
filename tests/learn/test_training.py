"""LambdaMART: it learns what there is to learn, the same way each time, and says so honestly."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid.errors import InputError, SettingsError
from hybrid.learn import lambdamart
from hybrid.learn.lambdamart import Choice, Judged, Trained, cross_validated, mean_ndcg, ndcg, train
from hybrid.rerank.lambdamart import LambdaMART, dump, load
from hybrid.rerank.ordering import standard
from hybrid.types import Candidates

NAMES = ("fused_score", "useful", "noise")
FEW = (Choice(4, 10, 0.0), Choice(4, 10, 1.0))
ONE = (Choice(2, 10_000, 0.0),)


def judged(seed: int, queries: int = 60, strength: float = 3.0) -> list[Judged]:
    """Queries of 20 candidates of which two are relevant; "useful" tells them, the fused score a little."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(queries):
        grades = np.zeros(20)
        grades[random.choice(20, 2, replace=False)] = random.integers(1, 3, 2)
        columns = {
            "fused_score": grades * 0.5 + random.normal(size=20),
            "useful": grades * strength + random.normal(size=20),
            "noise": random.normal(size=20),
        }
        made.append(
            Judged.of({k: v.astype(np.float32) for k, v in columns.items()}, grades, grades.tolist())
        )
    return made


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(judged(0), NAMES, choices=FEW)


def test_it_learns_what_tells_relevant_documents(trained: Trained) -> None:
    assert trained.ndcg > trained.before + 0.2
    fresh = judged(1)
    assert mean_ndcg(fresh, [trained.model.scores(query.columns) for query in fresh]) > trained.before + 0.2
    assert next(iter(trained.model.importances())) == "useful"
    assert sum(trained.model.importances().values()) == pytest.approx(1)


def test_where_there_is_nothing_to_learn_cross_validation_says_so() -> None:
    found = train(judged(2, strength=0), NAMES, choices=(Choice(4, 10, 0.0), Choice(4, 10, 3.0)))
    fresh = judged(3, strength=0)
    own = mean_ndcg(fresh, [found.model.scores(query.columns) for query in fresh])
    assert abs(found.ndcg - own) < 0.1


def test_the_scores_of_a_query_are_by_models_that_did_not_see_it(trained: Trained) -> None:
    """Grades that are turned over for one query change nothing about its own scores."""
    queries = judged(0)
    changed = list(queries)
    changed[7] = Judged.of(queries[7].columns, 2 - queries[7].grades, [2.0] * 20)
    again = train(changed, NAMES, choices=(trained.choice,))
    same = train(queries, NAMES, choices=(trained.choice,))
    if again.rounds == same.rounds:
        assert np.array_equal(again.scores[7], same.scores[7])
    assert not np.array_equal(again.scores[8], same.scores[8]) or not np.array_equal(
        again.scores[9], same.scores[9]
    )


def test_what_is_known_of_a_family_is_not_mistaken_for_skill() -> None:
    """Two queries of each family want the same document, which features of no meaning tell apart."""
    random = np.random.default_rng(4)
    alone, together = [], []
    for number in range(60):
        grades = np.eye(20)[random.integers(20)]
        columns = {name: random.normal(size=20).astype(np.float32) for name in NAMES}
        twin = Judged.of(columns, grades, grades.tolist())
        alone += [twin, twin]
        together += [replace(twin, family=f"family {number}")] * 2
    choice = Choice(31, 2, 0.0)
    assert cross_validated(alone, NAMES, choice) > cross_validated(together, NAMES, choice) + 0.2


def test_the_same_seed_gives_the_same_model(trained: Trained) -> None:
    again = train(judged(0), NAMES, choices=FEW)
    assert again.model.model == trained.model.model
    assert again.choice == trained.choice
    assert train(judged(0), NAMES, choices=FEW, seed=1).model.model != trained.model.model


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(InputError, match=r"4 judged queries .* training needs 10"):
        train(judged(0, queries=4), NAMES, choices=FEW)


def test_a_score_falls_with_no_feature_that_can_only_help(trained: Trained) -> None:
    query = judged(5)[0]
    rising = {**query.columns, "fused_score": np.sort(query.columns["fused_score"])}
    rising["useful"] = np.zeros(20, np.float32)
    rising["noise"] = np.zeros(20, np.float32)
    assert (np.diff(trained.model.scores(rising)) >= -1e-9).all()


def test_contributions_add_up(trained: Trained) -> None:
    query = judged(6)[0]
    parts = trained.model.contributions(query.columns)
    assert set(parts) == {*NAMES, "bias"}
    assert np.allclose(sum(parts.values()), trained.model.scores(query.columns))


def test_it_is_a_reranker(trained: Trained) -> None:
    columns = judged(6)[0].columns
    given = Candidates.ranked(np.arange(20), columns["fused_score"])
    order = given.ordinals
    found = trained.model("q", given, {name: column[order] for name, column in columns.items()})
    assert sorted(found.ordinals.tolist()) == list(range(20))
    assert found.ordinals[0] == np.argmax(trained.model.scores(columns))
    assert len(trained.model("q", Candidates.none(), {})) == 0


def test_it_is_kept_as_json_and_refuses_what_does_not_fit(trained: Trained) -> None:
    again = load(dump(trained.model))
    columns = judged(6)[0].columns
    assert np.array_equal(again.scores(columns), trained.model.scores(columns))
    with pytest.raises(SettingsError, match="needs the feature 'noise'"):
        again.scores({name: columns[name] for name in ("fused_score", "useful")})
    with pytest.raises(SettingsError, match="features of version 9"):
        load({**dump(trained.model), "version": 9})
    with pytest.raises(SettingsError, match="cannot be read"):
        load({"features": []})
    with pytest.raises(SettingsError, match="cannot be read"):
        load({**dump(trained.model), "model": "tree"}).scores(columns)
    with pytest.raises(SettingsError, match="3 features, but 1 names"):
        LambdaMART(("useful",), trained.model.model).scores(columns)


def test_ndcg_counts_what_no_leg_found() -> None:
    query = Judged.of({"fused_score": np.array([2, 1], np.float32)}, np.array([0.0, 1.0]), [1, 1, 0, -1])
    best = 1 + 1 / np.log2(3)
    assert ndcg(query, np.array([0.0, 1.0])) == pytest.approx(1 / best)
    assert ndcg(query, np.array([1.0, 0.0])) == pytest.approx(1 / np.log2(3) / best)
    assert standard(np.array([3, 3], np.float32)).tolist() == [0, 0]


def libsvm(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int64]]:
    rows = path.read_text().splitlines()
    matrix = np.zeros((len(rows), 301), np.float32)
    for i, row in enumerate(rows):
        for cell in row.split()[1:]:
            number, value = cell.split(":")
            matrix[i, int(number)] = float(value)
    sizes = np.array(Path(f"{path}.query").read_text().split(), np.int64)
    return matrix, np.array([float(row.split()[0]) for row in rows]), sizes


@pytest.mark.slow
@pytest.mark.skipif("HYBRID_DATA" not in os.environ, reason="needs HYBRID_DATA")
def test_lightgbms_own_example_comes_out_as_by_lightgbm() -> None:
    import lightgbm

    folder = Path(os.environ["HYBRID_DATA"]) / "ltr_lightgbm_example"
    names = [f"f{i}" for i in range(301)]

    def queries(part: str) -> list[Judged]:
        matrix, grades, sizes = libsvm(folder / part)
        made = []
        for end, size in zip(np.cumsum(sizes), sizes, strict=True):
            rows, own = matrix[end - size : end], grades[end - size : end]
            columns = {name: rows[:, i] for i, name in enumerate(names)}
            columns["fused_score"] = np.zeros(size, np.float32)
            made.append(Judged.of(columns, own, own.tolist()))
        return made

    matrix, grades, sizes = libsvm(folder / "rank.train")
    settings = {"objective": "lambdarank", "num_leaves": 31, "min_data_in_leaf": 50, "learning_rate": 0.1}
    plain = lightgbm.train(
        {**settings, "verbosity": -1, "num_threads": 2, "deterministic": True, "seed": 1},
        lightgbm.Dataset(matrix, grades, group=sizes, params={"verbosity": -1}),
        100,
    )
    test = queries("rank.test")
    theirs = mean_ndcg(
        test, [np.asarray(plain.predict(np.column_stack([q.columns[n] for n in names]))) for q in test]
    )
    ours = train(queries("rank.train"), names, choices=(Choice(8, 50, 0.0), Choice(31, 50, 0.0)))
    assert mean_ndcg(test, [ours.model.scores(query.columns) for query in test]) > theirs - 0.03


def test_no_query_brings_lightgbm_more_rows_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambdamart, "_ROUNDS", 10)
    random = np.random.default_rng(0)
    queries = []
    for _ in range(10):
        grades = np.zeros(10_500)
        grades[[3, 10_400]] = 1
        columns = {name: random.normal(size=10_500).astype(np.float32) for name in NAMES}
        queries.append(Judged.of(columns, grades, grades.tolist()))
    assert {int(query.trains.sum()) for query in queries} == {10_000}
    assert not queries[0].trains[10_000:].any()
    some = random.random(10_500) < 0.5
    assert (Judged.of({}, grades, [1], some).trains == some).all()
    assert len(train(queries, NAMES[:1], choices=ONE).scores[0]) == 10_500


def test_models_of_other_grades_are_started_one_after_the_other() -> None:
    """LightGBM has one table of label gains for all threads."""

    def planted(levels: int) -> int:
        grades = np.arange(float(levels))
        columns = {"useful": grades.astype(np.float32), "fused_score": grades.astype(np.float32)}
        return lambdamart._planted([Judged.of(columns, grades, [])], ["useful"], ONE[0], 0).num_feature()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(planted, 100 * [3, 3000])) == {1}


def test_thousands_of_levels_of_grades_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambdamart, "_ROUNDS", 10)
    random = np.random.default_rng(0)
    queries = []
    for _ in range(10):
        grades = np.rint(random.random(300) * 1_000_000)
        columns = {"fused_score": grades.astype(np.float32), "useful": grades.astype(np.float32)}
        queries.append(Judged.of(columns, grades, grades.tolist()))
    found = train(queries, ("fused_score", "useful"), choices=(Choice(4, 10, 1.0),))
    assert found.ndcg == pytest.approx(1, abs=0.01)
