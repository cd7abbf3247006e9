"""HNSW graphs by two libraries: hnswlib, the first choice for float32 vectors but distributed only as
source; faiss, which installs without a compiler and also supports quantised vectors.

They do not know the filter. hnswlib's own would not help: when it finds the right rows, a longer list costs
no more; when the filter contradicts the query, it misses the same rows and costs more than a scan.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from hybrid.ann import HNSW
from hybrid.types import Mask, Matrix, Metric, Scores
from hybrid.vector.finder import Nearest

_LEAST: Final = 1024  # rows of the smallest capacity

EF_SEARCH: Final = 512
_ASKED: Final = 0.25
"""The share of a search's cost that does not depend on ef; tests/benchmarks/crossover.py measures it."""
_MARGIN: Final = 2.0
"""With a filter, only the first 1 / _MARGIN of the candidate list is used: that part is reliable."""
_ROUNDED: Final = 1.25  # tests/benchmarks/memory.py measures its effect


def default_ef(k: int) -> int:
    """Return the default ef for the best ``k`` rows. tests/benchmarks/crossover.py measures the recall."""
    return max(EF_SEARCH, 2 * k)


class _Hnsw:
    """What graphs of both libraries share: no training, filters outside, and the meaning of ef."""

    oversampling = 1.0
    sifts = False
    least = 1

    def train(self, vectors: Matrix, stop: Callable[[], bool]) -> bool:
        return True

    def outgrown(self, rows: int) -> bool:
        return False

    def effort(self, wanted: float) -> int:
        return default_ef(math.ceil(wanted))

    def listed(self, effort: int, filtered: bool) -> float:
        return effort / _MARGIN if filtered else effort

    def reach(self, effort: int, wanted: float, look: float, filtered: bool) -> float:
        return max(effort, _MARGIN * look if filtered else look)

    def cost(self, effort: float, k: float) -> float:
        return _ASKED + (1 - _ASKED) * effort / EF_SEARCH

    def state(self) -> Mapping[str, float]:
        return {}


class Hnswlib(_Hnsw):
    """A graph of float32 vectors, by hnswlib."""

    library = "hnswlib"
    rounds = False
    slice = 4

    def __init__(self, family: HNSW, metric: Metric, dim: int) -> None:
        self._family = family
        # Under "cosine" vectors have unit length, so the inner product is the cosine.
        self._index: Any = import_module("hnswlib").Index("l2" if metric == "l2" else "ip", dim)
        self._capacity = 0

    def prepare(self, rows: int, vectors: Matrix) -> None:
        needed = rows + len(vectors)
        if needed <= self._capacity:
            return
        capacity = max(needed, 2 * self._capacity, _LEAST)
        if self._capacity:
            self._index.resize_index(capacity)
        else:
            family = self._family
            self._index.init_index(capacity, M=family.m, ef_construction=family.ef_construction)
        self._capacity = capacity

    def add(self, vectors: Matrix) -> None:
        first = self._index.get_current_count()
        self._index.add_items(vectors, np.arange(first, first + len(vectors)), num_threads=1)

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Nearest | None:
        """Returns None if fewer rows are reached: the library does not tell which."""
        assert passing is None
        found = self.search_many(query[None], k, effort)
        return found[0]

    def search_many(self, queries: Matrix, k: int, effort: int) -> list[Nearest | None]:
        """Pass ``effort`` as the number of rows: hnswlib stores its own ef in the index, where concurrent
        searches would overwrite each other's, but it always searches at least as wide as the number of rows
        requested."""
        reach = min(max(k, effort), self._index.get_current_count())
        try:
            labels, distances = self._index.knn_query(queries, reach, num_threads=1)
        except RuntimeError:  # for some query it reaches fewer rows, and cannot return those
            if len(queries) == 1:
                return [None]
            return [self.search(query, k, effort) for query in queries]
        return list(zip(labels[:, :k].view(np.int64), distances[:, :k], strict=True))

    def save(self, path: Path) -> None:
        self._index.save_index(str(path))
        if path.stat().st_size != self._index.index_file_size():  # it does not check its writes
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def load(self, path: Path, rows: int, state: Mapping[str, float]) -> None:
        self._capacity = rows + _LEAST
        self._index.load_index(str(path), max_elements=self._capacity)


class Faiss(_Hnsw):
    """A graph of float32 vectors, or of quantised ones with half or a quarter of the size, by faiss.

    "float16" rounds each number to 11 bits. "int8" divides the range of each dimension among the first
    rows, widened on both sides for later rows, into 255 steps. Queries are not quantised.
    """

    library = "faiss"
    slice = 8

    _SAMPLE: Final = 50_000  # rows from which the range is taken
    _SPARE: Final = 0.5
    """The share of the range added on each side. With the first rows in English and the others in Chinese,
    recall@100 was .933 without it and .989 with it; if all rows are alike it costs nothing."""

    def __init__(self, family: HNSW, metric: Metric, dim: int) -> None:
        self._faiss: Any = import_module("faiss")  # slow to import, so only when there is a graph
        faiss = self._faiss
        measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.rounds = family.precision != "float32"
        if self.rounds:
            kinds = faiss.ScalarQuantizer
            kind = kinds.QT_fp16 if family.precision == "float16" else kinds.QT_8bit
            self._index: Any = faiss.IndexHNSWSQ(dim, kind, family.m, measure)
            self.oversampling = _ROUNDED
        else:
            self._index = faiss.IndexHNSWFlat(dim, family.m, measure)
        self._index.hnsw.efConstruction = family.ef_construction
        self._products = metric != "l2"

    def prepare(self, rows: int, vectors: Matrix) -> None:
        self._faiss.omp_set_num_threads(1)  # applies to the calling thread
        if self.rounds and not rows:
            self._index.train(self._corners(vectors[:: max(1, len(vectors) // self._SAMPLE)]))

    def _corners(self, vectors: Matrix) -> Matrix:
        """Return two vectors that span, in every dimension, the range expected of all rows."""
        low, high = vectors.min(axis=0).astype(np.float64), vectors.max(axis=0).astype(np.float64)
        spare = self._SPARE * np.maximum(high - low, (high - low).mean())
        corners = np.stack([low - spare, high + spare])
        return np.asarray(np.clip(corners, -1e38, 1e38), np.float32)  # so that their difference is finite

    def add(self, vectors: Matrix) -> None:
        self._index.add(np.ascontiguousarray(vectors))

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Nearest | None:
        assert passing is None
        how = self._faiss.SearchParametersHNSW(efSearch=effort)
        found, labels = self._index.search(query[None], k, params=how)
        reached = labels[0] >= 0
        distances = 1 - found[0] if self._products else found[0]
        return labels[0][reached], distances[reached]

    def search_many(self, queries: Matrix, k: int, effort: int) -> list[Nearest | None]:
        return [self.search(query, k, effort) for query in queries]

    def save(self, path: Path) -> None:
        try:
            self._faiss.write_index(self._index, str(path))
        except RuntimeError as cause:
            raise OSError(errno.EIO, str(cause), str(path)) from cause

    def load(self, path: Path, rows: int, state: Mapping[str, float]) -> None:
        self._index = self._faiss.read_index(str(path))
