"""Families of vector indexes on one matrix of vectors, beside bare hnswlib and faiss.

    python -m tests.benchmarks.families VECTORS.npy QUERIES.npy [--metric l2] [--only ivf_pq,binary]

CPU times, one thread. Each family with its default effort and with the least of its ladder that reaches a
recall; all answers include the exact scores.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hybrid import ann
from hybrid.ann import HNSW, Family, Flat
from hybrid.disk.folder import Folder
from hybrid.ledger.rows import Rows
from hybrid.types import Mask, Matrix, Metric, Scores
from hybrid.vector.graph import Graph
from hybrid.vector.view import VectorView

Found = NDArray[np.int64]
Search = Callable[[Scores], Found]
WANTED = (0.9, 0.95, 0.99)
HEADINGS = (
    *("family", "build s", "file MB", "open ms", "@10", "ms", "@100", "ms", "10 % pass: @10", "ms"),
    *(f"ms at {wanted:g}" for wanted in WANTED),
)


class Contest:
    def __init__(self, vectors: Matrix, queries: Matrix, metric: Metric) -> None:
        self.vectors, self.queries, self.metric = vectors, queries, metric
        n = len(vectors)
        self.rows = Rows(vectors, np.arange(n), np.zeros((n, 2), np.int64))
        self.some = np.random.default_rng(1).random(n) < 0.1
        exact = VectorView(self.rows, metric, None)
        self.best = [exact.search(query, 100).ordinals for query in queries]
        self.passing = [exact.search(query, 10, self.some).ordinals for query in queries]

    def ours(self, family: Family) -> list[str]:
        graph, used = None, 0.0
        if not isinstance(family, Flat):
            graph = Graph(self.metric, self.vectors.shape[1], family)
            used = cpu(partial(graph.insert, self.vectors, lambda: False))
        view = VectorView(self.rows, self.metric, graph)

        def search(k: int, allowed: Mask | None = None, effort: int | None = None) -> Search:
            return lambda query: view.search(query, k, allowed, effort).ordinals

        cells = [str(family), f"{used:.1f}", *self._file(graph)]
        for k in (10, 100):
            cells += self._measured(search(k), self.best, k)
        cells += self._measured(search(10, self.some), self.passing, 10)
        ladder = [self._timed(search(10, None, effort), self.best, 10) for effort in family.ladder]
        return cells + [least(ladder, wanted) for wanted in WANTED]

    def hnswlib(self) -> list[str]:
        index: Any = import_module("hnswlib").Index(
            "l2" if self.metric == "l2" else "ip", self.vectors.shape[1]
        )
        index.init_index(len(self.vectors), M=HNSW.m, ef_construction=HNSW.ef_construction)
        used = cpu(lambda: index.add_items(self.vectors, num_threads=1))

        def search(effort: int) -> Search:
            def one(query: Scores) -> Found:
                index.set_ef(effort)
                return cast(Found, index.knn_query(query, 10, num_threads=1)[0][0].astype(np.int64))

            return one

        ladder = [self._timed(search(effort), self.best, 10) for effort in HNSW.ladder]
        return ["bare hnswlib", f"{used:.1f}", *[""] * 8, *(least(ladder, wanted) for wanted in WANTED)]

    def faiss(self) -> list[str]:
        faiss: Any = import_module("faiss")

        faiss.omp_set_num_threads(1)
        dim = self.vectors.shape[1]
        lists = 1 << round(np.log2(2 * np.sqrt(len(self.vectors))))
        index: Any = faiss.index_factory(
            dim,
            f"IVF{lists},PQ{dim // 2}x4fs",
            faiss.METRIC_L2 if self.metric == "l2" else faiss.METRIC_INNER_PRODUCT,
        )
        index.by_residual = False

        def build() -> None:
            index.train(self.vectors)
            index.add(self.vectors)

        used = cpu(build)

        def search(effort: int) -> Search:
            def one(query: Scores) -> Found:
                how = faiss.SearchParametersIVF(nprobe=effort)
                rows = np.sort(index.search(query[None], 208, params=how)[1][0])
                rows = rows[rows >= 0]
                some = self.vectors[rows]
                apart = ((some - query) ** 2).sum(1) if self.metric == "l2" else -(some @ query)
                return cast(Found, rows[np.argsort(apart)[:10]])

            return one

        ladder = [self._timed(search(effort), self.best, 10) for effort in ann.IVFPQ.ladder]
        return [
            "bare faiss IVF PQ",
            f"{used:.1f}",
            *[""] * 8,
            *(least(ladder, wanted) for wanted in WANTED),
        ]

    def _file(self, graph: Graph | None) -> list[str]:
        if graph is None:
            return ["0", "0"]
        with tempfile.TemporaryDirectory() as path:
            folder, again = Folder.open(path), graph.anew()
            graph.save(folder, "u")
            size = sum(file.stat().st_size for file in Path(path).iterdir())
            opened = cpu(lambda: again.load(folder, "u", graph.rows))
        return [f"{size / 1e6:.1f}", f"{1000 * opened:.0f}"]

    def _measured(self, search: Search, best: list[Found], k: int) -> list[str]:
        share, ms = self._timed(search, best, k)
        return [f"{share:.3f}", f"{ms:.2f}"]

    def _timed(self, search: Search, best: list[Found], k: int) -> tuple[float, float]:
        """The recall, and the CPU ms of a query at the median."""
        shares, took = [], []
        for query, wanted in zip(self.queries, best, strict=True):
            start = time.process_time()
            found = search(query)
            took.append(time.process_time() - start)
            shares.append(len(set(found[:k].tolist()) & set(wanted[:k].tolist())) / k)
        return float(np.mean(shares)), 1000 * float(np.median(took))


def least(ladder: list[tuple[float, float]], wanted: float) -> str:
    return next((f"{ms:.2f}" for share, ms in ladder if share >= wanted), "–")


def cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main(
    vectors: Path,
    queries: Path,
    metric: Annotated[str, typer.Option()] = "cosine",
    only: Annotated[str, typer.Option(help="Families, separated by commas.")] = "",
) -> None:
    base = np.ascontiguousarray(np.load(vectors), np.float32)
    asked = np.ascontiguousarray(np.load(queries)[:100], np.float32)
    if metric == "cosine":
        base, asked = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (base, asked))
    contest = Contest(base, asked, cast(Metric, metric))
    table = Table(*HEADINGS)
    names = only.split(",") if only else [*ann.FAMILIES, "hnswlib", "faiss"]
    for name in names:
        if name == "binary" and metric == "ip":
            continue
        bare = {"hnswlib": contest.hnswlib, "faiss": contest.faiss}.get(name)
        row = bare() if bare else contest.ours(ann.load(name))
        print("| " + " | ".join(row) + " |", flush=True)  # noqa: T201
        table.add_row(*row)
    Console(width=200).print(table)


if __name__ == "__main__":
    typer.run(main)
