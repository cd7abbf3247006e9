"""A benchmark of an index: its stages, recall against brute force, and what it suggests from that."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid import Document, Index
from hybrid.encoders import HashEncoder
from hybrid.errors import InputError, QueryError, StorageError
from hybrid.evaluate.bench.measuring import bench
from hybrid.evaluate.bench.probes import made
from hybrid.evaluate.bench.report import Benchmark, Cut, Mean, Rung, Values
from hybrid.evaluate.latency import Latency
from hybrid.fusion import RRF, dump
from hybrid.rerank import Popularity
from hybrid.settings import Profile
from hybrid.types import Candidates, Mask, Scores
from hybrid.vector import leg
from hybrid.vector.view import Near, VectorView

ROWS = 1000
WORDS = [f"w{i}" for i in range(60)]


def documents(texts: bool = True, vectors: bool = True, n: int = ROWS) -> list[Document]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(n, 64)).astype(np.float32)
    return [
        Document(
            f"d{i}",
            " ".join(random.choice(WORDS, 8)) if texts else "",
            metadata={"likes": i, "half": i % 2},
            vector=rows[i] if vectors else None,
        )
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def graphed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two legs, whose graph holds nearly all rows."""
    path = tmp_path_factory.mktemp("graphed") / "idx"
    with pytest.MonkeyPatch.context() as patched, Index.create(path, encoder=None) as index:
        patched.setattr(leg, "SEAL_AT", 64)
        index.add(documents())
    return path


@pytest.fixture
def index(graphed: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """It, where a graph pays from the first row on."""
    monkeypatch.setattr(leg, "SEAL_AT", 64)
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 1)
    with Index.open(graphed, read_only=True) as opened:
        yield opened


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k != "stages" and "p50" not in k}
    return [without_times(one) for one in value] if isinstance(value, list) else value


def test_recall_is_that_of_brute_force(index: Index) -> None:
    found = bench(index, size=30, seed=3)
    assert (found.documents, found.vectors, found.queries, found.made) == (ROWS, ROWS, 30, True)
    assert not found.exact
    with index._store.reading() as snapshot:
        view = snapshot.vectors
        exact = replace(view, graph=None)
        for rung in found.rungs:
            for k, recall in ((10, rung.recall), (100, rung.recall_at_depth)):
                shares = []
                for probe in made(snapshot, 30, 3):
                    assert probe.vector is not None
                    ours = view.search(probe.vector, k, effort=rung.effort).ordinals
                    true = exact.search(probe.vector, k).ordinals
                    shares.append(len(set(ours.tolist()) & set(true.tolist())) / k)
                assert recall.value == pytest.approx(np.mean(shares), abs=0.002)
    assert [rung.effort for rung in found.rungs] == [16, 32, 64, 100, 200, 400, 800, None]


def test_each_ef_is_asked_with_and_what_it_misses_is_told(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = VectorView.search

    def missing(
        self: VectorView, query: Scores, k: int, allowed: Mask | None = None, effort: int | None = None
    ) -> Candidates:
        """Without the best ones: three of them with an effort of 16, two with 32, one with 64."""
        missed = {16: 3, 32: 2, 64: 1}.get(effort or 0, 0)
        best = search(replace(self, graph=None), query, k + missed, allowed)
        return Candidates(best.ordinals[missed:], best.scores[missed:])

    monkeypatch.setattr(VectorView, "search", missing)
    found = bench(index, size=40, wanted=0.95)
    assert [rung.recall.value for rung in found.rungs[:4]] == pytest.approx([0.7, 0.8, 0.9, 1])
    assert [rung.recall_at_depth.value for rung in found.rungs[:4]] == pytest.approx(
        [0.97, 0.98, 0.99, 1], abs=0.001
    )
    assert found.effort == 100
    assert found.rungs[3].recall.lower == pytest.approx(400 / (400 + 1.96**2))
    assert [one.recall.value for one in found.filters] == [1, 1, 1]  # with what is suggested


def test_filters_and_depths_are_measured(index: Index) -> None:
    found = bench(index, size=20)
    assert [one.filter for one in found.filters[:2]] == ["random", "random"]
    assert found.filters[2].filter in ('{"half": 0}', '{"half": 1}')
    assert found.filters[2].share == 0.5
    assert all(one.recall.value > 0.9 and one.p50 > 0 for one in found.filters)
    agreement = [cut.agreement.value for cut in found.cuts]
    assert [cut.depth for cut in found.cuts] == [20, 50, 100, 200, 400]
    assert agreement[0] < agreement[-1] == 1


def test_it_suggests_the_least_ef_and_what_serves_differs_by_it(index: Index) -> None:
    found = bench(index, size=30, wanted=0.9)
    assert found.effort is not None
    reaching = [rung.effort for rung in found.rungs if rung.recall.lower >= 0.9 and rung.effort is not None]
    assert found.effort == min(reaching)
    installs = found.installs
    assert installs is not None
    assert installs.effort == found.effort
    assert installs.fusion == found.serving.fusion
    assert found.evidence()[f"recall@10 with effort {found.effort}"]["lower bound"] >= 0.9
    assert found.to_json()["suggested"] == {"effort": found.effort, "depth": found.depth}


def test_a_profiles_ef_reaches_the_leg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    near = VectorView.near

    def noted(view: VectorView, query: Scores, depth: int, *options: Any) -> Near:
        asked.append(options[1])
        return near(view, query, depth, *options)

    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(n=5))
        monkeypatch.setattr(VectorView, "near", noted)
        index.search(vector=np.ones(64))
        index.install(Profile(effort=77))
        index.search(vector=np.ones(64))
    assert asked == [None, 77]


