"""The libraries that build the graph: hnswlib, the first choice for float32 vectors but distributed only as
source; faiss, which installs without a compiler and also supports quantised vectors.

Both have the same interface, and neither may insert during a search; `hybrid.vector.graph` takes care of
that, and of the files. Quantised vectors only have to find good candidates: `hybrid.vector.leg` scores
those again with the ledger's vectors.
"""

from __future__ import annotations

import errno
import os
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import MissingExtra, SettingsError, lacking
from hybrid.limits import shown
from hybrid.settings import PRECISIONS, Precision
from hybrid.types import Matrix, Metric, Scores

M: Final = 16
EF_CONSTRUCTION: Final = 200
_LEAST: Final = 1024  # rows of the smallest capacity

LIBRARIES: Final[dict[Precision, tuple[str, ...]]] = {
    "float32": ("hnswlib", "faiss"),
    "float16": ("faiss",),
    "int8": ("faiss",),
}
"""The libraries for each precision, by module name, the first choice first."""

_PACKAGES: Final = {"hnswlib": "'hybrid-retrieval[hnsw]'", "faiss": "faiss-cpu"}

Nearest = tuple[NDArray[np.int64], Scores]
"""Row numbers, nearest first, and their distances: 1 - the inner product, or the squared Euclidean
distance."""


class Hnsw(Protocol):
    """A graph whose labels are row numbers. Malkov and Yashunin, TPAMI 2020."""

    library: str
    """Its name in `LIBRARIES`."""
    rounds: bool
    """Whether vectors are quantised."""
    slice: int
    """Rows to insert at once, so that it takes some 3 ms."""

    def prepare(self, rows: int, vectors: Matrix) -> None:
        """Get ready to insert ``vectors`` (n, dim) after the ``rows`` in the graph."""

    def add(self, vectors: Matrix) -> None:
        """Insert ``vectors`` as the next rows."""

    def search(self, query: Scores, k: int, ef: int) -> Nearest | None:
        """Find up to ``k`` rows; ``k`` must not exceed the rows in the graph. Returns None if fewer are
        reached and the library does not tell which."""

    def search_many(self, queries: Matrix, k: int, ef: int) -> list[Nearest | None]:
        """``search`` for each of ``queries`` (n, dim)."""

    def save(self, path: Path) -> None:
        """Write the graph to a file. Raises OSError."""

    def load(self, path: Path, rows: int) -> None:
        """Load the ``rows`` rows that ``save`` wrote. Any other file, or a damaged one, may crash the
        process."""


class Hnswlib:
    """A graph of float32 vectors, by hnswlib."""

    library = "hnswlib"
    rounds = False
    slice = 4

    def __init__(self, metric: Metric, dim: int) -> None:
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
            self._index.init_index(capacity, M=M, ef_construction=EF_CONSTRUCTION)
        self._capacity = capacity

    def add(self, vectors: Matrix) -> None:
        first = self._index.get_current_count()
        self._index.add_items(vectors, np.arange(first, first + len(vectors)), num_threads=1)

    def search(self, query: Scores, k: int, ef: int) -> Nearest | None:
        found = self.search_many(query[None], k, ef)
        return found[0]

    def search_many(self, queries: Matrix, k: int, ef: int) -> list[Nearest | None]:
        """Pass ``ef`` as the number of rows: hnswlib stores its own ef in the index, where concurrent
        searches would overwrite each other's, but it always searches at least as wide as the number of rows
        requested."""
        reach = min(max(k, ef), self._index.get_current_count())
        try:
            labels, distances = self._index.knn_query(queries, reach, num_threads=1)
        except RuntimeError:  # for some query it reaches fewer rows, and cannot return those
            if len(queries) == 1:
                return [None]
            return [self.search(query, k, ef) for query in queries]
        return list(zip(labels[:, :k].view(np.int64), distances[:, :k], strict=True))

    def save(self, path: Path) -> None:
        self._index.save_index(str(path))
        if path.stat().st_size != self._index.index_file_size():  # it does not check its writes
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    def load(self, path: Path, rows: int) -> None:
        self._capacity = rows + _LEAST
        self._index.load_index(str(path), max_elements=self._capacity)


class Faiss:
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

    def __init__(self, metric: Metric, dim: int, precision: Precision) -> None:
        self._faiss: Any = import_module("faiss")  # slow to import, so only when there is a graph
        faiss = self._faiss
        measure = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
        self.rounds = precision != "float32"
        if self.rounds:
            kind = (
                faiss.ScalarQuantizer.QT_fp16 if precision == "float16" else faiss.ScalarQuantizer.QT_8bit
            )
            self._index: Any = faiss.IndexHNSWSQ(dim, kind, M, measure)
        else:
            self._index = faiss.IndexHNSWFlat(dim, M, measure)
        self._index.hnsw.efConstruction = EF_CONSTRUCTION
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

    def search(self, query: Scores, k: int, ef: int) -> Nearest | None:
        how = self._faiss.SearchParametersHNSW(efSearch=ef)
        found, labels = self._index.search(query[None], k, params=how)
        reached = labels[0] >= 0
        distances = 1 - found[0] if self._products else found[0]
        return labels[0][reached], distances[reached]

    def search_many(self, queries: Matrix, k: int, ef: int) -> list[Nearest | None]:
        return [self.search(query, k, ef) for query in queries]

    def save(self, path: Path) -> None:
        try:
            self._faiss.write_index(self._index, str(path))
        except RuntimeError as cause:
            raise OSError(errno.EIO, str(cause), str(path)) from cause

    def load(self, path: Path, rows: int) -> None:  # noqa: ARG002
        self._index = self._faiss.read_index(str(path))


def check_precision(precision: object, metric: Metric) -> None:
    """Raises SettingsError for a precision that is unknown or does not fit the metric, MissingExtra if its
    library is not installed."""
    if not isinstance(precision, str) or precision not in PRECISIONS:
        known = ", ".join(map(repr, PRECISIONS))
        raise SettingsError(f"graph_precision {shown(precision)} is not known; it is one of {known}")
    if precision == "float16" and metric != "cosine":
        raise SettingsError(
            f"graph_precision 'float16' holds numbers up to 65,504 only, and metric {metric!r} knows no "
            "limit; 'int8' measures the vectors first"
        )
    if precision != "float32" and lacking("faiss"):
        raise missing(f"graph_precision {precision!r}", "faiss")


def missing(purpose: str, library: str) -> MissingExtra:
    """Make the error that says how to install a ``library``."""
    return MissingExtra(f"{purpose} needs {library}; run: pip install {_PACKAGES[library]}", name=library)


def make(metric: Metric, dim: int, precision: Precision, library: str | None = None) -> Hnsw:
    """Make an empty graph by ``library``, or by the first choice among those installed. Raises what
    ``check_precision`` does; MissingExtra if none is installed."""
    check_precision(precision, metric)
    for name in (library,) if library else LIBRARIES[precision]:
        if not lacking(name):
            return Hnswlib(metric, dim) if name == "hnswlib" else Faiss(metric, dim, precision)
    raise missing("a graph of vectors", library or LIBRARIES[precision][-1])
