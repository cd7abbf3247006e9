"""`search_many` of a thousand queries against what its two libraries need for them on one core."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import tantivy

from hybrid import RRF, Index
from hybrid.vector.hnsw import EF_SEARCH
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import LONG, SHORT, House, bare_search, stack
from tests.benchmarks.report import Report

SIZE: Final = 1_000
DEPTH: Final = 100
_ROUNDS: Final = 5
_NOTE: Final = (
    "`bare`: one vectorised knn_query for all, then tantivy query by query, terms ready, nothing fused or "
    "fetched, one core. `of bare`: queries a second of wall time by those of `bare`. `of bare by CPU`: CPU "
    "of `bare` by that of the busiest thread: what a machine with a free core would show. Medians of "
    "rounds."
)


def run(house: House) -> Report:
    report = Report("batch", documents=house.plan.documents, queries=SIZE, depth=DEPTH)
    table = report.table("A thousand hybrid queries", note=_NOTE)
    lexical, graph = house.bare_lexical(), house.graph()
    lexical.reload()
    graph.set_ef(EF_SEARCH)
    with Index.open(house.index_path, read_only=True) as index:
        for kind, span in (("short", SHORT), ("long", LONG)):
            queries = house.corpus.queries(SIZE, *span, salt=2)
            contestants = {
                "bare": _bare(house, queries, lexical, graph),
                "search_many, default": _many(index, queries),
                "search_many, RRF": _many(index, queries, fusion=RRF()),
            }
            found = _interleaved(contestants)
            bare = found["bare"]
            for name, took in found.items():
                table.add(
                    queries=kind,
                    what=name,
                    **{"queries/s": SIZE / median(one.wall for one in took)},
                    **{"CPU ms a query": 1000 / SIZE * median(one.cpu for one in took)},
                    **{"of bare": median(b.wall / t.wall for b, t in zip(bare, took, strict=True))},
                    **{
                        "of bare by CPU": median(b.cpu / t.busiest for b, t in zip(bare, took, strict=True))
                    },
                )
    return report


@dataclass(frozen=True)
class _Took:
    """Seconds. ``busiest``: of CPU, by the thread that asks or by all others together, which is more."""

    wall: float
    cpu: float
    busiest: float


def _interleaved(contestants: dict[str, Callable[[], object]]) -> dict[str, list[_Took]]:
    """One round more is run before, untimed."""
    found: dict[str, list[_Took]] = {name: [] for name in contestants}
    for turn in range(-1, _ROUNDS):
        for name, work in contestants.items():
            took = _clocked(work)
            if turn >= 0:
                found[name].append(took)
    return found


def _clocked(work: Callable[[], object]) -> _Took:
    wall, cpu, asking = time.perf_counter(), time.process_time(), time.thread_time()
    work()
    asked, used = time.thread_time() - asking, time.process_time() - cpu
    return _Took(time.perf_counter() - wall, used, max(asked, used - asked))


def _bare(house: House, queries: Sequence[Query], lexical: tantivy.Index, graph: Any) -> Callable[[], None]:
    terms, vectors = [house.analyzer.terms(query.text) for query in queries], stack(queries)
    searcher = lexical.searcher()

    def work() -> None:
        graph.knn_query(vectors, DEPTH, num_threads=1)
        for some in terms:
            bare_search(lexical, searcher, some, DEPTH)

    return work


def _many(index: Index, queries: Sequence[Query], **options: Any) -> Callable[[], object]:
    texts, vectors = [query.text for query in queries], stack(queries)
    return lambda: index.search_many(texts, vectors=vectors, depth=DEPTH, **options)
