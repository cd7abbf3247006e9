"""Does an index answer as MemoryIndex does? The first difference, in a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

import numpy as np

from hybrid import RRF, Document, HybridError, Index, MemoryIndex, Results
from tests.durability.program import IDS, Program, Query

_ALL: Final = 10 * len(IDS)


class Lost(Exception):
    """An index is not what it should be."""


@dataclass
class Judge:
    """Holds an index to the rule of the prefix: it has the first ``steps`` operations of the program, which
    were acknowledged, or some more of the ``begun``, whole. ``memory`` has the first ``steps``."""

    program: Program
    memory: MemoryIndex
    steps: int
    begun: int
    asked: Sequence[Query] = ()

    def judge(self, index: Index, who: str, *, exact: bool = False) -> None:
        """Raise Lost unless the rule holds; then ``steps`` is how many operations there are. What was seen
        once stays: where an earlier look found what was not acknowledged, this one must too."""
        complaints: list[str] = []
        while complaint := difference(index, self.memory, self.asked, exact=exact):
            complaints.append(f"with {self.steps} operations: {complaint}")
            if self.steps >= self.begun:
                raise Lost(f"{who}: {'; '.join(complaints)}")
            self.memory = deepcopy(self.memory)
            self.program[self.steps].remember(self.memory)
            self.steps += 1

    def verify(self, index: Index) -> None:
        """Raise Lost where the index itself finds something wrong."""
        for line in index.verify():
            raise Lost(f"verify: {line}")


def difference(index: Index, memory: MemoryIndex, asked: Sequence[Query], *, exact: bool) -> str | None:
    """Where documents or answers differ. BM25 statistics count the dead until compaction: before it
    (``exact`` False) the same documents must be found, after it they must be ranked the same."""
    try:
        return next(_differences(index, memory, asked, exact), None)
    except HybridError as error:
        return f"{type(error).__name__}: {error}"


def _differences(index: Index, memory: MemoryIndex, asked: Sequence[Query], exact: bool) -> Iterator[str]:
    yield from _documents(index, memory)
    for query in asked:
        yield from _words(index, memory, query, exact)
        yield from _meaning(index, memory, query)
        yield from _both(index, memory, query, exact)


def _documents(index: Index, memory: MemoryIndex) -> Iterator[str]:
    """Where what is stored differs: ids, texts, titles, metadata, vectors."""
    if len(index) != len(memory):
        yield f"{len(index)} documents, not {len(memory)}"
    for mine, its in zip_longest(index.documents(), memory.documents()):
        if mine != its:
            yield f"{_shown(mine)}, not {_shown(its)}"
        elif mine is not None and not _same_vector(mine, its):
            yield f"{_shown(mine)} has another vector"
    for id in IDS[::8]:
        if (one := index.get(id)) != (other := memory.get(id)):
            yield f"get {id!r}: {_shown(one)}, not {_shown(other)}"


def _same_vector(mine: Document, its: Document) -> bool:
    if mine.vector is None or its.vector is None:
        return mine.vector is its.vector
    return np.array_equal(mine.vector, its.vector)


def _ask(index: Index, memory: MemoryIndex, text: str | None, **options: Any) -> tuple[Results, Results]:
    return index.search(text, **options), memory.search(text, **options)


def _words(index: Index, memory: MemoryIndex, query: Query, exact: bool) -> Iterator[str]:
    what = f"lexical {query.text!r} {query.where}"
    mine, its = _ask(index, memory, query.text, k=_ALL, mode="lexical", filter=query.where)
    yield from _same_ids(what, mine, its)
    if mine.total != its.total:
        yield f"{what}: total {mine.total}, not {its.total}"
    if exact:
        yield from _same_scores(what, mine, its, 1e-4)


def _meaning(index: Index, memory: MemoryIndex, query: Query) -> Iterator[str]:
    for k in (5, _ALL):
        what = f"vector, {k} nearest, {query.where}"
        options: dict[str, Any] = {"vector": query.vector, "k": k, "mode": "vector", "filter": query.where}
        mine, its = _ask(index, memory, None, **options)
        yield from _same_ids(what, mine, its)
        yield from _same_scores(what, mine, its, 1e-4)


def _both(index: Index, memory: MemoryIndex, query: Query, exact: bool) -> Iterator[str]:
    what = f"hybrid {query.text!r} {query.where}"
    options: dict[str, Any] = {"vector": query.vector, "k": _ALL, "filter": query.where, "fusion": RRF()}
    mine, its = _ask(index, memory, query.text, **options)
    yield from _same_ids(what, mine, its)
    if exact:  # documents whose scores tie up to rounding may swap ranks: 1/60 - 1/62
        yield from _same_scores(what, mine, its, 2e-3)


def _same_ids(what: str, mine: Results, its: Results) -> Iterator[str]:
    found, expected = {hit.id for hit in mine}, {hit.id for hit in its}
    if found != expected or len(mine) != len(its):
        yield f"{what}: lacks {sorted(expected - found)}, has {sorted(found - expected)} too many"
    old = [hit.id for hit in mine if (document := _of(its, hit.id)) and hit.document != document]
    if old:
        yield f"{what}: another version of {old}"


def _of(results: Results, id: str) -> Document | None:
    return next((hit.document for hit in results if hit.id == id), None)


def _same_scores(what: str, mine: Results, its: Results, tolerance: float) -> Iterator[str]:
    found, expected = [hit.score for hit in mine], [hit.score for hit in its]
    if len(found) == len(expected) and not np.allclose(found, expected, rtol=tolerance, atol=tolerance):
        yield f"{what}: other scores"


def _shown(document: Document | None) -> str:
    return "none" if document is None else f"{document.id} of {document.title} {document.text[:20]!r}"
