"""The neural leg: nearest neighbours, exact while few, by graph beyond.

A small LSM tree: new rows go to a tail that is searched exactly (a matrix product); past SEAL_AT rows a
background thread moves them into the sealed HNSW graph. So a small index is exact by construction, a
commit never waits for graph building, and what was just written is found with recall 1.

A document has one row per window of its text and counts with its best one. Scores: the cosine, the inner
product, or minus the squared Euclidean distance.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.arrays import Rows
from hybrid.documents import unit
from hybrid.errors import IndexCorrupt
from hybrid.graph import EF_SEARCH, MANIFEST, Graph, checked, graph_file
from hybrid.types import Candidates, Mask, Matrix, Metric, Ordinals, Scores

SEAL_AT: Final = 4096
EXACT_ROWS: Final = 6000
"""Up to so many rows a scan beats the graph, and is exact."""
EXACT_SHARE: Final = 0.10
OVERFETCH_SHARE: Final = 0.50
"""Filters: below the first share of rows allowed, scan those; from the second on, over-fetch from the
graph; between the two hnswlib's callback. Measured at 60,000 rows of 384."""

_FLOOR: Final[dict[Metric, float | None]] = {"cosine": -1.0, "ip": None, "l2": None}
_log = logging.getLogger(__name__)

RowNumbers = NDArray[np.int64]


def similarities(vectors: NDArray[np.float32], query: Scores, metric: Metric) -> Scores:
    """float32 (n,) of rows (n, dim) with ``query`` (dim,), higher is nearer.

    Each row is summed by itself (no BLAS), so a row's score does not depend on its neighbours.
    """
    if metric == "l2":
        apart = vectors - query
        return np.asarray(-np.einsum("ij,ij->i", apart, apart))
    return np.asarray(np.einsum("ij,j->i", vectors, query))


def _firsts(owners: Ordinals) -> NDArray[np.bool_]:
    """Which rows, bool (n,), are the first of their document in an ascending list."""
    first = np.ones(len(owners), np.bool_)
    np.not_equal(owners[1:], owners[:-1], out=first[1:])
    return first


