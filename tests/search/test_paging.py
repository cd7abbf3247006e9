"""One ranking, cut into pages: however many are asked for and from wherever on, a document stands at its
rank. With a graph and without, under any fusion, reranker, mode, filter and depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid import RRF, Adaptive, CombSUM, Document, Hit, Index, Linear, MemoryIndex, Rocchio
from hybrid.errors import QueryError
from hybrid.lexical.pruning import Plan
from hybrid.limits import MAX_HITS
from hybrid.rerank import MMR, Popularity, Recency
from hybrid.rerank.calibration import SIGNALS, Calibration, Logistic
from hybrid.settings import Profile
from hybrid.types import Candidates
from hybrid.vector import leg
from hybrid.vector.view import VectorView
from tests.commands import answer, run

DIM = 8
N = 260
WORDS = ("apple", "pear", "quince", "plum", "fig", "date", "lime", "sloe")
COMMON = (0.3, 0.3, 0.2, 0.05, 0.05, 0.02, 0.02, 0.06)


def document(number: int) -> Document:
    random = np.random.default_rng(number)
    vectors = random.normal(size=(1 + number % 2, DIM)).round(1)
    return Document(
        f"d{number}",
        " ".join(random.choice(WORDS, 1 + number % 5, p=COMMON)),
        metadata={"n": number, "even": number % 2 == 0, "likes": number % 7},
        vector=None if number % 9 == 0 else vectors,
    )


def backwards(_query: str | None, found: Candidates, _features: Mapping[str, Any]) -> Candidates:
    return Candidates.ranked(found.ordinals, -found.scores)


def choosy(_query: str | None, found: Candidates, _features: Mapping[str, Any]) -> Candidates:
    """Leaves out all but every third."""
    return found[::3]


def plain(legs: list[Candidates], limit: int) -> Candidates:
    """A user's own fusion: the first list, and then the second."""
    return legs[0].then(legs[1]).top(limit)


FUSIONS = [None, RRF(), Linear(), Linear((0, 1)), CombSUM("z-score"), Rocchio(), Adaptive("gap"), plain]
OWN = [None, None, backwards, choosy]
OPTIONS: dict[str, Any] = {
    "mode": st.sampled_from(["hybrid", "hybrid", "hybrid", "vector", "lexical"]),
    "depth": st.sampled_from([None, 1, 7, 30, 100]),
    "filter": st.sampled_from([None, None, {"even": True}, {"n": {"lt": 40}}, {"n": {"gte": N}}]),
    "fusion": st.sampled_from(FUSIONS),
    "reranker": st.sampled_from([*OWN, MMR(0.6), Popularity("likes"), Recency("n", 1e-3, now=0.0)]),
}
QUERY: dict[str, Any] = {"query": "pear sloe", "vector": [1.0, -0.4, 0.2, 0.1, 0.3, -0.8, 0.5, 0.9]}


