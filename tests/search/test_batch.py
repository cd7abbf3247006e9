"""`search_many` answers what `search` answers one by one, to the bit, whatever the graph is asked ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hybrid import RRF, Document, Index, Linear
from hybrid.errors import StorageError
from hybrid.rerank import MMR
from hybrid.search import batch
from hybrid.search.batch import Ahead
from hybrid.types import Results
from hybrid.vector import graph, leg

DIM = 8
WORDS = ("apple", "pear", "quince", "plum", "fig", "date", "lime")
RANDOM = np.random.default_rng(4)


@pytest.fixture(scope="module")
def patched() -> Iterator[None]:
    """Graphs from some dozens of rows on, and small chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leg, "SEAL_AT", 32)
        patch.setattr("hybrid.vector.view.EXACT_ROWS", 40)
        patch.setattr(batch, "CHUNK", 4)
        yield


@pytest.fixture(scope="module", params=["cosine", "ip", "l2"])
def index(request: Any, patched: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """Some documents without vectors, some with several, some dead."""
    folder = tmp_path_factory.mktemp("batch") / "idx"
    with Index.create(folder, encoder=None, analyzer="english", metric=request.param) as index:
        index.add(map(document, range(600)))
        index.delete([f"d{n}" for n in range(0, 600, 7)])
        index._store.generation.vector.settle()
        yield index


def document(number: int) -> Document:
    words = RANDOM.choice(WORDS, 6)
    vectors = RANDOM.normal(size=(1 + number % 3, DIM))
    return Document(
        f"d{number}",
        " ".join(words),
        metadata={"n": number, "even": number % 2 == 0},
        vector=None if number % 11 == 0 else vectors,
    )


def questions(count: int) -> tuple[list[str], list[Any]]:
    texts = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(1, 4))) for _ in range(count)]
    return texts, list(RANDOM.normal(size=(count, DIM)))


def same(some: list[Results], others: list[Results]) -> bool:
    return [(r.hits, r.total, r.sequence) for r in some] == [(r.hits, r.total, r.sequence) for r in others]


OPTIONS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["hybrid", "hybrid", "vector", "lexical"]),
        "k": st.sampled_from([1, 3, 10, 40, 700]),
        "depth": st.sampled_from([None, 1, 20, 100]),
        "filter": st.sampled_from([None, None, {"even": True}, {"n": {"lt": 30}}, {"n": {"lt": 450}}]),
        "fusion": st.sampled_from([None, RRF(), Linear(weights=(0.3, 0.7))]),
        "reranker": st.sampled_from([None, None, MMR()]),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=OPTIONS, count=st.integers(0, 14), given=st.sampled_from(["texts", "vectors", "both"]))
def test_many_answer_as_one_by_one(index: Index, options: Any, count: int, given: str) -> None:
    assume((options["mode"], given) not in {("lexical", "vectors"), ("vector", "texts")})
    texts, vectors = questions(count)
    if count > 1:
        texts[-1], vectors[-1] = texts[0], vectors[0]  # the same object twice
    asked: dict[str, Any] = {"queries": texts, "vectors": vectors}
    if given != "both":
        del asked[{"texts": "vectors", "vectors": "queries"}[given]]
    singles = [
        index.search(asked["queries"][i] if "queries" in asked else None, **_vector(asked, i), **options)
        for i in range(count)
    ]
    assert same(index.search_many(**asked, **options), singles)


def _vector(asked: dict[str, Any], i: int) -> dict[str, Any]:
    return {"vector": asked["vectors"][i]} if "vectors" in asked else {}


def test_the_graph_is_asked_a_chunk_at_a_time(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks: list[int] = []
    ask = graph.Graph.search_many

    def counted(self: graph.Graph, queries: Any, k: int, effort: int) -> Any:
        chunks.append(len(queries))
        assert threading.current_thread() is not threading.main_thread()
        return ask(self, queries, k, effort)

    monkeypatch.setattr(graph.Graph, "search_many", counted)
    monkeypatch.setattr(graph.Graph, "search", None)  # no further look is needed
    texts, vectors = questions(10)
    index.search_many(texts, vectors=vectors, k=3, depth=5)
    assert chunks == [4, 4, 2]


class Sighted:
    """A graph that answers with what it was asked."""

    rows = 9

    def search(self, query: Any, k: int, effort: int) -> Any:
        return "one", float(query[0]), k, effort

    def search_many(self, queries: Any, k: int, effort: int) -> Any:
        return [("many", float(query[0]), k, effort) for query in queries]


def test_only_the_first_look_of_each_is_taken_ahead(patched: None) -> None:
    queries = [np.array([n], np.float32) for n in range(6)]
    with Ahead(cast(Any, Sighted()), queries) as known:
        ahead = cast(Any, known)
        assert ahead.rows == 9
        assert ahead.search(queries[0], 5, 50) == ("many", 0, 5, 50)
        assert ahead.search(queries[0], 5, 50) == ("one", 0, 5, 50)
        assert ahead.search(queries[0], 9, 50) == ("one", 0, 9, 50)
        assert ahead.search(queries[1], 9, 90) == ("one", 1, 9, 90)
        assert ahead.search(queries[2], 5, 50) == ("many", 2, 5, 50)
        assert ahead.search(queries[5], 5, 50) == ("many", 5, 5, 50)
        assert ahead.search(np.array([7.0]), 5, 50) == ("one", 7, 5, 50)


def test_what_fails_ahead_is_raised(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(graph.Graph, "search_many", fail)
    texts, vectors = questions(10)
    with pytest.raises(StorageError, match="out of memory"):
        index.search_many(texts, vectors=vectors)
    assert index.search_many(texts)[0].hits