@dataclass(frozen=True)
class VectorView:
    """The vector leg as of one snapshot: its rows; the graph holds some first part of them or more."""

    rows: Rows
    metric: Metric
    graph: Graph | None

    def search(self, query: Scores, k: int, allowed: Mask | None = None) -> Candidates:
        """The ``k`` documents nearest to ``query`` (dim,) among ``allowed``, bool (n,) over ordinals."""
        if not len(self.rows):
            return Candidates.none()
        sealed = min(self.graph.rows, len(self.rows)) if self.graph else 0
        if sealed == 0 or len(self.rows) <= EXACT_ROWS:
            return self._exact(query, k, self._rows(allowed, 0))
        if allowed is None:
            return self._overfetch(query, k, None, sealed, 1.0)
        passing = allowed[self.rows.ordinals[:sealed]]
        count = int(np.count_nonzero(passing))
        if count <= max(EXACT_ROWS, EXACT_SHARE * sealed):
            return self._exact(query, k, self._rows(allowed, 0))
        if count >= OVERFETCH_SHARE * sealed:
            return self._overfetch(query, k, allowed, sealed, count / sealed)
        return self._called_back(query, k, allowed, passing)

    def best_rows(self, query: Scores, ordinals: Ordinals) -> RowNumbers:
        """For each of ``ordinals`` (any order) the number of its nearest row, or -1 where it has none."""
        order = np.argsort(ordinals, kind="stable")
        owners, rows, _, _ = self._best(query, ordinals[order])
        best = np.full(len(ordinals), -1)
        best[order[owners]] = rows
        return best

    def nearest(self, query: Scores, ordinals: Ordinals) -> tuple[Scores, Matrix]:
        """Of the row of each of ``ordinals`` (ascending) that is nearest to ``query``: its score, float32
        (n,), and its direction, a unit vector (n, dim); NaN and zeros for one that has no row."""
        owners, _, found, directions = self._best(query, ordinals)
        scores = np.full(len(ordinals), np.nan, np.float32)
        vectors = np.zeros((len(ordinals), len(query)), np.float32)
        scores[owners] = found
        vectors[owners] = directions if self.metric == "cosine" else unit(directions)
        return scores, vectors

    def _best(
        self, query: Scores, ordinals: Ordinals
    ) -> tuple[NDArray[np.intp], RowNumbers, Scores, Matrix]:
        """Of those of ``ordinals`` (ascending) that have rows: their places there, the numbers of their
        nearest rows (the first of equals), its scores and vectors."""
        rows = self.rows.of(ordinals)
        if not len(rows):
            return np.empty(0, np.intp), rows, np.empty(0, np.float32), self.rows.vectors[:0]
        owners = np.searchsorted(ordinals, self.rows.ordinals[rows])
        vectors = self.rows.vectors[rows]
        scores = similarities(vectors, query, self.metric)
        first = _firsts(owners)
        if first.all():
            return owners, rows, scores, vectors
        starts = np.flatnonzero(first)
        best = np.maximum.reduceat(scores, starts)
        top = np.flatnonzero(scores == np.repeat(best, np.diff(starts, append=len(rows))))
        top = top[_firsts(owners[top])]
        return owners[top], rows[top], scores[top], vectors[top]

    # -- the three ways

    def _exact(self, query: Scores, k: int, rows: slice | RowNumbers) -> Candidates:
        return self._rank(query, k, self._nearest(query, k, rows))

    def _overfetch(
        self, query: Scores, k: int, allowed: Mask | None, sealed: int, share: float
    ) -> Candidates:
        """Ask the graph for more than k until k documents pass; its answer knows nothing of the filter."""
        assert self.graph is not None
        # What the graph looks at anyway, so that a longer answer extends the shorter one.
        fetch = max(EF_SEARCH, int(1.2 * k / share) + 8)
        while fetch < sealed // 2:
            found = self.graph.search(query, fetch)
            if found is None:
                break
            labels, held = found
            labels = labels[labels < len(self.rows)]
            if allowed is not None:
                labels = labels[allowed[self.rows.ordinals[labels]]]
            if self._documents(labels) >= k:
                tail = self._nearest(query, k, self._rows(allowed, min(held, len(self.rows))))
                return self._rank(query, k, np.concatenate([labels, tail]))
            fetch *= 3
        return self._exact(query, k, self._rows(allowed, 0))

    def _called_back(self, query: Scores, k: int, allowed: Mask, passing: Mask) -> Candidates:
        assert self.graph is not None
        test = passing.tolist()  # a list answers hnswlib's one-by-one questions faster than an array
        rows = len(test)
        found = self.graph.search(
            query, min(2 * k, int(passing.sum())), lambda label: label < rows and test[label]
        )
        if found is None or self._documents(found[0]) < k:
            return self._exact(query, k, self._rows(allowed, 0))
        tail = self._nearest(query, k, self._rows(allowed, rows))
        return self._rank(query, k, np.concatenate([found[0], tail]))

    # -- parts of them

    def _documents(self, rows: RowNumbers) -> int:
        """How many documents some rows are of."""
        return int(np.count_nonzero(_firsts(np.sort(self.rows.ordinals[rows]))))

    def _rows(self, allowed: Mask | None, start: int) -> slice | RowNumbers:
        """The rows from ``start`` on that are allowed."""
        if allowed is None:
            return slice(start, len(self.rows))
        return start + np.flatnonzero(allowed[self.rows.ordinals[start:]])

    def _nearest(self, query: Scores, k: int, rows: slice | RowNumbers) -> RowNumbers:
        """Numbers of rows that hold the best of the ``k`` best documents, by one matrix product."""
        vectors = self.rows.vectors[rows]
        scores = vectors @ query
        if self.metric == "l2":  # the nearest by 2qv - v², which is their -|q - v|² but for q²
            scores = 2 * scores - np.einsum("ij,ij->i", vectors, vectors)
        owners = self.rows.ordinals[rows]
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        first = _firsts(owners)
        best = scores if first.all() else np.maximum.reduceat(scores, np.flatnonzero(first))
        if len(best) <= k:
            return numbers
        # Keep what ties with the k-th up to rounding: the final order is by exact scores and ordinals.
        cut = np.partition(best, len(best) - k)[len(best) - k]
        rounding = 1e-5 * max(1.0, float(np.abs(scores).max()))
        return np.asarray(numbers[scores >= cut - rounding])

    def _rank(self, query: Scores, k: int, rows: RowNumbers) -> Candidates:
        """Score ``rows`` one by one, keep each document's best, and sort."""
        rows = np.sort(rows)  # so the ordinals ascend, too
        scores = similarities(self.rows.vectors[rows], query, self.metric)
        owners = self.rows.ordinals[rows]
        first = _firsts(owners)
        if not first.all():
            owners, scores = owners[first], np.maximum.reduceat(scores, np.flatnonzero(first))
        return Candidates.ranked(owners, scores, k, _FLOOR[self.metric])


