"""Does an index answer as MemoryIndex does? The first difference, in a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hybrid import RRF, Document, HybridError, Index, MemoryIndex, Results
from tests.durability.program import IDS, Program, Query

_ALL = 10 * len(IDS)


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
    yield from documents(index, memory)
    for query in asked:
        yield from _words(index, memory, query, exact)
        yield from _meaning(index, memory, query)
        yield from _both(index, memory, query, exact)


def documents(index: Index, memory: MemoryIndex) -> Iterator[str]:
    """Where what is stored differs: ids, texts, titles, metadata."""
    if len(index) != len(memory):
        yield f"{len(index)} documents, not {len(memory)}"
    for id in IDS:
        if (mine := index.get(id)) != (its := memory.get(id)):
            yield f"document {id}: {_shown(mine)}, not {_shown(its)}"


def _words(index: Index, memory: MemoryIndex, query: Query, exact: bool) -> Iterator[str]:
    options = {"k": _ALL, "mode": "lexical", "filter": query.where}
    mine, its = index.search(query.text, **options), memory.search(query.text, **options)
    yield from _same_ids(f"lexical {query.text!r} {query.where}", mine, its)
    if mine.total != its.total:
        yield f"lexical {query.text!r}: total {mine.total}, not {its.total}"
    if exact:
        yield from _same_scores(f"lexical {query.text!r}", mine, its, 1e-4)


def _meaning(index: Index, memory: MemoryIndex, query: Query) -> Iterator[str]:
    for k in (5, _ALL):
        options = {"k": k, "mode": "vector", "filter": query.where}
        mine = index.search(None, vector=query.vector, **options)
        its = memory.search(None, vector=query.vector, **options)
        yield from _same_ids(f"vector, {k} nearest, {query.where}", mine, its)
        yield from _same_scores(f"vector, {k} nearest, {query.where}", mine, its, 1e-4)


def _both(index: Index, memory: MemoryIndex, query: Query, exact: bool) -> Iterator[str]:
    options = {"k": _ALL, "mode": "hybrid", "filter": query.where, "fusion": RRF()}
    mine = index.search(query.text, vector=query.vector, **options)
    its = memory.search(query.text, vector=query.vector, **options)
    yield from _same_ids(f"hybrid {query.text!r} {query.where}", mine, its)
    if exact:  # documents whose scores tie up to rounding may swap ranks: 1/60 - 1/62
        yield from _same_scores(f"hybrid {query.text!r}", mine, its, 2e-3)


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
    return "none" if document is None else f"{document.title} {document.text[:20]!r} {document.metadata}"
