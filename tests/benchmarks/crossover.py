"""Where one way becomes cheaper, or surer, than another: what the constants in hybrid/vector/view.py and
hnsw.py and ``_LOOK_UP`` in hybrid/lexical/bm25.py come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from hybrid import Index
from hybrid.lexical.bm25 import LexicalView
from hybrid.types import Mask, Matrix
from hybrid.vector import scan
from hybrid.vector.graph import Graph
from hybrid.vector.hnsw import EF_SEARCH
from hybrid.vector.view import VectorView
from tests.benchmarks.corpus import CATEGORIES, SHARDS
from tests.benchmarks.house import House, stack
from tests.benchmarks.measure import interleave, recall
from tests.benchmarks.report import Report, Table

_EFS: Final = (32, 64, 128, 256, EF_SEARCH, 1024)
_SHARES: Final = (0.01, 0.03, 0.10, 0.30, 0.50, 0.90)
_DEPTHS: Final = (10, 100)
_FEW: Final = (10, 30, 100, 300, 1000, 3000)
Find = Callable[[int], NDArray[np.int64]]


def run(house: House) -> Report:
    report = Report("crossover", documents=house.plan.documents, queries=house.plan.queries)
    queries = stack(house.queries("long"))
    with Index.open(house.index_path, read_only=True) as index, index._store.reading() as snapshot:
        _looks(house, snapshot.lexical, report.table("Few who pass, keywords", note=_OF_LOOKS))
        view = snapshot.vectors
        assert isinstance(view.graph, Graph)
        row = _scans(house, view, queries, report.table("Scans", note=_OF_SCANS))
        _efs(house, view, view.graph, queries, row, report.table("The graph by ef", note=_OF_EFS))
        for k in _DEPTHS:
            table = report.table(f"Ways to the best {k} under a filter", note=_OF_WAYS)
            for name, masks in _filters(house).items():
                _ways(house, view, view.graph, queries, k, name, masks, table)
    return report


_OF_LOOKS: Final = (
    "CPU ms for the best 100 among so many: `looked up` each by itself, or `fetched` until enough pass. "
    "`postings`: the median length of the terms' lists, by how many may pass."
)


def _looks(house: House, view: LexicalView, table: Table) -> None:
    rng, documents = np.random.default_rng(0), house.plan.documents
    for kind in ("short", "long"):
        asked = [house.analyzer.terms(query.text) for query in house.queries(kind)]
        postings = float(np.median([view._postings(terms) for terms in asked]))
        for few in _FEW:
            mask = np.zeros(documents, np.bool_)
            mask[rng.choice(documents, few, replace=False)] = True
            ways = {
                "looked up": partial(_looked_up, view, asked, mask),
                "fetched": partial(_fetched, view, asked, mask),
            }
            found = interleave(ways, len(asked), rounds=2)
            cells = {f"{way} ms": found[way].cpu for way in ways}
            table.add(queries=kind, few=few, **cells, postings=postings / few)


def _looked_up(view: LexicalView, asked: list[list[str]], mask: Mask, i: int) -> object:
    return view._looked_up(asked[i], 100, mask, 0.0, None)


def _fetched(view: LexicalView, asked: list[list[str]], mask: Mask, i: int) -> object:
    query = view._query(asked[i])
    return query and view._best(query, 100, float(mask.mean()), mask)


_OF_SCANS: Final = (
    "`by a run's`: what a row costs by what it costs in a scan from first to last (`GATHERED`)."
)


def _scans(house: House, view: VectorView, queries: Matrix, table: Table) -> float:
    """Seconds a row of a scan from first to last."""
    rng, vectors = np.random.default_rng(0), view.rows.vectors
    some = {
        share: np.flatnonzero(rng.random(len(vectors)) < share) for share in (0.02, 0.1, 0.3, 0.5, 0.65, 1)
    }
    tasks = {
        share: partial(_scanned, vectors, rows, queries, view) for share, rows in some.items() if len(rows)
    }
    found = interleave(
        {f"{share:.0%}": task for share, task in tasks.items()},
        len(queries),
        rounds=max(2, house.plan.rounds // 2),
    )
    costs = {share: found[f"{share:.0%}"].cpu / len(some[share]) for share in tasks}
    for share in tasks:
        timing = found[f"{share:.0%}"].row()
        ratio = {"µs a row": 1000 * costs[share], "by a run's": costs[share] / costs[1]}
        table.add(rows=f"{share:.0%}", **timing, **ratio)
    return costs[1]


def _scanned(vectors: Matrix, rows: NDArray[np.int64], queries: Matrix, view: VectorView, i: int) -> object:
    if len(rows) == len(vectors):
        return scan.similarities(vectors, queries[i], view.metric)
    return scan.gathered(vectors, rows, queries[i], view.metric)


_OF_EFS: Final = (
    "`rows`: how many rows a scan does in the same CPU time: `EXACT_ROWS` at the default ef, `_ASKED` of "
    "that at ef 0."
)


def _efs(house: House, view: VectorView, graph: Graph, queries: Matrix, row: float, table: Table) -> None:
    for k in _DEPTHS:
        exact = house.exact(queries, k)
        ways = {ef: partial(_listed, graph, queries, k, ef) for ef in _EFS if ef >= k}
        found = interleave(
            {str(ef): way for ef, way in ways.items()}, len(queries), rounds=max(2, house.plan.rounds // 2)
        )
        for ef, way in ways.items():
            timing, hits = found[str(ef)], [way(i).tolist() for i in range(len(queries))]
            table.add(k=k, ef=ef, **timing.row(), rows=timing.cpu / row, recall=recall(hits, exact))


_OF_WAYS: Final = (
    "`list`: the graph's list, of which the filter leaves some; `callback`: hnswlib's own filter; both at "
    "the default ef. `scan`: exact. `leg`: what the engine does; `scanned`: for which share of queries it "
    "scanned. `thin`: of the query's category 3 % pass, or 10 %, of the others 90 %. CPU ms; recall by k."
)


def _filters(house: House) -> dict[str, list[Mask]]:
    """For each query who passes."""
    metadata = [one.metadata for one in house.documents]
    shard = np.array([one["shard"] for one in metadata])
    category = np.array([int(one["category"][1:]) for one in metadata])
    own = [one.category for one in house.queries("long")]

    def thinned(share: float, asked: int) -> Mask:
        return np.asarray(shard < SHARDS * np.where(category == asked, share, 0.9))

    made: dict[str, Callable[[int], Mask]] = {
        f"{share:.0%}": partial(lambda share, _: np.asarray(shard < share * SHARDS), share)
        for share in _SHARES
    }
    made |= {
        "the query's category": lambda asked: np.asarray(category == asked),
        "another category": lambda asked: np.asarray(category == (asked + 5) % CATEGORIES),
        "all but the query's": lambda asked: np.asarray(category != asked),
        "five others": lambda asked: np.isin((category - asked) % CATEGORIES, range(3, 8)),
        "thin, 3 %": partial(thinned, 0.03),
        "thin, 10 %": partial(thinned, 0.10),
    }
    kept = {name: {asked: passes(asked) for asked in set(own)} for name, passes in made.items()}
    return {name: [masks[asked] for asked in own] for name, masks in kept.items()}


def _ways(
    house: House,
    view: VectorView,
    graph: Graph,
    queries: Matrix,
    k: int,
    name: str,
    masks: list[Mask],
    table: Table,
) -> None:
    ways: dict[str, Find] = {
        "list": partial(_listed, graph, queries, k, EF_SEARCH, masks=masks),
        "callback": partial(_called_back, graph, queries, k, masks=masks),
        "scan": lambda i: view._exact(queries[i], k, masks[i], None).ordinals,
        "leg": lambda i: view.search(queries[i], k, masks[i]).ordinals,
    }
    found = interleave(ways, len(queries), rounds=2)
    exact = [ways["scan"](i).tolist() for i in range(len(queries))]
    cells: dict[str, Any] = {}
    for way, find in ways.items():
        cells[f"{way} ms"] = found[way].cpu
        if way != "scan":
            cells[f"{way} recall"] = recall([find(i).tolist() for i in range(len(queries))], exact)
    scanned = [not any(view._looks(queries[i], k, masks[i], None)) for i in range(len(queries))]
    table.add(filter=name, **cells, scanned=float(np.mean(scanned)))


def _listed(
    graph: Graph, queries: Matrix, k: int, ef: int, i: int, *, masks: list[Mask] | None = None
) -> NDArray[np.int64]:
    found = graph.search(queries[i], k if masks is None else ef, ef)
    assert found is not None
    rows = found[0]
    return rows if masks is None else rows[masks[i][rows]][:k]


def _called_back(graph: Graph, queries: Matrix, k: int, i: int, *, masks: list[Mask]) -> NDArray[np.int64]:
    bare = cast(Any, graph)._finder._index
    bare.set_ef(EF_SEARCH)
    test = masks[i].tobytes().__getitem__  # bytes answer hnswlib's one-by-one questions fastest
    try:
        labels, _ = bare.knn_query(queries[i], k, num_threads=1, filter=test)
    except RuntimeError:  # it found fewer
        return np.empty(0, np.int64)
    return np.asarray(labels[0].astype(np.int64))
