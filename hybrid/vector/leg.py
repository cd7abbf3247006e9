"""The vector leg: the rows of one generation, the older ones sealed in a graph.

It works like a small LSM tree: new rows go to a tail that is scanned exactly; once the tail has SEAL_AT
rows, or no row has been written for a while, a background thread moves them into the sealed graph, or what
another family has instead. So a small index is exact, a commit never waits for the graph, new rows are
found with recall 1, and an idle index has no tail.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from hybrid import threads
from hybrid.ann import HNSW, Family, Flat
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.ledger.rows import Rows
from hybrid.types import Metric
from hybrid.vector import graph as graphs
from hybrid.vector.families import libraries
from hybrid.vector.graph import Graph, checked, choose, identity
from hybrid.vector.scan import RowNumbers
from hybrid.vector.view import NONE, VectorView, too_long

SEAL_AT: Final = 4096
QUIET: Final = 1.0
"""Seconds without a write after which a shorter tail is sealed as well."""
_WRITTEN: Final = 256  # rows saved to a file in the time of one insertion
_USUAL: Final = HNSW()
_log = logging.getLogger(__name__)


class VectorLeg:
    """Owns the graph of one generation and the thread that fills it."""

    def __init__(
        self,
        folder: Folder,
        uuid: str,
        metric: Metric,
        family: Family = _USUAL,
        *,
        read_only: bool = False,
    ) -> None:
        self._folder, self._uuid, self._metric, self._family = folder, uuid, metric, family
        self._read_only = read_only
        self._graph: Graph | None = None
        self._lacks: str | None = None
        self._saved = 0
        self._rows = Rows.none()
        self._long, self._measured = NONE, 0
        self._stop = threading.Event()
        self._sealer: threading.Thread | None = None
        self._awaited = 0  # number of threads waiting for it
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        threads.enlist(self)

    def view(self, rows: Rows) -> VectorView:
        """Return a view over ``rows``; start to seal rows that the graph lacks in the background."""
        with self._lock:
            self._rows = rows
            if len(long := self._too_long(rows)):  # a graph that contains them does not work
                return VectorView(rows, self._metric, None, long)
            if self._graph is None and self._seals(rows):
                self._graph = self._open_graph(rows)
            if self._graph is not None and self._lags(self._graph):
                self._start()
                self._changed.notify_all()
            return VectorView(rows, self._metric, self._graph, lacks=self._lacks)

    def _seals(self, rows: Rows) -> bool:
        return self._lacks is None and not isinstance(self._family, Flat) and len(rows) > SEAL_AT

    def _lags(self, graph: Graph) -> bool:
        """Whether there are rows that the graph lacks and can take."""
        return len(self._rows) > max(graph.rows, graph.finder.least - 1)

    def _too_long(self, rows: Rows) -> RowNumbers:
        """Return the rows that are too long. Measures each row once."""
        if self._metric == "cosine":  # all rows have unit length
            return NONE
        if len(rows) > self._measured:
            new = self._measured + too_long(rows.vectors[self._measured :])
            self._long, self._measured = np.concatenate([self._long, new]), len(rows)
            if len(new):
                _log.warning(
                    "%s: %d vectors are too long for float32; searches pass over them and scan the others, "
                    "exactly and slowly; see: hybrid verify",
                    self._folder,
                    len(new),
                )
        return self._long[self._long < len(rows)]

    def _open_graph(self, rows: Rows) -> Graph | None:
        """Load the saved graph, or make an empty one; None if no library for it is installed."""
        try:
            library = choose(self._folder, self._family, read_only=self._read_only)
            graph = Graph(self._metric, rows.vectors.shape[1], self._family, library)
        except ImportError as error:
            _log.warning("%s: searched without its graph, exactly and slowly: %s", self._folder, error)
            self._lacks = str(error)
            return None
        if complaint := graph.load(self._folder, self._uuid, len(rows)):
            _log.warning("%s: %s; it is built again from the ledger", self._folder, complaint)
            if not self._read_only:
                graph.forget(self._folder)
        self._saved = graph.rows
        return graph

    def _start(self) -> None:
        if self._sealer is None and not self._stop.is_set():
            sealer = threading.Thread(target=self._seal, name="hybrid-seal", daemon=True)
            self._sealer = sealer  # set before it runs: the thread sets it to None when it ends
            if not threads.start(sealer):  # then search stays exact
                self._sealer = None

    def _seal(self) -> None:
        graph = self._graph
        assert graph is not None
        try:
            while self._due(graph):
                if graph.finder.outgrown(len(self._rows)):
                    graph = self._anew(graph)
                else:
                    graph.insert(self._rows.vectors[graph.rows :], self._stop.is_set)
                if (
                    not self._read_only and graph.rows >= 2 * self._saved
                ):  # so a crash costs at most half of the graph
                    self._save(graph)
        except Exception as error:  # such as no memory: search stays exact, the next commit tries again
            _log.warning("%s: the graph does not grow: %s", self._folder, error)
            with self._lock:
                self._sealer = None

    def _anew(self, old: Graph) -> Graph:
        """Build the graph anew beside the ``old`` one, which serves until then; return the one that
        serves."""
        graph = old.anew()
        graph.insert(self._rows.vectors, self._stop.is_set)
        if graph.rows < old.rows:
            return old
        with self._lock:
            self._graph, self._saved = graph, 0
        return graph

    def _due(self, graph: Graph) -> bool:
        """Wait until the tail is long, or no write has come for a while, or a thread waits for sealing.
        Returns False if there is nothing left to do; the thread then counts as ended."""
        with self._changed:
            while self._lags(graph) and not self._stop.is_set():
                tail = len(self._rows) - graph.rows
                if tail > SEAL_AT or self._awaited or not self._changed.wait(QUIET):
                    return True
            self._sealer = None
            return False

    def _save(self, graph: Graph) -> None:
        """Save the graph. The file is only a cache, so a full disk is logged and not an error."""
        try:
            graph.save(self._folder, self._uuid)
            self._saved = graph.rows
        except OSError as error:
            _log.warning("%s: the graph is not saved: %s", self._folder, error)

    def settle(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Wait until sealing has caught up or ``stop()`` is true."""
        self._await(1)
        while (sealer := self._sealer) is not None and not stop():
            sealer.join(0.1)
        self._await(-1)

    def _await(self, more: int) -> None:
        with self._changed:
            self._awaited += more
            self._changed.notify_all()

    def disagreements(self, rows: Rows) -> Iterator[str]:
        """Check the saved graphs; yield a line for each fault. (A missing graph is not a fault.)"""
        if len(rows):
            same = identity(self._uuid, self._metric, rows.vectors.shape[1], self._family)
            for library in libraries(self._family):
                try:
                    checked(self._folder, len(rows), library, same)
                except IndexCorrupt as error:
                    yield f"vector leg: {error}"

    def copy(self, to: Folder) -> None:
        """Copy the saved graphs, if there are any, into the folder ``to``."""
        graphs.copy(self._folder, to)

    def wipe(self) -> None:
        """Discard the graph, in memory and on disk, from any library; it is built again from the rows."""
        self._end()
        self._graph, self._saved = None, 0
        for name in self._folder.names():
            if name.startswith("graph"):
                self._folder.remove(name)
        self._stop.clear()

    def close(self, finish: bool = True) -> None:
        """Close the leg. With ``finish``, a writer first completes sealing and saves the graph, if the
        saved one is far enough behind."""
        finish = finish and not self._read_only and self._behind()
        if finish:
            self.settle()
        self._end()
        if finish and self._graph is not None and self._graph.rows > self._saved:
            self._save(self._graph)

    def _behind(self) -> bool:
        """Whether inserting the rows that the saved graph lacks takes longer than saving the graph."""
        lacking = len(self._rows) - self._saved
        return self._graph is not None and lacking * _WRITTEN > len(self._rows)

    def leave(self) -> None:
        """End the thread; rows that it has not saved are inserted again later."""
        self._end()

    def _end(self) -> None:
        self._stop.set()
        self.settle()