class VectorLeg:
    """Owns the graph of one generation and the thread that feeds it."""

    def __init__(self, folder: Path, uuid: str, metric: Metric, *, read_only: bool = False) -> None:
        self._folder, self._uuid, self._metric = folder, uuid, metric
        self._read_only = read_only
        self._graph: Graph | None = None
        self._saved = 0
        self._rows = Rows.none()
        self._stop = threading.Event()
        self._sealer: threading.Thread | None = None
        self._lock = threading.Lock()

    def view(self, rows: Rows) -> VectorView:
        """The leg over ``rows``; starts sealing where the tail has grown long."""
        with self._lock:
            self._rows = rows
            if self._graph is None and len(rows) > SEAL_AT:
                self._graph = self._load(rows)
            if self._graph is not None and len(rows) - self._graph.rows > SEAL_AT:
                self._start()
            return VectorView(rows, self._metric, self._graph)

    def _load(self, rows: Rows) -> Graph:
        dim = rows.vectors.shape[1]
        graph, complaint = Graph.load(self._folder, self._uuid, self._metric, dim, len(rows))
        if complaint:
            _log.warning("%s: %s; it is built again from the ledger", self._folder, complaint)
            if not self._read_only:
                (self._folder / MANIFEST).unlink(missing_ok=True)
        self._saved = graph.rows
        return graph

    def _start(self) -> None:
        if self._sealer is None and not self._stop.is_set():
            self._sealer = threading.Thread(target=self._seal, name="hybrid-seal", daemon=True)
            self._sealer.start()

    def _seal(self) -> None:
        graph = self._graph
        assert graph is not None
        try:
            while not self._sealed(graph):
                graph.insert(self._rows.vectors[graph.rows :], self._stop.is_set)
                if (
                    not self._read_only and graph.rows >= 2 * self._saved
                ):  # so a crash costs at most half of the graph
                    self._save(graph)
        except Exception as error:  # no memory, say: search stays exact, the next commit tries again
            _log.warning("%s: the graph does not grow: %s", self._folder, error)
            with self._lock:
                self._sealer = None

    def _sealed(self, graph: Graph) -> bool:
        """Whether there is nothing left to do; the thread then counts as gone."""
        with self._lock:
            done = self._stop.is_set() or len(self._rows) - graph.rows <= SEAL_AT
            if done:
                self._sealer = None
            return done

    def _save(self, graph: Graph) -> None:
        """The file is a cache: without it the graph is built again, so a full disk is no error here."""
        try:
            graph.save(self._folder, self._uuid)
            self._saved = graph.rows
        except OSError as error:
            _log.warning("%s: the graph is not saved: %s", self._folder, error)

    def settle(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Wait until sealing has caught up, or until ``stop`` says so."""
        while (sealer := self._sealer) is not None and not stop():
            sealer.join(0.1)

    def disagreements(self, rows: Rows) -> Iterator[str]:
        """What is wrong with the saved graph: one line each. (None saved is not wrong.)"""
        if len(rows):
            try:
                checked(self._folder, self._uuid, self._metric, rows.vectors.shape[1], len(rows))
            except IndexCorrupt as error:
                yield f"vector leg: {error}"

    def copy(self, folder: Path) -> None:
        """Put the saved graph, if there is one, into ``folder``. One that a newer replaces meanwhile is not
        missed: the graph is only a cache."""
        with suppress(FileNotFoundError):
            for name in (graph_file(self._folder), MANIFEST):
                shutil.copyfile(self._folder / name, folder / name)

    def wipe(self) -> None:
        """Forget the graph, in memory and on disk; it grows again from the rows."""
        self._end()
        self._graph, self._saved = None, 0
        for path in self._folder.glob("graph*"):
            path.unlink()
        self._stop.clear()

    def close(self, finish: bool = True) -> None:
        """A writer may let sealing ``finish`` and save the graph."""
        finish = finish and not self._read_only
        if finish:
            self.settle()
        self._end()
        if finish and self._graph is not None and self._graph.rows > self._saved:
            self._save(self._graph)

    def _end(self) -> None:
        self._stop.set()
        self.settle()