@pytest.fixture(scope="module", params=["exact", "graph, cosine", "graph, l2"])
def index(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("paging") / "idx"
    kind, _, metric = request.param.partition(", ")
    with pytest.MonkeyPatch.context() as patch:
        if kind == "graph":
            patch.setattr(leg, "SEAL_AT", 32)
            patch.setattr("hybrid.vector.view.EXACT_ROWS", 20)
            patch.setattr("hybrid.vector.hnsw.EF_SEARCH", 24)
        patch.setattr("hybrid.lexical.pruning.LEAST_POSTINGS", 0)
        patch.setattr("hybrid.lexical.pruning._WORTH", np.inf)
        with Index.create(folder, encoder=None, metric=metric or "cosine") as index:
            index.add(map(document, range(N)))
            index.delete([f"d{n}" for n in range(0, N, 11)])
            index._store.generation.vector.settle()
            yield index


@pytest.fixture(scope="module")
def memory() -> MemoryIndex:
    made = MemoryIndex()
    made.add(map(document, range(0, N, 4)))
    return made


def pages(index: Any, size: int, **options: Any) -> list[Hit]:
    """Page by page, as long as there are hits."""
    found: list[Hit] = []
    while hits := index.search(**QUERY, k=size, offset=len(found), **options).hits:
        found += hits
    return found


def one_ranking(index: Any, size: int, options: dict[str, Any]) -> None:
    whole = index.search(**QUERY, k=2 * N, **options)
    assert [hit.rank for hit in whole] == list(range(1, len(whole) + 1))
    assert [hit.score for hit in whole] == sorted((hit.score for hit in whole), reverse=True)
    assert len({hit.id for hit in whole}) == len(whole)
    assert all(np.isfinite(hit.score) for hit in whole)
    assert pages(index, size, **options) == list(whole)
    for k in (1, size, 3 * size, 190):
        assert index.search(**QUERY, k=k, **options).hits == whole.hits[:k]
    page = index.search(**QUERY, k=size, offset=size, **options)
    (many,) = index.search_many([QUERY["query"]], vectors=[QUERY["vector"]], k=size, offset=size, **options)
    assert page.hits == many.hits == whole.hits[size : 2 * size]
    assert page.total == many.total == whole.total
    assert page.sequence == whole.sequence


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(options=st.fixed_dictionaries(OPTIONS), size=st.sampled_from([17, 50, 101]))
def test_pages_are_one_ranking_cut(index: Index, options: dict[str, Any], size: int) -> None:
    one_ranking(index, size, options)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    options=st.fixed_dictionaries({**OPTIONS, "reranker": st.sampled_from(OWN)}),
    size=st.sampled_from([17, 50]),
)
def test_of_a_memory_index_too(memory: MemoryIndex, options: dict[str, Any], size: int) -> None:
    one_ranking(memory, size, options)


@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_a_graph_is_asked_the_same_for_every_page(index: Index, mode: Any) -> None:
    """And in the end every document with a vector is there."""
    for where in (None, {"even": True}):
        whole = pages(index, 60, mode=mode, filter=where)
        alive = [n for n in range(N) if n % 11 and (where is None or n % 2 == 0)]
        assert {hit.id for hit in whole} >= {f"d{n}" for n in alive if n % 9}
        queries = [[*QUERY["vector"]], [0.5] * DIM, QUERY["vector"]]
        alike = index.search_many(vectors=queries, mode=mode, filter=where, k=45, offset=70)
        assert [hit.id for hit in alike[0]] == [hit.id for hit in alike[2]]


