"""The sealed part of the vector leg: an HNSW graph (hnswlib) whose labels are row numbers.

hnswlib must not insert beside a search on the same graph, so insertion goes in slices short enough that
no search waits long. A saved graph is only a cache of the ledger's vectors: it is taken when its manifest
(the index's UUID, rows, length, CRC) matches and built again otherwise, and hnswlib never sees a file that
was not checked first, since a damaged one crashes the process.
"""

from __future__ import annotations

import errno
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import hnswlib
import numpy as np
from numpy.typing import NDArray

from hybrid import manifest
from hybrid.errors import IndexCorrupt
from hybrid.failpoints import reach
from hybrid.files import sync
from hybrid.types import Matrix, Metric, Scores

M: Final = 16
EF_CONSTRUCTION: Final = 200
EF_SEARCH: Final = 512
MANIFEST: Final = "graph.json"
_SLICE: Final = 4  # rows inserted between two chances for a search: some 3 ms


class Graph:
    """Approximate nearest rows. Malkov and Yashunin, TPAMI 2020."""

    def __init__(self, metric: Metric, dim: int) -> None:
        self.metric: Metric = metric
        self.dim = dim
        # Unit vectors under "cosine": the inner product is the cosine, and hnswlib need not scale again.
        self._index: Any = hnswlib.Index("l2" if metric == "l2" else "ip", dim)
        self._capacity = 0
        self._gate = _Gate()
        self.rows = 0

    def insert(self, vectors: Matrix, stop: Callable[[], bool]) -> None:
        """Add ``vectors`` (n, dim) as the next rows, until all are in or ``stop`` says so."""
        for start in range(0, len(vectors), _SLICE):
            if stop():
                return
            part = vectors[start : start + _SLICE]
            with self._gate.alone():
                end = self.rows + len(part)
                self._make_room(end, self.rows + len(vectors) - start)
                self._index.add_items(part, np.arange(self.rows, end), num_threads=1)
                self.rows = end

    def _make_room(self, needed: int, coming: int) -> None:
        if needed <= self._capacity:
            return
        capacity = max(coming, 2 * self._capacity, 1024)
        if self._capacity:
            self._index.resize_index(capacity)
        else:
            self._index.init_index(capacity, M=M, ef_construction=EF_CONSTRUCTION)
        self._capacity = capacity

    def search(self, query: Scores, k: int, ef: int) -> tuple[NDArray[np.int64], Scores, int] | None:
        """Up to ``k`` row numbers near ``query``, nearest first, their distances (1 - the inner product, or
        the squared Euclidean one), and how many rows the graph then held. None where hnswlib reaches fewer
        rows than it has and was asked for: it raises, and cannot return what it has.

        hnswlib keeps ``ef`` with the index, not the search: of two searches at the same time that want
        different ones, one may look as far as the other wanted, and be less sure or slower for once.
        """
        with self._gate:
            rows = self.rows
            if not rows:
                return np.empty(0, np.int64), np.empty(0, np.float32), 0
            self._index.set_ef(ef)
            try:
                labels, distances = self._index.knn_query(query, min(k, rows), num_threads=1)
            except RuntimeError:
                return None
        return labels[0].view(np.int64), distances[0], rows

    def save(self, folder: Path, uuid: str) -> None:
        """Write the graph and then its manifest, each durable before it counts."""
        path = folder / f"graph-{self.rows}.hnsw"
        temporary = path.with_suffix(".tmp")
        with self._gate:
            self._index.save_index(str(temporary))
        size, crc = _checksum(temporary)
        if size != self._index.index_file_size():  # hnswlib does not look whether its writes succeed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary))
        sync(temporary)
        reach("graph.written")
        os.replace(temporary, path)
        reach("graph.renamed")
        sync(folder)
        value = {"uuid": uuid, "file": path.name, "rows": self.rows, "bytes": size, "crc32": crc}
        manifest.write(folder / MANIFEST, value | {"dim": self.dim, "metric": self.metric})
        sync(folder)
        reach("graph.listed")
        for old in folder.glob("graph-*.hnsw"):
            if old != path:
                old.unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path, uuid: str, metric: Metric, dim: int, rows: int) -> tuple[Graph, str | None]:
        """The saved graph over the first rows of ``rows``; an empty one and the reason where it cannot
        be taken (None where there is just none)."""
        graph = cls(metric, dim)
        try:
            value = checked(folder, uuid, metric, dim, rows)
        except IndexCorrupt as complaint:
            return graph, str(complaint)
        if value is not None:
            graph._capacity = value["rows"] + 1024
            graph._index.load_index(str(folder / value["file"]), max_elements=graph._capacity)
            graph.rows = value["rows"]
        return graph, None


def graph_file(folder: Path) -> str:
    """The name of the saved graph. Raises FileNotFoundError, IndexCorrupt."""
    return str(manifest.read(folder / MANIFEST).get("file"))


def checked(folder: Path, uuid: str, metric: Metric, dim: int, rows: int) -> dict[str, Any] | None:
    """The manifest of the saved graph; None where none is saved. IndexCorrupt unless it may be loaded as
    one over the first rows of ``rows``."""
    path = folder / MANIFEST
    try:
        value = manifest.read(path)
        if (value["uuid"], value["metric"], value["dim"]) != (uuid, metric, dim):
            raise IndexCorrupt(f"{path}: belongs to another index")
        if (value["bytes"], value["crc32"]) != _checksum(folder / str(value["file"])):
            raise IndexCorrupt(f"{folder / value['file']}: damaged")
    except FileNotFoundError as error:
        if error.filename != str(path):
            raise IndexCorrupt(f"{error.filename}: missing") from error
        return None
    except (KeyError, TypeError) as error:
        raise IndexCorrupt(f"{path}: damaged: {error}") from error
    if not 0 < value["rows"] <= rows:
        raise IndexCorrupt(f"{path}: {value['rows']} rows in the graph, {rows} in the ledger")
    return value


def _checksum(path: Path) -> tuple[int, int]:
    size = crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            size, crc = size + len(block), zlib.crc32(block, crc)
    return size, crc


class _Gate:
    """Many may be in at once (``with gate``), or one ``alone``. Neither starves the other: whoever wants to
    be alone holds newcomers back, and those it held back all go in before its next turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0  # -1: somebody is alone
        self._wanted = False
        self._turn = 0
        self._waiting = 0
        self._owed = 0

    def __enter__(self) -> None:
        with self._lock:  # not by the condition, whose methods are in Python: every search comes by here
            if self._inside < 0 or self._wanted:
                self._wait()
            self._inside += 1

    def _wait(self) -> None:
        turn = self._turn
        self._waiting += 1
        while self._inside < 0 or (self._wanted and turn == self._turn):
            self._changed.wait()
        self._waiting -= 1
        self._owed -= turn != self._turn

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._wanted:
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._wanted = True
            while self._inside or self._owed:
                self._changed.wait()
            self._inside, self._wanted = -1, False
        try:
            yield
        finally:
            with self._changed:
                self._inside, self._owed = 0, self._waiting
                self._turn += 1
                self._changed.notify_all()
