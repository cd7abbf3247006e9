"""Inverted files by faiss: float32 vectors, bytes, or product codes for the fast-scan kernels.

Lists are trained on a sample. An index that has grown fourfold since is trained anew, and so is one whose
later rows lie farther from their centroids than the first ones did: that is how drift is noticed.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid.ann import IVFPQ, IVFSQ8, IVFFlat
from hybrid.types import Mask, Matrix, Metric, Scores
from hybrid.vector.finder import Nearest
from hybrid.vector.scan import GATHERED

_LEAST: Final = 39
"""Training rows for each list; k-means gets poor with fewer."""
_SAMPLE: Final = 64  # training rows for each list, where there are as many
_CODED: Final = 20_000  # training rows of product codes and of the range of bytes
_ROUNDS: Final = 8  # of k-means
_MOST: Final = 4096  # lists chosen by "auto"
_GROWTH: Final = 4
_DRIFT: Final = 1.3
"""Later rows whose mean squared distance from their centroids is this many times that of the training rows
have drifted; _JUDGED of them must be measured."""
_MEASURED: Final = 16  # rows of each slice
_JUDGED: Final = 500
_LESS: Final = 0.75
"""Passing rows are few where there are less than this part of their usual share."""
_CONTRADICTED: Final = 4
_LOOKED: Final = 16  # lists in which passing rows are counted
_ASKED: Final = 128  # training rows whose neighbours say how many lists to look through
_NEAR: Final = 10  # their nearest neighbours
_FAR: Final = 300  # and many more
_FOUND: Final = 0.99  # of them are to be found
_FARTHER: Final = 2.0
"""Queries lie farther from rows than rows do: they get this many times the lists by default."""
_SPARE: Final = 0.5  # as `hybrid.vector.hnsw.Faiss`

_ROWS: Final = 6000.0  # a search of a graph costs a scan of as many; `hybrid.vector.view.EXACT_ROWS`

_FIGURES: Final = {IVFFlat: (1.1, 1.0, 0.0), IVFSQ8: (0.7, 1.25, 20.0), IVFPQ: (0.15, 4.0, 200.0)}
"""The cost of scanning a row, beside a scan of float32 rows; the oversampling, and the least number of rows
that are rescored. tests/benchmarks/families.py measures them."""


class Inverted:
    """An inverted file; its rows are numbered in the order of insertion."""

    library = "faiss"
    sifts = True
    slice = 256

    def __init__(self, family: IVFFlat | IVFSQ8 | IVFPQ, metric: Metric, dim: int) -> None:
        self._faiss: Any = import_module("faiss")  # slow to import, so only when there is something to find
        self._family, self._metric, self._dim = family, metric, dim
        self.rounds = not isinstance(family, IVFFlat)
        self._scanned, self.oversampling, self._listed = _FIGURES[type(family)]
        self.least = _LEAST if family.lists == "auto" else max(_LEAST, family.lists)
        self._index: Any = None
        self._filled = self._many = 1  # rows and lists
        self._trained, self._spread, self._later, self._apart = 0, 0.0, 0, 0.0
        self._curve = _Curve(1.0, 1.0, 0.0)

    # -- building

    def train(self, vectors: Matrix, stop: Callable[[], bool]) -> bool:
        self._faiss.omp_set_num_threads(1)  # applies to the calling thread
        lists = self._lists(len(vectors))
        sample = _sample(vectors, max(_SAMPLE * lists, _CODED))
        if (quantizer := self._centroids(sample[: _SAMPLE * lists], lists, stop)) is None:
            return False
        index = self._empty(quantizer, lists)
        index.train(sample[:_CODED])
        if stop():
            return False
        self._index, self._many, self._trained = index, lists, len(vectors)
        self._spread, self._later, self._apart = self._distance(sample[:_CODED]), 0, 0.0
        self._curve = self._measured(sample)
        return True

    def _measured(self, sample: Matrix) -> _Curve:
        """Measure in how many lists the neighbours of some rows lie, among the ``sample``."""
        queries, quantizer = sample[:_ASKED], self._index.quantizer
        many = min(_FAR, len(sample) - 1)
        scores = queries @ sample.T
        if self._metric == "l2":
            scores = 2 * scores - np.vecdot(sample, sample)
        near = np.argpartition(-scores, many, axis=1)[:, : many + 1]
        order = np.argsort(-np.take_along_axis(scores, near, axis=1), axis=1, kind="stable")
        near = np.take_along_axis(near, order, axis=1)[:, 1:]  # without the row itself
        _, own = quantizer.search(sample, 1)
        _, ranked = quantizer.search(queries, self._many)
        ranks = np.empty_like(ranked)
        np.put_along_axis(ranks, ranked, np.arange(1, self._many + 1)[None], axis=1)
        lists = np.take_along_axis(ranks, own[:, 0][near], axis=1)
        few = min(_NEAR, many)
        at, far = (float(np.quantile(lists[:, :k], _FOUND)) for k in (few, many))
        power = math.log(far / at) / math.log(many / few) if many > few and far > at else 0.0
        return _Curve(few / len(sample), at, power)

    def _lists(self, rows: int) -> int:
        if self._family.lists != "auto":
            return self._family.lists
        return max(1, min(1 << round(math.log2(2 * math.sqrt(rows))), rows // _LEAST, _MOST))

    def _centroids(self, sample: Matrix, lists: int, stop: Callable[[], bool]) -> Any:
        """Run k-means, round by round so that it can stop; return faiss' index of the centroids, or None if
        it stopped."""
        faiss, centroids = self._faiss, None
        for _ in range(_ROUNDS):
            if stop():
                return None
            flat = faiss.IndexFlatL2 if self._metric == "l2" else faiss.IndexFlatIP
            quantizer, clustering = flat(self._dim), faiss.Clustering(self._dim, lists)
            clustering.niter, clustering.spherical = 1, self._metric != "l2"
            clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, len(sample)
            if centroids is not None:
                faiss.copy_array_to_vector(centroids, clustering.centroids)
            clustering.train(sample, quantizer)
            centroids = faiss.vector_to_array(clustering.centroids)
        return quantizer

    def _empty(self, quantizer: Any, lists: int) -> Any:
        faiss = self._faiss
        measure = faiss.METRIC_L2 if self._metric == "l2" else faiss.METRIC_INNER_PRODUCT
        if isinstance(self._family, IVFFlat):
            return faiss.IndexIVFFlat(quantizer, self._dim, lists, measure)
        if isinstance(self._family, IVFSQ8):
            bits = faiss.ScalarQuantizer.QT_8bit
            made = faiss.IndexIVFScalarQuantizer(quantizer, self._dim, lists, bits, measure, False)
            made.sq.rangestat, made.sq.rangestat_arg = faiss.ScalarQuantizer.RS_minmax, _SPARE
            return made
        codes = self._dim if self._dim % 2 else self._dim // 2
        made = faiss.IndexIVFPQFastScan(quantizer, self._dim, lists, codes, 4, measure)
        made.by_residual = False  # or each list would need its own tables
        made.pq.cp.min_points_per_centroid = 1  # it warns on stderr
        return made

    def outgrown(self, rows: int) -> bool:
        grown = self._family.lists == "auto" and rows >= _GROWTH * self._trained
        drifted = self._later >= _JUDGED and self._apart > _DRIFT * self._spread * self._later
        return self._index is not None and (grown or drifted)

    def prepare(self, rows: int, vectors: Matrix) -> None:
        self._faiss.omp_set_num_threads(1)

    def add(self, vectors: Matrix) -> None:
        vectors = np.ascontiguousarray(vectors)
        self._index.add(vectors)
        self._filled = self._index.ntotal
        if self._filled > self._trained:
            some = vectors[:_MEASURED]
            self._apart += len(some) * self._distance(some)
            self._later += len(some)

    def _distance(self, vectors: Matrix) -> float:
        """The mean squared distance of ``vectors`` from their centroids."""
        quantizer = self._index.quantizer
        _, lists = quantizer.search(vectors, 1)
        apart = vectors - quantizer.reconstruct_batch(lists[:, 0])
        return float(np.vecdot(apart, apart).mean(dtype=np.float64))

    # -- searching

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Nearest | None:
        faiss = self._faiss
        faiss.omp_set_num_threads(1)
        how = faiss.SearchParametersIVF(nprobe=min(effort, self._many))
        if passing is not None:
            how.sel = faiss.IDSelectorBitmap(np.packbits(passing, bitorder="little"))
            how.nprobe = self._enough(query, min(effort, self._many), passing)
        found, rows = self._index.search(query[None], k, params=how)
        reached = rows[0] >= 0
        distances = found[0][reached] if self._metric == "l2" else 1 - found[0][reached]
        return rows[0][reached], distances

    def _enough(self, query: Scores, lists: int, passing: Mask) -> int:
        """Return how many lists to look through. If few rows pass in the first ``lists``, the filter
        contradicts the query: those that do pass are far, in many lists. Then it takes several times as
        many as hold nearly the usual share of passing rows."""
        _, order = self._index.quantizer.search(query[None], self._many)
        wanted, enough = _LESS * np.count_nonzero(passing) / len(passing), lists
        while enough < self._many:
            some = order[0, : enough : max(1, enough // _LOOKED)].tolist()
            rows = np.concatenate([self._rows(one) for one in some])
            if passing.take(rows, mode="clip").mean() >= wanted:
                break
            enough *= 2
        return min(enough if enough == lists else _CONTRADICTED * enough, self._many)

    def _rows(self, one: int) -> NDArray[np.int64]:
        lists = self._index.invlists
        if not (size := lists.list_size(one)):
            return np.empty(0, np.int64)
        rows: NDArray[np.int64] = self._faiss.rev_swig_ptr(lists.get_ids(one), size)
        return rows

    def search_many(self, queries: Matrix, k: int, effort: int) -> list[Nearest | None]:
        return [self.search(query, k, effort) for query in queries]

    def effort(self, wanted: float) -> int:
        return math.ceil(min(_FARTHER * self._curve(wanted / self._filled), self._many))

    def listed(self, effort: int, filtered: bool) -> float:
        return self._listed

    def reach(self, effort: int, wanted: float, look: float, filtered: bool) -> float:
        return float(min(effort * max(1.0, (look / wanted) ** self._curve.power), self._many))

    def cost(self, effort: float, k: float) -> float:
        scanned = self._scanned * self._filled * min(effort / self._many, 1.0)
        return max(1.0, (self._many + scanned + GATHERED * k) / _ROWS)

    # -- files

    def save(self, path: Path) -> None:
        try:
            self._faiss.write_index(self._index, str(path))
        except RuntimeError as cause:
            raise OSError(errno.EIO, str(cause), str(path)) from cause

    def state(self) -> Mapping[str, float]:
        return {
            "trained": self._trained,
            "spread": self._spread,
            "later": self._later,
            "apart": self._apart,
            **self._curve._asdict(),
        }

    def load(self, path: Path, rows: int, state: Mapping[str, float]) -> None:
        self._index = self._faiss.read_index(str(path))
        self._filled, self._many = self._index.ntotal, self._index.nlist
        self._trained, self._later = int(state["trained"]), int(state["later"])
        self._spread, self._apart = float(state["spread"]), float(state["apart"])
        self._curve = _Curve(*(float(state[name]) for name in _Curve._fields))


class _Curve(NamedTuple):
    """How many lists the nearest ``share`` of all rows lie in: ``lists`` at the share ``near``, and more by
    a ``power`` of the share."""

    near: float
    lists: float
    power: float

    def __call__(self, share: float) -> float:
        return float(self.lists * (share / self.near) ** self.power)


def _sample(vectors: Matrix, most: int) -> Matrix:
    """Up to ``most`` rows, in random order; the same each time."""
    rows = np.random.default_rng(0).permutation(len(vectors))[:most]
    return np.ascontiguousarray(vectors[rows])
