"""What rounding the graph's vectors saves, and what it costs: memory, time, recall."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from hybrid.ann import HNSW, PRECISIONS, Precision
from hybrid.disk.folder import Folder
from hybrid.ledger.rows import Rows
from hybrid.types import Matrix
from hybrid.vector.graph import Graph, Neighbours
from hybrid.vector.hnsw import EF_SEARCH
from hybrid.vector.view import VectorView
from tests.benchmarks.house import House, kept, stack
from tests.benchmarks.measure import Ask, interleave, recall, resident
from tests.benchmarks.report import Report, Row
from tests.benchmarks.scale import apart

_ASKED: Final = ((10, 64), (10, 128), (10, 256), (10, EF_SEARCH), (100, EF_SEARCH))  # k, ef


def run(house: House) -> Report:
    path = kept(house.folder / "vectors.npy", house.corpus.write_vectors)
    return compare(path, stack(house.queries("short")), house.folder, house.plan.rounds)


def compare(path: Path, queries: Matrix, folder: Path, rounds: int) -> Report:
    """Of graphs over the unit vectors in the .npy file at ``path``, made in ``folder``."""
    vectors = np.load(path, mmap_mode="r")
    report = Report("memory", vectors=len(vectors), dimension=vectors.shape[1], queries=len(queries))
    note = (
        "`build`: one thread, made once. `anonymous`: what a process grows by when it opens the saved "
        f"graph. The ledger's vectors, which give the scores, are {vectors.nbytes / 1e6:,.0f} MB, mapped."
    )
    report.table("Graphs", [_row(path, folder, precision) for precision in PRECISIONS], note)
    note = "`found` is the recall of the graph's own order, `recall` that of the engine's, by exact scores."
    report.table("Search", apart(_search, path, queries, folder, rounds), note)
    return report


def _row(path: Path, folder: Path, precision: Precision) -> Row:
    built = apart(_build, path, folder, precision)
    return {"precision": precision, **built, **apart(_open, path, folder, precision)}


def _build(path: Path, folder: Path, precision: Precision) -> dict[str, float]:
    vectors = np.load(path, mmap_mode="r")
    figures: dict[str, float] = {}

    def make(draft: Path) -> None:
        draft.mkdir()
        graph, used = Graph("cosine", vectors.shape[1], HNSW(precision=precision)), time.process_time()
        graph.insert(vectors, lambda: False)
        figures["build CPU s"] = time.process_time() - used
        graph.save(Folder.open(draft), precision)

    made = kept(folder / f"graph-{precision}", make)
    return figures | {"file MB": sum(file.stat().st_size for file in made.iterdir()) / 1e6}


def _open(path: Path, folder: Path, precision: Precision) -> dict[str, float]:
    vectors = np.load(path, mmap_mode="r")
    Graph("cosine", vectors.shape[1], HNSW(precision=precision))  # whatever it imports is no graph's
    before, start, used = resident()["anonymous"], time.perf_counter(), time.process_time()
    opened = _saved(vectors, folder, precision)
    took, used = time.perf_counter() - start, time.process_time() - used
    grown = resident()["anonymous"] - before
    assert opened.rows == len(vectors)
    share = {"anonymous MB": grown, "by the vectors": grown / (vectors.nbytes / 1e6)}
    return share | {"open s": took, "open CPU s": used}


def _saved(vectors: Matrix, folder: Path, precision: Precision) -> Graph:
    graph = Graph("cosine", vectors.shape[1], HNSW(precision=precision))
    made = Folder.open(folder / f"graph-{precision}")
    if complaint := graph.load(made, precision, len(vectors)):
        raise ValueError(complaint)
    return graph


def _search(path: Path, queries: Matrix, folder: Path, rounds: int) -> list[Row]:
    vectors = np.load(path, mmap_mode="r")
    rows = Rows(vectors, np.arange(len(vectors)), np.zeros((len(vectors), 2), np.int64))
    views = {one: VectorView(rows, "cosine", _saved(vectors, folder, one)) for one in PRECISIONS}
    exact = replace(views["float32"], graph=None)
    truth = [exact.search(query, 100).ordinals.tolist() for query in queries]
    return [row for k, ef in _ASKED for row in _asked(views, queries, truth, k, ef, rounds)]


def _asked(
    views: dict[Precision, VectorView],
    queries: Matrix,
    truth: list[list[int]],
    k: int,
    ef: int,
    rounds: int,
) -> list[Row]:
    asking: dict[str, Ask] = {one: _asking(view, queries, k, ef) for one, view in views.items()}
    timings = interleave(asking, len(queries), rounds=rounds)
    best = [one[:k] for one in truth]
    rows: list[Row] = []
    for precision, view in views.items():
        answers = [view.search(query, k, effort=ef).ordinals.tolist() for query in queries]
        by_graph = [_first(view.graph, query, k, ef) for query in queries]
        shares: dict[str, Any] = {"found": recall(by_graph, best), "recall": recall(answers, best)}
        rows.append({"k": k, "ef": ef, "precision": precision, **timings[precision].row(), **shares})
    return rows


def _asking(view: VectorView, queries: Matrix, k: int, ef: int) -> Ask:
    return lambda i: view.search(queries[i], k, effort=ef)


def _first(graph: Neighbours | None, query: Matrix, k: int, ef: int) -> list[int]:
    found = None if graph is None else graph.search(query, k, ef)
    return [] if found is None else found[0].tolist()