def test_all_but_the_times_follows_from_the_seed(index: Index) -> None:
    one, again, other = (without_times(bench(index, size=8, seed=seed).to_json()) for seed in (1, 1, 2))
    assert one == again
    assert one["filters"] != other["filters"]


@pytest.mark.parametrize(
    ("texts", "vectors", "legs"),
    [
        (True, True, ["analyse", "lexical leg", "vector leg"]),
        (True, False, ["analyse", "lexical leg"]),
        (False, True, ["vector leg"]),
    ],
)
def test_stages_that_there_are_not_are_left_out(
    tmp_path: Path, texts: bool, vectors: bool, legs: list[str]
) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(texts, vectors, n=30))
        found = bench(index)
    assert list(found.stages) == [*legs, "fuse", "fetch", "search"]
    assert {latency.queries for latency in found.stages.values()} == {30}
    for one in found.stages.values():
        assert 0 < one.p50 <= one.p95 <= one.p99


def test_a_small_index_is_exact_and_nothing_is_suggested(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(n=50))
        found = bench(index)
    assert found.exact
    assert (found.rungs, found.cuts, found.filters) == ([], [], [])
    assert (found.effort, found.depth, found.installs) == (None, None, None)


def test_users_queries_are_encoded_and_reranked_as_they_are_served(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=HashEncoder(8)) as index:
        index.add(documents(vectors=False, n=30))
        index.install(Profile(reranker=index.keep_model(Popularity("likes", 0.1))))
        found = bench(index, {str(i): word for i, word in enumerate(WORDS)}, size=20)
    assert (found.queries, found.made) == (20, False)
    stages = ["encode", "analyse", "lexical leg", "vector leg", "fuse", "rerank", "fetch", "search"]
    assert list(found.stages) == stages
    assert found.stages["encode"].queries == 19


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        with pytest.raises(StorageError, match="no documents"):
            bench(index)
        index.add(documents(n=5))
        with pytest.raises(QueryError, match="no encoder"):
            bench(index, {"q": "w1"})
        for wanted in (0.0, 1.0, 7.0, math.nan):
            with pytest.raises(InputError, match="between 0 and 1"):
                bench(index, wanted=wanted)


def test_queries_that_the_encoder_makes_zeros_of_are_left_out(tmp_path: Path) -> None:
    def encode(texts: list[str]) -> NDArray[np.float32]:
        return np.array([[len(text) % 2, 0] for text in texts], np.float32)

    with Index.create(tmp_path / "idx", encoder=encode) as index:
        index.add([Document("d1", "odd"), Document("d2", "even")])
        assert bench(index).queries == 1
        assert bench(index, {"1": "a", "2": "aa", "3": "bbb"}).queries == 2
        with pytest.raises(QueryError, match="other than zero"):
            bench(index, {"2": "aa"})


def test_words_alone_take_users_queries_without_an_encoder(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(vectors=False, n=5))
        assert "vector leg" not in bench(index, {"q": "w1"}).stages


def test_progress_is_told_stage_by_stage(index: Index) -> None:
    told: list[tuple[str, int, int]] = []
    bench(index, size=5, progress=lambda *step: told.append(step))
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == ["timing", "reading metadata", "exact scan", "effort", "depths", "filters"]
    for stage in stages:
        steps = [(done, total) for own, done, total in told if own == stage]
        assert all(0 <= done <= total for done, total in steps)
        assert steps == sorted(steps)
        assert stage == "reading metadata" or steps[-1][0] == steps[-1][1]


