"""The float32 graph by hnswlib and by faiss: the same engine around both, by turns."""

from __future__ import annotations

import time
from typing import Final

import numpy as np

from hybrid.ann import HNSW
from hybrid.ledger.rows import Rows
from hybrid.types import Matrix
from hybrid.vector.families import libraries
from hybrid.vector.graph import Graph
from hybrid.vector.hnsw import EF_SEARCH
from hybrid.vector.view import VectorView
from tests.benchmarks.house import House, stack
from tests.benchmarks.measure import Ask, interleave, recall
from tests.benchmarks.report import Report, Row

_PIECE: Final = 500  # rows that one inserts before the other's turn
_ASKED: Final = ((10, 64), (10, 128), (10, EF_SEARCH), (100, EF_SEARCH))  # k, ef


def run(house: House) -> Report:
    vectors, queries = house.vectors, stack(house.queries("short"))
    report = Report("libraries", vectors=len(vectors), dimension=vectors.shape[1], queries=len(queries))
    rows = Rows(vectors, np.arange(len(vectors)), np.zeros((len(vectors), 2), np.int64))
    graphs, seconds = _built(vectors)
    report.table("Building", [{"library": name, "CPU s": took} for name, took in seconds.items()])
    views = {name: VectorView(rows, "cosine", graph) for name, graph in graphs.items()}
    exact = VectorView(rows, "cosine", None)
    truth = [exact.search(query, 100).ordinals.tolist() for query in queries]
    note = "`by hnswlib`: the median over queries of the ratio of their times."
    found = [row for k, ef in _ASKED for row in _asked(views, queries, truth, k, ef, house.plan.rounds)]
    report.table("Search", found, note)
    return report


def _built(vectors: Matrix) -> tuple[dict[str, Graph], dict[str, float]]:
    """By turns: a piece by one, the same piece by the other."""
    names = list(libraries(HNSW()))
    graphs = {name: Graph("cosine", vectors.shape[1], HNSW(), name) for name in names}
    seconds = dict.fromkeys(names, 0.0)
    for start in range(0, len(vectors), _PIECE):
        names.reverse()
        for name in names:
            before = time.process_time()
            graphs[name].insert(vectors[start : start + _PIECE], lambda: False)
            seconds[name] += time.process_time() - before
    return graphs, seconds


def _asked(
    views: dict[str, VectorView], queries: Matrix, truth: list[list[int]], k: int, ef: int, rounds: int
) -> list[Row]:
    asking = {name: _asking(view, queries, k, ef) for name, view in views.items()}
    timings = interleave(asking, len(queries), rounds=rounds)
    first = timings["hnswlib"]
    rows: list[Row] = []
    for name, view in views.items():
        answers = [view.search(query, k, effort=ef).ordinals.tolist() for query in queries]
        ratio = float(np.median(timings[name].wall / first.wall))
        share = recall(answers, [one[:k] for one in truth])
        rows.append(
            {"k": k, "ef": ef, "library": name, **timings[name].row(), "by hnswlib": ratio, "recall": share}
        )
    return rows


def _asking(view: VectorView, queries: Matrix, k: int, ef: int) -> Ask:
    return lambda i: view.search(queries[i], k, effort=ef)
