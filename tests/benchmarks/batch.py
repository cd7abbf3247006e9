"""`search_many` of a thousand queries against what its two libraries need for them on one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import tantivy

from hybrid import RRF, Index
from hybrid.graph import EF_SEARCH
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import LONG, SHORT, House, bare_search, stack
from tests.benchmarks.measure import whole
from tests.benchmarks.report import Report

SIZE: Final = 1_000
DEPTH: Final = 100
_ROUNDS: Final = 3
_NOTE: Final = (
    "`bare`: one vectorised knn_query for all, then tantivy query by query, terms ready, nothing fused or "
    "fetched, one core. `of bare`: queries a second of wall time by those of `bare`."
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
            found = whole(contestants, rounds=_ROUNDS)
            for name, timing in found.items():
                table.add(
                    queries=kind,
                    what=name,
                    **{"queries/s": SIZE / timing.p50 * 1000, "CPU ms a query": timing.cpu / SIZE},
                    **{"of bare": found["bare"].p50 / timing.p50},
                )
    return report


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
