"""Hybrid search over its own two legs, stage by stage, with a second core and without."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np

from hybrid import RRF, Index, Rocchio
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.matching import FEATURES
from hybrid.search.lanes import InTurn
from hybrid.search.request import Request
from hybrid.search.search import Search
from hybrid.store.snapshot import Snapshot
from hybrid.types import Fusion
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import House
from tests.benchmarks.measure import Ask, Timing, interleave
from tests.benchmarks.report import Report, Table

DEPTH: Final = 100
_TREES: Final = 100
_LEARNED: Final = (
    *("fused_score", "lexical_score", "lexical_rank", "vector_score", "vector_rank", "similarity"),
    *FEATURES,
)


def run(house: House) -> Report:
    report = Report("legs", documents=house.plan.documents, queries=house.plan.queries, k=10, depth=DEPTH)
    cores = sorted(os.sched_getaffinity(0))
    for title, some in ((f"{len(cores)} cores", set(cores)), ("one core", set(cores[:1]))):
        with pinned(some), Index.open(house.index_path, read_only=True) as index:
            _legs(house, index, report.table(f"Hybrid over its legs, {title}", note=_NOTE))
    with Index.open(house.index_path) as index:
        _stages(house, index, report.table("Parts of a hybrid query"))
        _reranked(house, index, report.table("LambdaMART over 100 candidates"))
    return report


_NOTE: Final = (
    "`over sum`: p50 by lexical p50 + vector p50; `over max`: p50 less the slower leg's, ms; `CPU over "
    "sum`: likewise, little disturbed by others. Query vectors are ready-made, ten documents are fetched; "
    "the legs alone are asked for ten, within hybrid for 100."
)


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """With this thread, and those it starts, on ``cores`` only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _legs(house: House, index: Index, table: Table) -> None:
    for kind in ("short", "long"):
        queries = house.queries(kind)
        ways: dict[str, dict[str, Any]] = {
            "lexical": {"mode": "lexical"},
            "vector": {"mode": "vector"},
            "hybrid, default": {},
            "hybrid, RRF": {"fusion": RRF()},
        }
        found = interleave(
            {name: _asking(index, queries, **way) for name, way in ways.items()},
            len(queries),
            rounds=house.plan.rounds,
        )
        legs = found["lexical"].p50, found["vector"].p50
        used = found["lexical"].cpu + found["vector"].cpu
        for name, timing in found.items():
            hybrid = name.startswith("hybrid")
            table.add(
                queries=kind,
                what=name,
                **timing.row(),
                **{"over sum": timing.p50 / sum(legs) if hybrid else None},
                **{"over max": timing.p50 - max(legs) if hybrid else None},
                **{"CPU over sum": timing.cpu / used if hybrid else None},
            )


def _asking(index: Index, queries: list[Query], **options: Any) -> Ask:
    return lambda i: index.search(queries[i].text, vector=queries[i].vector, depth=DEPTH, **options)


def _stages(house: House, index: Index, table: Table) -> None:
    """Each by itself, on the same candidates."""
    for kind in ("short", "long"):
        for name, timing in _parts(house, index, kind).items():
            table.add(queries=kind, part=name, **timing.row())


def _parts(house: House, index: Index, kind: str) -> dict[str, Timing]:
    queries = house.queries(kind)
    with index.searcher() as searcher:
        snapshot, asker = searcher.snapshot, searcher.asker
        requests = [asker.one(q.text, q.vector, {"depth": DEPTH}) for q in queries]
        answered = [_search(snapshot, request) for request in requests]
        for search in answered:
            _ = search.legs, search.page

        def again(request: Request, shared: Sequence[str], search: Search) -> Search:
            """A search that has taken the steps ``shared``."""
            new = _search(snapshot, request)
            vars(new).update({name: getattr(search, name) for name in shared})
            return new

        def fused(fusion: Fusion) -> Callable[[int], object]:
            asked = [replace(request, fusion=fusion) for request in requests]
            return lambda i: again(asked[i], ("words", "near", "legs"), answered[i]).fused

        contestants: dict[str, Ask] = {
            "request checked": lambda i: asker.one(queries[i].text, queries[i].vector, {"depth": DEPTH}),
            "query analysed": lambda i: _search(snapshot, requests[i]).words,
            "lexical leg, 100": lambda i: again(requests[i], ("words",), answered[i]).lexical,
            "vector leg, 100": lambda i: _search(snapshot, requests[i]).vector,
            "fusion of 2 x 100, RRF": fused(RRF()),
            "fusion of 2 x 100, default": fused(Rocchio()),
            "ten documents fetched": lambda i: answered[i].hits(
                answered[i].page, iter(snapshot.documents(answered[i].page.ranked.ordinals.tolist()))
            ),
        }
        return interleave(contestants, len(queries), rounds=house.plan.rounds)


def _search(snapshot: Snapshot, request: Request) -> Search:
    return Search(snapshot, request, None, InTurn())


def _reranked(house: House, index: Index, table: Table) -> None:
    model = learned(house, index)
    index.keep_model(model)  # from now on the terms of the documents lie ready
    for kind in ("short", "long"):
        queries = house.queries(kind)
        found = interleave(
            {
                "hybrid": _asking(index, queries),
                "hybrid, reranked": _asking(index, queries, reranker=model),
            },
            len(queries),
            rounds=house.plan.rounds,
        )
        plain = found["hybrid"].p50
        for name, timing in found.items():
            table.add(queries=kind, what=name, **timing.row(), adds=timing.p50 - plain)


def learned(house: House, index: Index) -> LambdaMART:
    """Trees of the usual size. What they learned is beside the point here."""
    import lightgbm

    queries = {str(i): query.text for i, query in enumerate(house.queries("short", salt=1)[:50])}
    with index.searcher() as searcher:
        parts = [known for _, ids, known in searcher.candidates(queries, _LEARNED) if len(ids)]
    rows = np.concatenate([np.stack([one[name] for name in _LEARNED], axis=1) for one in parts])
    grades = np.concatenate([np.arange(len(one["fused_score"])) < 5 for one in parts]).astype(int)
    rng = np.random.default_rng(0)
    grades ^= rng.random(len(grades)) < 0.1  # or there is nothing for later trees to learn
    data = lightgbm.Dataset(rows, grades, group=[len(one["fused_score"]) for one in parts])
    settings = {"objective": "lambdarank", "num_leaves": 31, "num_threads": 1, "verbose": -1, "seed": 0}
    trees = lightgbm.train(settings, data, _TREES)
    return LambdaMART(_LEARNED, trees.model_to_string())
