"""What a filter costs in time and in recall, by how many documents pass and how they lie to the query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from hybrid import Index
from tests.benchmarks.corpus import CATEGORIES, SHARDS, Query
from tests.benchmarks.house import House, numbers, stack
from tests.benchmarks.measure import interleave, recall
from tests.benchmarks.report import Report

_SHARES: Final = (0.0001, 0.001, 0.01, 0.10, 0.50, 0.90)
Where = Callable[[Query], dict[str, Any] | None]


def _shard(share: float) -> Where:
    return lambda _: {"shard": {"lt": round(share * SHARDS)}}


def _other(query: Query) -> str:
    return f"c{(query.category + CATEGORIES // 2) % CATEGORIES}"


FILTERS: Final[dict[str, Where]] = {
    "none": lambda _: None,
    **{f"{share:.2%}": _shard(share) for share in _SHARES},
    "the query's category": lambda query: {"category": f"c{query.category}"},
    "another category": lambda query: {"category": _other(query)},
    "all but the query's category": lambda query: {"not": {"category": f"c{query.category}"}},
    "five categories, not the query's": lambda query: {
        "category": {"in": [f"c{(query.category + i) % CATEGORIES}" for i in range(3, 8)]}
    },
}


def run(house: House) -> Report:
    report = Report("filters", documents=house.plan.documents, queries=house.plan.queries, k=10)
    table = report.table(
        "Filtered search, long queries",
        note="Recall@10 of the vector leg, against exact search over what passes. `times`: p50 by none's.",
    )
    queries = house.queries("long")
    vectors = stack(queries)
    with Index.open(house.index_path, read_only=True) as index:
        for mode in ("vector", "lexical", "hybrid"):
            options: dict[str, Any] = {"mode": mode}
            found = interleave(
                {name: _asking(index, queries, where, options) for name, where in FILTERS.items()},
                len(queries),
                rounds=max(2, house.plan.rounds // 2),
            )
            for name, timing in found.items():
                cells: dict[str, float] = {"times": timing.p50 / found["none"].p50}
                if mode == "vector":
                    answers = [
                        numbers(
                            [
                                hit.id
                                for hit in index.search(vector=query.vector, filter=where(query), **options)
                            ]
                        )
                        for query, where in ((query, FILTERS[name]) for query in queries)
                    ]
                    exact, share = _exact(house, queries, vectors, FILTERS[name])
                    cells |= {"recall@10": recall(answers, exact), "passing": share}
                table.add(mode=mode, filter=name, **timing.row(), **cells)
    return report


def _asking(
    index: Index, queries: list[Query], where: Where, options: dict[str, Any]
) -> Callable[[int], object]:
    conditions = [where(query) for query in queries]
    return lambda i: index.search(
        queries[i].text, vector=queries[i].vector, filter=conditions[i], **options
    )


def _exact(
    house: House, queries: list[Query], vectors: np.ndarray[Any, Any], where: Where
) -> tuple[list[list[int]], float]:
    """The right answers, and which share of the documents passes."""
    conditions = [where(query) for query in queries]
    found: list[list[int]] = [[] for _ in queries]
    shares = []
    for condition in {repr(one): one for one in conditions}.values():
        mine = [i for i, one in enumerate(conditions) if one == condition]
        allowed = np.array([passes(one.metadata, condition) for one in house.documents])
        shares += [float(allowed.mean())] * len(mine)
        for i, exact in zip(mine, house.exact(vectors[mine], 10, allowed), strict=True):
            found[i] = exact
    return found, float(np.mean(shares))


def passes(metadata: Any, condition: dict[str, Any] | None) -> bool:
    """The filters of this file, in their plainest form."""
    match condition:
        case None:
            return True
        case {"shard": {"lt": most}}:
            return bool(metadata["shard"] < most)
        case {"category": {"in": some}}:
            return metadata["category"] in some
        case {"category": category}:
            return bool(metadata["category"] == category)
        case {"not": inner}:
            return not passes(metadata, inner)
    raise AssertionError(condition)
