"""What each family of vector index would bring on an index's own vectors; which one fits a budget."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hybrid.ann import FAMILIES, Family, Flat
from hybrid.disk.folder import Folder
from hybrid.errors import MissingExtra, SettingsError, StorageError
from hybrid.evaluate.bench.exactness import best_scores, recall
from hybrid.evaluate.bench.measuring import questions
from hybrid.evaluate.bench.report import TOP, Mean
from hybrid.index import Index
from hybrid.store.snapshot import Snapshot
from hybrid.types import Mask, Matrix, Stages
from hybrid.vector.families import check
from hybrid.vector.graph import Graph
from hybrid.vector.view import VectorView


@dataclass(frozen=True)
class Measured:
    """A family with its default effort: recall of the first 10, the seconds of a search at the median, the
    CPU seconds to build it, the bytes that it needs beside the vectors, in memory and on disk, and the CPU
    seconds to open it."""

    family: str
    recall: Mean
    p50: float
    build: float
    memory: int
    open: float

    def fits(self, memory: float | None, latency: float | None) -> bool:
        """Whether it needs at most ``memory`` bytes and ``latency`` seconds."""
        return (memory is None or self.memory <= memory) and (latency is None or self.p50 <= latency)


@dataclass(frozen=True)
class Tradeoff:
    """The result of `compare`. ``serving``: the family of the index. ``lacking``: families that are not
    there, and why."""

    vectors: int
    queries: int
    serving: str
    families: list[Measured]
    lacking: dict[str, str]

    def suggested(
        self, recall: float, memory: float | None = None, latency: float | None = None
    ) -> Measured | None:
        """The fastest family of those that fit and have this mean ``recall``; the one with the highest
        recall if none has."""
        fitting = [one for one in self.families if one.fits(memory, latency)]
        good = [one for one in fitting if one.recall.value >= recall]
        if good:
            return min(good, key=lambda one: one.p50)
        return max(fitting, key=lambda one: one.recall.value, default=None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    index: Index,
    queries: Mapping[str, str] | None = None,
    *,
    size: int = 200,
    seed: int = 0,
    progress: Stages | None = None,
) -> Tradeoff:
    """Build each family over the vectors of ``index``, one after the other in memory, and search it with at
    most ``size`` of ``queries`` (query id -> text), or with vectors of its own documents. Changes nothing.
    Raises StorageError for an index without vectors, QueryError where ``queries`` cannot be encoded."""
    tell = progress or (lambda _stage, _done, _total: None)
    with index.searcher() as searcher:
        snapshot, path = searcher.snapshot, index.stats()["path"]
        if not len(snapshot.vectors.rows):
            raise StorageError(f"{path}: no vectors, so there is no vector index to compare")
        probes, _ = questions(searcher, path, queries, size, seed, tell)
        vectors = np.stack([probe.vector for probe in probes if probe.vector is not None])
        tell("exact scan", 0, 1)
        (best,) = best_scores(snapshot.vectors, vectors, TOP, [snapshot.live], partial(tell, "exact scan"))
        found, lacking = [], {}
        for family in _wanted(snapshot):
            try:
                check(family, snapshot.settings.metric)
            except (SettingsError, MissingExtra) as error:
                lacking[str(family)] = str(error)
                continue
            found.append(_measured(family, snapshot, vectors, best, partial(tell, f"{family}")))
        return Tradeoff(
            len(snapshot.vectors.rows), len(vectors), str(snapshot.settings.ann), found, lacking
        )


def _wanted(snapshot: Snapshot) -> list[Family]:
    """The family of the index, and all others as by default."""
    serving = snapshot.settings.ann
    return [serving, *(family() for family in FAMILIES.values() if family() != serving)]


def _measured(
    family: Family,
    snapshot: Snapshot,
    queries: Matrix,
    best: Matrix,
    tell: Callable[[int, int], object],
) -> Measured:
    rows, metric = snapshot.vectors.rows, snapshot.settings.metric
    graph, build, opened, size = None, 0.0, 0.0, 0
    if not isinstance(family, Flat):
        graph = Graph(metric, rows.vectors.shape[1], family)
        build = _cpu(lambda: _built(graph, rows.vectors, tell))
        size, opened = _file(graph)
    view = VectorView(rows, metric, graph, snapshot.vectors.long)
    allowed: Mask | None = snapshot.allowed(None)
    shares, took = [], []
    for query, wanted in zip(queries, best, strict=True):
        start = time.perf_counter()
        own = view.search(query, TOP, allowed)
        took.append(time.perf_counter() - start)
        shares.append(recall(own, wanted, TOP, query))
    mean = Mean.of(np.array(shares), TOP)
    return Measured(str(family), mean, float(np.median(took)), build, size, opened)


def _built(graph: Graph, vectors: Matrix, tell: Callable[[int, int], object]) -> None:
    def told() -> bool:
        tell(graph.rows, len(vectors))
        return False

    graph.insert(vectors, told)


def _file(graph: Graph) -> tuple[int, float]:
    """The bytes of a saved ``graph``, and the CPU seconds to open it; none of too few rows to train on."""
    if not graph.rows:
        return 0, 0.0
    with tempfile.TemporaryDirectory(prefix="hybrid-") as path:
        folder, again = Folder.open(Path(path)), graph.anew()
        graph.save(folder, "compared")
        size = sum(file.stat().st_size for file in Path(path).iterdir())
        return size, _cpu(lambda: again.load(folder, "compared", graph.rows))


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
