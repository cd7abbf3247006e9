"""Targets: searching, fetching and deleting with any Python values, on Index and MemoryIndex alike."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from hybrid import RRF, Linear, MinMax, check_citations, fusion
from hybrid.metadata.filters import parse
from hybrid.types import Candidates
from tests.fuzzing.inputs import JSON, ODD, TEXTS, VALUES, WORDS, Huge, laughing_dict
from tests.fuzzing.target import Target, World, outcome
from tests.metadata.test_columns import METADATA, columns_of, filters_about

VECTORS = st.lists(st.floats(-2, 2, width=32), min_size=32, max_size=32)
MODES = st.sampled_from(["hybrid", "lexical", "vector"])
OPERATORS = st.sampled_from(["gt", "in", "near", "km", "exists"])
CONNECTIVES = st.sampled_from(["and", "or", "not"])
ROUGH_FILTERS = st.recursive(
    st.dictionaries(TEXTS | st.sampled_from(["n", "o.s"]), VALUES, max_size=2)
    | st.dictionaries(OPERATORS, VALUES).map(lambda condition: {"n": condition}),
    lambda inner: st.dictionaries(CONNECTIVES, st.lists(inner, max_size=3) | inner),
    max_leaves=4,
)
FILTERS = st.none() | st.sampled_from([{"n": {"lt": 5}}, {"o.s": "v1"}]) | ROUGH_FILTERS
COUNTS = st.integers(1, 20) | st.sampled_from([0, -1, 10**5, 10**5 + 1, 10**9, Huge(10**5000)]) | ODD
NO_CODE = VALUES.filter(lambda value: not callable(value))
FUSIONS = st.sampled_from([None, RRF(), RRF(0), Linear((0, 1), MinMax())]) | NO_CODE
PATHS = st.sampled_from(["n", "o.s", "-n", "metadata.o", "title", "text"]) | TEXTS
SHOWN: dict[str, Any] = {
    "sort": st.none() | PATHS | st.lists(PATHS | VALUES, max_size=3) | VALUES,
    "fields": st.none() | st.lists(PATHS | VALUES, max_size=3) | VALUES,
    "group_by": st.sampled_from(["document", "n", "o.s", None]) | VALUES,
    "sentences": COUNTS,
    "cursor": st.booleans() | VALUES,
}
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "k": COUNTS,
        "offset": COUNTS,
        "depth": COUNTS | st.none(),
        "mode": MODES | VALUES,
        "filter": FILTERS | VALUES,
        "fusion": FUSIONS,
        "reranker": NO_CODE,
        **SHOWN,
    },
)
MILD = st.fixed_dictionaries(
    {}, optional={"k": COUNTS, "offset": COUNTS, "mode": MODES, "filter": FILTERS, **SHOWN}
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "tokens": COUNTS,
        "per_document": COUNTS,
        "neighbours": COUNTS,
        "order": st.sampled_from(["document", "score"]) | VALUES,
        "min_relevance": st.none() | VALUES,
        "count": st.sampled_from([None, len]) | NO_CODE,
        "k": COUNTS,
        "mode": MODES,
        "filter": FILTERS,
    },
)
CITING = st.lists(st.sampled_from(["[1]", "【2、9】", "[1-3]", " ", ". ", "。", "\n"]) | TEXTS).map("".join)
QUERIES = st.none() | WORDS | TEXTS
READY = st.none() | VECTORS | VECTORS.map(np.array)


def _alike(world: World, method: str, *arguments: Any, **options: Any) -> tuple[str, Any]:
    mine, its = (
        outcome(partial(getattr(index, method), *arguments, **options))
        for index in (world.index, world.memory)
    )
    assert mine[0] == its[0], f"Index: {mine[0]}, MemoryIndex: {its[0]}"
    return mine[0], (mine[1], its[1])


def _search(world: World, input: tuple[Any, Any, dict[str, Any]]) -> None:
    query, vector, options = input
    kind, found = _alike(world, "search", query, vector=vector, **options)
    if kind == "answer":
        mine, its = found
        assert (len(mine), mine.total) == (len(its), its.total)
        assert all(np.isfinite(hit.score) for hit in mine)


def _search_many(world: World, input: tuple[Any, Any, dict[str, Any]]) -> None:
    queries, vectors, options = input
    kind, found = _alike(world, "search_many", queries, vectors=vectors, **options)
    if kind == "answer":
        mine, its = found
        assert [len(results) for results in mine] == [len(results) for results in its]


def _context(world: World, input: tuple[Any, Any, dict[str, Any]]) -> None:
    query, vector, options = input
    kind, found = _alike(world, "context", query, vector=vector, **options)
    if kind == "answer":
        for context in found:
            assert context.tokens <= options.get("tokens", 2000)
            for one in context:
                document = world.index.get(one.id)
                assert document is not None
                assert document.text[one.start : one.end] == one.text


def _citations(world: World, answer: Any) -> None:
    context = world.memory.context("kettle", order="score")
    kind, found = outcome(lambda: check_citations(answer, context))
    if kind == "answer":
        numbers = {one.number for one in context}
        assert numbers >= set(found.cited)
        assert not numbers.intersection(found.missing)


def _run(world: World, input: tuple[Any, dict[str, Any]]) -> None:
    queries, options = input
    kind, found = _alike(world, "run", queries, **options)
    if kind == "answer":
        assert found[0].keys() == found[1].keys()


def _fetch(world: World, id: Any) -> None:
    kind, found = _alike(world, "get", id)
    if kind == "answer":
        assert found[0] == found[1]


def _delete(world: World, ids: Any) -> None:
    kind, found = _alike(world, "delete", ids)
    if kind == "answer":
        assert found == (0, 0)


def _parse(_: World, source: Any) -> None:
    kind, wanted = outcome(lambda: parse(source))
    if kind == "answer":
        wanted.matches({"n": 1, "o": {"s": "v1"}})


def _mask(_: World, input: tuple[list[Any], list[Any]]) -> None:
    documents, sources = input
    columns, places = columns_of(list(enumerate(documents))), range(len(documents))
    for source in sources:
        wanted = parse(source)
        mask = columns.mask(
            wanted, len(documents), lambda ids: np.flatnonzero([f"d{i}" in ids for i in places])
        )
        assert mask.tolist() == [wanted.matches(m, f"d{i}") for i, m in enumerate(documents)]


def _fuse(_: World, profile: Any) -> None:
    kind, made = outcome(lambda: fusion.load(profile))
    if kind == "answer":
        legs = [
            Candidates(np.arange(n), np.linspace(1, s, n, dtype=np.float32), 0.0)
            for n, s in ((5, 0), (3, 1))
        ]
        found = made(legs, 4)
        assert len(found) == 4
        assert np.isfinite(found.scores).all()
        assert fusion.load(fusion.dump(made)) == made


_DOCUMENTS_AND_FILTERS = st.lists(METADATA, min_size=1, max_size=6).flatmap(
    lambda documents: st.tuples(
        st.just(documents), st.lists(filters_about(documents), min_size=1, max_size=3)
    )
)
LEGS = st.sampled_from(["lexical", "vector"])
_PROFILES = st.fixed_dictionaries(
    {"method": st.sampled_from(["rrf", "linear"]) | JSON},
    optional={
        "k": st.integers() | JSON,
        "weights": st.lists(st.floats(), max_size=3) | st.dictionaries(LEGS, JSON) | JSON,
        "normalize": st.sampled_from(["min-max", "theoretical-min-max", "z-score", "distribution"]) | JSON,
        "more": JSON,
    },
)


def _some(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | VALUES


TARGETS = [
    Target("search", st.tuples(QUERIES | VALUES, READY | VALUES, OPTIONS), _search),
    Target("search, mostly right", st.tuples(QUERIES, READY, MILD), _search),
    Target(
        "search_many",
        st.tuples(_some(QUERIES), st.none() | _some(READY), MILD),
        _search_many,
    ),
    Target("context", st.tuples(QUERIES, READY, CONTEXTS), _context),
    Target("check_citations", CITING | VALUES, _citations),
    Target("run", st.tuples(st.dictionaries(TEXTS, QUERIES | VALUES, max_size=3) | VALUES, MILD), _run),
    Target("get", TEXTS | VALUES | st.sampled_from([f"d{i}" for i in range(12)]), _fetch),
    Target("delete", st.lists(TEXTS | VALUES, max_size=3) | VALUES, _delete),
    Target("filters.parse", ROUGH_FILTERS | VALUES | st.just(laughing_dict("and", 30)), _parse),
    Target("filters, against the plain meaning", _DOCUMENTS_AND_FILTERS, _mask),
    Target("fusion.load", _PROFILES | JSON | VALUES, _fuse),
]
