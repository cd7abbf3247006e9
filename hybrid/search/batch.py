"""Many queries at once: the answers of one by one, for less.

The graph answers a chunk of queries in one go, on a thread of its own, while the rest of the chunk before
is worked out (hnswlib and tantivy let the interpreter go); the documents of a chunk are fetched together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np

from hybrid.search.lanes import InTurn, Lanes
from hybrid.search.request import Request
from hybrid.search.search import answers
from hybrid.store.snapshot import Snapshot
from hybrid.threads import submit
from hybrid.types import Mask, Results, Scores
from hybrid.vector.finder import Finder
from hybrid.vector.graph import Found, Graph

CHUNK: Final = 32  # some 20 ms of the graph's time, for which nothing can be inserted

_Known: TypeAlias = dict[int, Found | None]


def answer_all(snapshot: Snapshot, requests: Sequence[Request], lanes: Lanes) -> list[Results]:
    """What `hybrid.search.search.answer` says to each of ``requests``, which are alike but for what they
    ask."""
    found: list[Results] = []
    with _ahead(snapshot, requests) as view:
        turns = lanes if view is snapshot else InTurn()
        for start in range(0, len(requests), CHUNK):
            found += answers(view, requests[start : start + CHUNK], turns)
    return found


@contextmanager
def _ahead(snapshot: Snapshot, requests: Sequence[Request]) -> Iterator[Snapshot]:
    """A snapshot whose graph looks ahead, where there is a graph to ask."""
    queries = [
        request.vector for request in requests if request.asks_meaning and request.vector is not None
    ]
    graph = snapshot.vectors.graph
    if not isinstance(graph, Graph) or len(queries) < 2:
        yield snapshot
        return
    with Ahead(graph, queries) as ahead:
        yield replace(snapshot, vectors=replace(snapshot.vectors, graph=ahead))


class Ahead:
    """Searches like the ``graph``, for one thread that asks it ``queries`` (dim,) in their order: the first
    look of each is taken together with those of its chunk."""

    def __init__(self, graph: Graph, queries: Sequence[Scores]) -> None:
        self._graph = graph
        self._chunks = [queries[start : start + CHUNK] for start in range(0, len(queries), CHUNK)]
        self._places = {id(query): place for place, chunk in enumerate(self._chunks) for query in chunk}
        self._asked: dict[int, Future[_Known]] = {}
        self._how: tuple[int, int] | None = None  # k and effort of first looks
        self._thread = ThreadPoolExecutor(1, "hybrid-ahead")

    @property
    def rows(self) -> int:
        return self._graph.rows

    @property
    def finder(self) -> Finder:
        return self._graph.finder

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Found | None:
        """As the graph's."""
        if passing is not None:
            return self._graph.search(query, k, effort, passing)
        self._how = self._how or (k, effort)
        place = self._places.pop(id(query), None) if self._how == (k, effort) else None
        if place is None:  # a further look
            return self._graph.search(query, k, effort)
        return self._looked(place)[id(query)]

    def _looked(self, place: int) -> _Known:
        for chunk in (place, place + 1):
            if chunk < len(self._chunks) and chunk not in self._asked:
                self._asked[chunk] = submit(self._thread, self._look, self._chunks[chunk])
        self._asked.pop(place - 1, None)
        return self._asked[place].result()

    def _look(self, chunk: Sequence[Scores]) -> _Known:
        assert self._how is not None
        found = self._graph.search_many(np.stack(chunk), *self._how)
        return dict(zip(map(id, chunk), found, strict=True))

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._chunks, self._asked = [], {}  # an answer keeps its snapshot, to count when asked