def test_the_graph_and_the_plan_had_their_part(
    index: Index, request: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the tests above would prove little."""
    kind = request.node.callspec.params["index"]
    scans, firsts = list[int](), list[int | None]()
    exact, first = VectorView._exact, Plan.first

    def counted(*asked: Any) -> Candidates:
        scans.append(asked[2])
        return exact(*asked)

    def noted(plan: Plan, wanted: float) -> int | None:
        firsts.append(first(plan, wanted))
        return firsts[-1]

    monkeypatch.setattr(VectorView, "_exact", counted)
    monkeypatch.setattr(Plan, "first", noted)
    for k in (5, 40, 300):
        index.search(**QUERY, k=k, depth=7)
    assert scans == ([300] if kind.startswith("graph") else [7, 40, 300])
    assert all(firsts)


def test_a_run_has_an_offset(index: Index, memory: MemoryIndex) -> None:
    for one in (index, memory):
        whole = one.run({"q": "pear fig"}, k=60)["q"]
        parts = [one.run({"q": "pear fig"}, k=20, offset=offset)["q"] for offset in (0, 20, 40)]
        assert [pair for part in parts for pair in part] == whole
    assert index.run({"q": "pear"}, k=5, offset=N)["q"] == []


# -- relevance


CALIBRATION = Calibration(
    SIGNALS,
    (
        Logistic(("similarity", "bm25"), -0.5, (4.0, 3.0), (-1.0, -1.0), (1.0, 1.0)),
        Logistic(("bm25",), -0.5, (3.0,), (-1.0,), (1.0,)),
    ),
    0.25,
)


@pytest.mark.parametrize("depth", [6, 100])
def test_min_score_leaves_out_of_each_page_what_it_leaves_out_of_all(index: Index, depth: int) -> None:
    before = index.profiles.serves
    index.install(Profile(depth=depth))
    index.install(Profile(depth=depth, calibration=index.keep_calibration(CALIBRATION)))
    try:
        for how in ({}, {"mode": "lexical"}, {"reranker": backwards}):
            options: dict[str, Any] = {**QUERY, **how}
            everyone = index.search(**options, k=90)
            assert {hit.relevance for hit in everyone} != {None}
            least = sorted(hit.relevance or 0 for hit in everyone)[len(everyone) // 2]
            whole = index.search(**options, k=90, min_score=least)
            assert 0 < len(whole) < len(everyone)
            assert [hit.rank for hit in whole] == list(range(1, len(whole) + 1))
            parts = [index.search(**options, k=9, offset=at, min_score=least) for at in range(0, 90, 9)]
            found = [hit for part in parts for hit in part]
            assert [(hit.id, hit.rank) for hit in found] == [(hit.id, hit.rank) for hit in whole]
            expected = [hit.relevance for hit in whole]
            assert [hit.relevance for hit in found] == pytest.approx(expected, abs=1e-6)
            assert {part.total for part in parts} == {whole.total}
            run = [index.run({"q": "pear"}, k=9, offset=at, min_score=least)["q"] for at in (0, 9)]
            assert run[0] + run[1] == index.run({"q": "pear"}, k=18, min_score=least)["q"]
    finally:
        index.use(before)


# -- the edges


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"offset": -1}, "offset is -1; it must be a whole number from 0 to 100,000"),
        ({"offset": True}, "offset is True"),
        ({"offset": 1.5}, "offset is 1.5"),
        ({"offset": None}, "offset is None"),
        ({"offset": MAX_HITS + 1}, "offset is 100001"),
        ({"offset": MAX_HITS - 9}, "offset 99,991 and k 10 reach beyond 100,000 hits"),
        ({"offset": 1, "k": MAX_HITS}, "reach beyond"),
    ],
)
def test_what_no_offset_can_be(memory: MemoryIndex, tmp_path: Path, options: Any, says: str) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        for one in (index, memory):
            with pytest.raises(QueryError) as caught:
                one.search("pear", **options)
            assert says in str(caught.value)
            assert "\n" not in str(caught.value)


def test_the_last_page_and_what_lies_behind_it(index: Index) -> None:
    for mode in ("hybrid", "lexical", "vector"):
        options: dict[str, Any] = {**QUERY, "mode": mode}
        whole = index.search(**options, k=N)
        assert index.search(**options, offset=len(whole) - 3).hits == whole.hits[-3:]
        for behind in (len(whole), len(whole) + 1, MAX_HITS - 10):
            assert index.search(**options, offset=behind).hits == ()


def test_an_explanation_does_not_mind_the_page(index: Index) -> None:
    whole = index.search("pear quince", k=140)
    for hit in (whole.hits[0], whole.hits[120]):
        found = index.explain("pear quince", hit.id, k=10, offset=130)
        assert found.final is not None
        assert (found.final.rank, found.final.score) == (hit.rank, hit.score)
        assert found.absent is None


def test_clicks_on_a_later_page_are_logged_at_their_ranks(index: Index) -> None:
    hits = index.search("pear", k=10, offset=10).hits
    index.feedback("pear", [hit.id for hit in hits], [hits[2].id], first=hits[0].rank)
    assert list(index.impressions())[-1].first == 11


def test_the_command_line_turns_pages(tmp_path: Path) -> None:
    with Index.create(tmp_path / "idx", encoder=None) as index:
        index.add(map(document, range(30)))
        expected = [(hit.rank, hit.id) for hit in index.search("pear", k=8)]
    told = answer("search", tmp_path / "idx", "pear", "-k", 4, "--offset", 4)
    assert [(hit["rank"], hit["id"]) for hit in told["hits"]] == expected[4:8]
    assert f"{expected[4][0]} " in run("search", tmp_path / "idx", "pear", "--offset", 4).out
