"""Equal scores stand in one order: in a search, in a MemoryIndex, in runs from files; whatever was added
first, after compaction and when a document is added again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid import RRF, Adaptive, CombSUM, Document, Index, Linear, MemoryIndex, Rocchio
from hybrid.disk.folder import Folder
from hybrid.evaluate import evaluate, parse, read_run
from hybrid.ledger.lifetimes import keys, marks
from hybrid.ledger.rows import Rows
from hybrid.lexical import pruning
from hybrid.lexical.terms import Terms
from hybrid.lexical.writer import LexicalLeg
from hybrid.order import Pool, among, beyond, places
from hybrid.rerank import MMR, Popularity, Recency
from hybrid.types import Candidates, Metric
from hybrid.vector.graph import Graph
from hybrid.vector.view import VectorView
from tests.contracts.fusion import candidates
from tests.ties import by_ties, key

TEXTS = ("red kettle", "kettle", "kettle of red steel", "tea")
VECTORS = ([1, 0], [1, 0], [0, 1], [3, 4], None)
WAYS: dict[str, dict[str, Any]] = {
    "RRF": {"fusion": RRF()},
    "Linear": {"fusion": Linear()},
    "Linear, complete": {"fusion": Linear((1, 2), "z-score", complete=True)},
    "one leg of none": {"fusion": Linear((0, 1), "min-max")},
    "CombSUM": {"fusion": CombSUM()},
    "Rocchio": {"fusion": Rocchio()},
    "Adaptive": {"fusion": Adaptive("overlap")},
    "shallow": {"fusion": RRF(), "depth": 7},
    "shallow, on and on": {"fusion": Linear(), "depth": 3},
    "lexical": {"mode": "lexical"},
    "vector": {"mode": "vector"},
    "filtered": {"filter": {"even": True}},
    "MMR": {"reranker": MMR(0.5)},
    "MMR of one leg": {"reranker": MMR(0.2), "mode": "vector", "depth": 11},
    "popularity": {"reranker": Popularity("likes"), "fusion": RRF()},
    "recency": {"reranker": Recency("likes", 1, now=0.0)},
}


def document(number: int) -> Document:
    """One of few texts and vectors, so that nearly all tie."""
    text, near = TEXTS[number % 4], VECTORS[number % 5]
    return Document(
        f"d{number}", text, metadata={"even": number % 2 == 0, "likes": number % 3}, vector=near
    )


def answers(index: Any) -> dict[str, list[tuple[str, float]]]:
    query: dict[str, Any] = {"query": "red kettle", "vector": [0.6, 0.8], "k": 60}
    return {
        name: [(hit.id, hit.score) for hit in index.search(**query, **how)]
        for name, how in WAYS.items()
        if isinstance(index, Index) or "reranker" not in how
    }


def test_the_key_is_what_it_is_said_to_be() -> None:
    ids = [*map(str, range(300)), "无线耳机", "d-1", "a" * 4096]
    assert keys(marks(ids)).tolist() == [key(id) for id in ids]
    first = by_ties(map(str, range(1000)))
    assert sum(int(id) for id in first[:500]) == pytest.approx(250_000, rel=0.05)  # like a drawn half


METRICS: list[Metric] = ["cosine", "ip", "l2"]


@pytest.mark.parametrize("metric", METRICS)
def test_no_ranking_depends_on_when_or_how_often_a_document_was_added(
    tmp_path: Path, metric: Metric
) -> None:
    drawn = random.Random(metric)
    documents = [document(number) for number in range(45)]
    with Index.create(tmp_path / "a", encoder=None, metric=metric) as index:
        index.add(documents)
        expected = answers(index)
    memory = MemoryIndex(metric=metric)
    memory.add(documents)
    plain = answers(memory)
    drawn.shuffle(documents)
    with Index.create(tmp_path / "b", encoder=None, metric=metric) as index:
        for again in (documents[:20], drawn.sample(documents, 30), documents[15:]):
            index.add(again)
        index.delete([documents[3].id, documents[8].id])
        index.add([documents[3], documents[8]])
        twice = {name: [id for id, _ in hits] for name, hits in answers(index).items()}
        assert twice["vector"] == [id for id, _ in expected["vector"]]
        index.compact()
        assert answers(index) == expected
        index.reindex(analyzer="english")
        assert answers(index) == expected
    memory = MemoryIndex(metric=metric)
    memory.add(documents[30:])
    memory.add(documents)
    memory.add(documents[:5])
    assert answers(memory) == plain
    for name in ("RRF", "shallow", "lexical", "vector"):
        assert [id for id, _ in plain[name]] == [id for id, _ in expected[name]]


class Constant:
    """A fusion, and a reranker, that know nothing."""

    def __call__(self, *given: Any) -> Candidates:
        if isinstance(given[0], list):
            found = np.unique(np.concatenate([leg.ordinals for leg in given[0]]))
        else:
            found = np.sort(given[1].ordinals)
        return Candidates(found, np.zeros(len(found), np.float32))


@pytest.mark.parametrize("how", [{"fusion": Constant()}, {"reranker": Constant()}])
def test_who_knows_nothing_wins_nothing_where_the_relevant_were_added_first(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    documents = [Document(f"d{i}", "same words") for i in range(60)]
    qrels = {"q": {f"d{i}": 1 for i in range(6)}}
    memory = MemoryIndex()
    with Index.create(tmp_path / "idx", encoder=None) as index:
        for one in (index, memory):
            one.add(documents)
            run = one.run({"q": "words"}, k=60, **how)
            assert [id for id, _ in run["q"]] == by_ties(document.id for document in documents)
            figure = evaluate({"s": run}, qrels, parse("nDCG@10")).systems["s"]["nDCG@10"]
            assert figure < 0.5


def test_a_run_from_a_file_ties_as_a_search_does(tmp_path: Path) -> None:
    ids = [f"d{i}" for i in range(40)]
    lines = [f"q Q0 {id} {i + 1} {1.0 + (i % 2) * 1e-9} t\n" for i, id in enumerate(ids)]
    (tmp_path / "run").write_text("".join(lines))  # equal as float32
    assert [id for id, _ in read_run(tmp_path / "run")["q"]] == by_ties(ids)


# -- the cut of a leg


@pytest.fixture(scope="module")
def equals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LexicalLeg]:
    """20,000 documents of one text, in four segments, and some better ones."""
    leg = LexicalLeg(Folder.open(tmp_path_factory.mktemp("equals")), "uuid")
    for start in range(0, 20_000, 5_000):
        leg.apply(start, [[Terms([], ["same", "text"])]] * 5_000, [])
    leg.apply(20_000, [[Terms([], ["same", "same"])]] * 3, [])
    yield leg
    leg.close()


TIES = places(keys(marks(map(str, range(20_003)))), np.arange(20_003))
FIRST: list[int] = np.argsort(TIES[:20_000]).tolist()


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("passes", [None, 3, 100])
def test_all_equal_documents_are_seen_before_the_lexical_list_is_cut(
    equals: LexicalLeg, monkeypatch: pytest.MonkeyPatch, prune: bool, passes: int | None
) -> None:
    if prune:
        monkeypatch.setattr(pruning, "LEAST_POSTINGS", 0)
        monkeypatch.setattr(pruning, "_WORTH", np.inf)
    # One in a hundred are looked up, each by itself.
    allowed = None if passes is None else np.arange(20_003) % passes == 0
    better = sorted((20_000, 20_001, 20_002), key=TIES.__getitem__)
    expected = [ordinal for ordinal in (*better, *FIRST) if allowed is None or allowed[ordinal]]
    for k in (1, 10, 150):
        found = equals.view().search(["same", "unheard"], k, allowed, ties=TIES)
        assert found.ordinals.tolist() == expected[:k]
        whole = equals.view().search(["same", "text"], k, allowed, depth=5, ties=TIES)
        assert whole.ordinals.tolist() == [o for o in FIRST if allowed is None or allowed[o]][:k]


@pytest.mark.parametrize("windows", [1, 2])
def test_all_equal_rows_are_seen_before_the_vector_list_is_cut(
    windows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid.vector.view.EXACT_ROWS", 50)  # so that the graph is asked
    n = 4000
    vectors = np.tile(np.array([[0.6, 0.8, 0, 0]], np.float32), (n, 1))
    vectors[:9] = [0, 0.8, 0.6, 0]
    graph = Graph("cosine", 4)
    graph.insert(vectors[: n - 100], lambda: False)
    rows = Rows(vectors, np.arange(n) // windows, np.zeros((n, 2), np.int64))
    query = np.array([0.6, 0.8, 0, 0], np.float32)
    order = np.argsort(TIES[: n // windows]).tolist()
    last = [ordinal for ordinal in order if ordinal < 9 // windows]
    expected = [ordinal for ordinal in order if ordinal not in last] + last
    for view in (VectorView(rows, "cosine", None), VectorView(rows, "cosine", graph)):
        for k in (1, 20, 100):
            assert view.search(query, k, ties=TIES).ordinals.tolist() == expected[:k]
            assert view.search(query, k, depth=30, ties=TIES).ordinals.tolist() == expected[:k]


# -- places and numbers


def test_a_place_is_nobody_elses_and_sorts_as_the_order_of_ties() -> None:
    ties = places(np.array([7, 3, 3, 2**31 - 1, 0], np.int64), np.arange(5))
    assert np.argsort(ties).tolist() == [4, 1, 2, 0, 3]  # 1 and 2 have one key: by ordinal
    largest = places(np.array([2**31 - 1]), np.array([2**32 - 1]))
    assert largest.tolist() == [2**63 - 1]


def test_candidates_are_numbered_in_the_order_of_ties() -> None:
    ties = places(np.array([7, 3, 3, 2**31 - 1, 0], np.int64), np.arange(5))
    legs = [candidates({3: 9.0, 0: 8.0, 2: 1.0}, floor=0.0), candidates({1: 5.0, 0: 4.0})]
    pool = Pool.of(legs, ties)
    assert pool.ordinals.tolist() == [1, 2, 0, 3]
    assert [leg.ordinals.tolist() for leg in pool.legs] == [[3, 2, 1], [0, 2]]
    assert [leg.scores.tolist() for leg in pool.legs] == [leg.scores.tolist() for leg in legs]
    assert [leg.floor for leg in pool.legs] == [0.0, None]
    assert [pool.named(leg).ordinals.tolist() for leg in pool.legs] == [[3, 0, 2], [1, 0]]
    assert len(Pool.of([Candidates.none(), Candidates.none()], ties)) == 0


def listed(*ordinals: int) -> Candidates:
    return Candidates(np.array(ordinals, np.int64), -np.arange(len(ordinals), dtype=np.float32))


def test_beyond_the_heads_the_legs_take_turns() -> None:
    legs = listed(1, 2, 3, 4, 5, 6), listed(9, 4, 8, 7, 2)
    assert beyond(legs, (2, 1)).tolist() == [3, 4, 8, 5, 7, 6]
    assert beyond(legs, (0, 0)).tolist() == [1, 9, 2, 4, 3, 8, 7, 5, 6]
    assert beyond(legs, (9, 9)).tolist() == beyond((listed(), listed()), (1, 1)).tolist() == []
    assert beyond((listed(), legs[1]), (3, 3)).tolist() == [7, 2]


@given(st.permutations(range(12)), st.permutations(range(12)), st.integers(0, 5), st.integers(0, 5))
def test_what_is_lacking_does_not_change_when_the_legs_go_deeper(
    a: list[int], b: list[int], c: int, d: int
) -> None:
    legs = listed(*a), listed(*b)
    heads = set(a[:c]) | set(b[:d])
    whole = beyond(legs, (c, d)).tolist()
    assert sorted(whole) == sorted(set(range(12)) - heads)
    for wanted in range(13):
        some = beyond((legs[0].top(max(c, wanted)), legs[1].top(max(d, wanted))), (c, d)).tolist()
        lacking = max(0, wanted - len(heads))
        assert some[:lacking] == whole[:lacking]


@given(st.lists(st.integers(-9, 9), unique=True), st.lists(st.integers(-9, 9)))
def test_which_are_among_others(some: list[int], others: list[int]) -> None:
    found = among(np.array(some, np.int64), np.array(others, np.int64))
    assert found.tolist() == [value in others for value in some]