def test_a_depth_that_judged_queries_chose_stays(graphed: Path, tmp_path: Path) -> None:
    chosen = Profile(fusion=dump(RRF()), depth=50)
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(documents(n=5))

        def judged(profile: Profile, by: str) -> bool:
            index.install(profile, {"chosen by": by})
            return bench(index).judged

        assert not bench(index).judged
        assert not judged(chosen, "hybrid bench 0.1.0")
        assert judged(chosen, "hybrid tune 0.1.0")
        assert judged(chosen.model_copy(update={"effort": 64}), "hybrid bench 0.1.0")  # it ranks alike
        assert not judged(chosen.model_copy(update={"depth": 100}), "hybrid bench 0.1.0")


# --- the figures by themselves


def of(value: float, lower: float) -> Mean:
    return Mean(value, lower)


FOUND = Benchmark(
    documents=10_000,
    vectors=10_000,
    queries=100,
    made=True,
    seed=0,
    wanted=0.95,
    serving=Profile(),
    ann="hnsw",
    stages={"search": Latency(1, 1, 1, 100)},
    exact=False,
    judged=False,
    rungs=[
        Rung(32, of(0.96, 0.94), 1, of(1, 1), 1),
        Rung(64, of(0.97, 0.951), 1, of(0.5, 0.4), 1),
        Rung(100, of(0.99, 0.98), 1, of(1, 1), 1),
        Rung(48, of(1, 1), 1, of(1, 1), 1),
    ],
    cuts=[
        Cut(20, of(0.94, 0.9), 1),
        Cut(50, of(0.96, 0.94), 1),
        Cut(100, of(0.98, 0.96), 1),
        Cut(400, of(1, 1), 1),
        Cut((20, 50), of(1, 1), 1),
    ],
    filters=[],
)


def test_lower_bounds_decide() -> None:
    assert (FOUND.effort, FOUND.depth) == (64, 100)
    assert FOUND.installs == Profile(effort=64)  # the depth serves already
    assert replace(FOUND, serving=Profile(effort=64, depth=(100, 100))).installs is None
    assert replace(FOUND, wanted=0.99).effort is None
    assert replace(FOUND, wanted=0.99).depth is None  # the largest equals itself, which says nothing
    assert replace(FOUND, wanted=0.99).installs is None
    assert replace(FOUND, serving=Profile(depth=50), judged=True).installs == Profile(effort=64, depth=50)
    assert replace(FOUND, serving=Profile(depth=(20, 50))).installs == Profile(effort=64, depth=100)


def test_evidence_is_of_what_is_suggested() -> None:
    evidence = FOUND.evidence()
    assert evidence["recall@10 with effort 64"] == {"mean": 0.97, "lower bound": 0.951}
    assert evidence["agreement of depth 100 with 400"] == {"mean": 0.98, "lower bound": 0.96}
    assert not any("recall@10" in name for name in replace(FOUND, wanted=0.99).evidence())


def test_how_many_queries_it_takes() -> None:
    for wanted in (0.9, 0.95, 0.99, 0.999):
        needed = replace(FOUND, wanted=wanted).needed
        assert Mean.of(np.ones(needed), 10).lower >= wanted > Mean.of(np.ones(needed - 1), 10).lower


def wilson(p: float, n: float, z: float = 1.96) -> float:
    return (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)


def test_the_interval_is_wilsons_with_the_effective_size() -> None:
    assert Mean.of(np.ones(50), 10).lower == pytest.approx(wilson(1, 500))
    shares = np.array([1, 1, 1, 0.5, 0.7, 1, 0.9, 1, 1, 0.2])
    effective = 0.83 * 0.17 / (shares.var(ddof=1) / 10)
    assert 10 < effective < 100
    assert Mean.of(shares, 10).lower == pytest.approx(wilson(0.83, effective))
    assert Mean.of(np.array([1.0, 0.0]), 10).lower == pytest.approx(wilson(0.5, 2))  # two clusters, no more


@given(st.lists(st.integers(0, 10), min_size=1, max_size=50))
def test_the_lower_bound_lies_below_the_mean(hits: list[int]) -> None:
    mean = Mean.of(np.array(hits) / 10, 10)
    assert -1e-9 <= mean.lower <= mean.value + 1e-9
    assert Mean.of(np.array(hits * 2) / 10, 10).lower >= mean.lower - 1e-9


Shares = Callable[[np.random.Generator], Values]


@pytest.mark.parametrize(
    "shares",
    [
        lambda random: random.binomial(10, 0.97, 60) / 10,
        lambda random: random.binomial(10, random.beta(9, 0.5, 60)) / 10,
    ],
)
def test_the_true_recall_is_rarely_below_the_lower_bound(shares: Shares) -> None:
    random = np.random.default_rng(0)
    truth = float(np.mean([shares(random).mean() for _ in range(2000)]))
    below = np.mean([truth < Mean.of(shares(random), 10).lower for _ in range(600)])
    assert below <= 0.05
