"""The engine's legs against bare tantivy and bare hnswlib: same terms, same graph, same ef."""

from __future__ import annotations

from typing import Any, Final

import tantivy

from hybrid import Index
from hybrid.store.snapshot import Snapshot
from hybrid.vector.hnsw import EF_SEARCH
from tests.benchmarks.house import House, bare_query, bare_search, stack
from tests.benchmarks.measure import Ask, interleave
from tests.benchmarks.report import Report

DEPTHS: Final = (10, 100)
_NOTE: Final = (
    "`bare`: terms are ready, ordinals are read from the fast field; `search only`: they are not. `leg`: "
    "the engine's leg within a query, terms ready, limited to the living. `search`: the whole of "
    "`Index.search`, from the text, documents included. `by bare`: the ratio of p50s."
)


def run(house: House) -> Report:
    report = Report("bare", documents=house.plan.documents, queries=house.plan.queries, ef=EF_SEARCH)
    table = report.table("The engine's legs by the bare libraries", note=_NOTE)
    lexical, graph = house.bare_lexical(), house.graph()
    lexical.reload()
    graph.set_ef(EF_SEARCH)
    with Index.open(house.index_path, read_only=True) as index, index._store.reading() as snapshot:
        for kind in ("short", "long"):
            for k in DEPTHS:
                contestants = _lexical(house, kind, k, index, snapshot, lexical)
                contestants |= _vector(house, kind, k, index, snapshot, graph)
                found = interleave(contestants, house.plan.queries, rounds=house.plan.rounds)
                for name, timing in found.items():
                    bare = found[name.split(",")[0] + ", bare"]
                    ratios = {"by bare": timing.p50 / bare.p50, "CPU by bare": timing.cpu / bare.cpu}
                    table.add(queries=kind, k=k, what=name, **timing.row(), **ratios)
    return report


def _lexical(
    house: House, kind: str, k: int, index: Index, snapshot: Snapshot, bare: tantivy.Index
) -> dict[str, Ask]:
    texts = [query.text for query in house.queries(kind)]
    terms = [house.analyzer.terms(text) for text in texts]
    searcher = bare.searcher()
    return {
        "lexical, bare": lambda i: bare_search(bare, searcher, terms[i], k),
        "lexical, search only": lambda i: searcher.search(bare_query(bare, terms[i]), k, count=False),
        "lexical, leg": lambda i: snapshot.lexical.search(terms[i], k),
        "lexical, search": lambda i: index.search(texts[i], mode="lexical", k=k),
    }


def _vector(
    house: House, kind: str, k: int, index: Index, snapshot: Snapshot, graph: Any
) -> dict[str, Ask]:
    vectors = stack(house.queries(kind))
    return {
        "vector, bare": lambda i: graph.knn_query(vectors[i], k, num_threads=1),
        "vector, leg": lambda i: snapshot.vectors.search(vectors[i], k),
        "vector, search": lambda i: index.search(vector=vectors[i], mode="vector", k=k),
    }
