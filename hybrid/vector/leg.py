"""The neural leg: nearest neighbours, exact while few, by graph beyond.

A small LSM tree: new rows go to a tail that is searched exactly; past SEAL_AT rows, or when nobody has
written for a while, a background thread moves them into the sealed HNSW graph. So a small index is exact by
construction, a commit never waits for graph building, what was just written is found with recall 1, and an
index at rest has no tail.

A document has one row per window of its text and counts with its best one. Scores: the cosine, the inner
product, or minus the squared Euclidean distance.
"""

from __future__ import annotations

import logging
import math
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid import threads
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, MissingExtra
from hybrid.ledger.rows import Rows
from hybrid.limits import MAX_LENGTH, MAX_SCAN
from hybrid.norms import bounded, unit
from hybrid.order import firsts
from hybrid.settings import Precision
from hybrid.types import Candidates, Mask, Matrix, Metric, Ordinals, Passage, Scores, Ties
from hybrid.vector import graph as graphs
from hybrid.vector.graph import EF_SEARCH, Graph, Neighbours, checked, choose, identity
from hybrid.vector.hnsw import LIBRARIES
from hybrid.vector.scan import GATHERED, gathered, scan, similarities

SEAL_AT: Final = 4096
QUIET: Final = 1.0
"""Seconds without a write after which a shorter tail is sealed, too."""
_WRITTEN: Final = 256  # rows of a graph that are saved in the time in which one is inserted

# Costs are in rows of a scan from the first row to the last; tests/benchmarks/crossover.py measures them.
EXACT_ROWS: Final = 6000
"""Scanning so many rows costs what asking the graph does at ef = EF_SEARCH."""
_ASKED: Final = 0.25
"""The share of this that does not depend on ef."""
_MARGIN: Final = 2.0
"""Filters pick from the first 1 / _MARGIN of the rows that the graph keeps in view: of those it is sure."""
_SLACK: Final = 1.25  # more rows than should do: so many more that a second look is rare
_ROUNDED: Final = 1.25
"""So many times as many rows as are wanted are scored anew where the graph's vectors are rounded ones:
tests/benchmarks/memory.py measures what that brings."""
_TIES: Final = 8  # rows behind the last one wanted, which may tie with it
_CONTRADICTED: Final = 0.1
"""A filter contradicts the query where the share of the list that passes it is less than so much of the
share of all rows: what passes lies at the end of the list or behind it, and there the graph misses much."""

_FLOOR: Final[dict[Metric, float | None]] = {"cosine": -1.0, "ip": None, "l2": None}
_log = logging.getLogger(__name__)

RowNumbers = NDArray[np.int64]


def default_ef(k: int) -> int:
    """How many rows the graph is asked for when the best ``k`` are wanted. tests/benchmarks/crossover.py
    measures what recall that brings."""
    return max(EF_SEARCH, 2 * k)


_NONE: Final[RowNumbers] = np.empty(0, np.int64)


def too_long(vectors: Matrix) -> RowNumbers:
    """Which rows (n, dim) are longer than any that is let in now; earlier versions let them in."""
    with np.errstate(over="ignore", invalid="ignore"):
        likely = np.flatnonzero(~(np.vecdot(vectors, vectors) < MAX_LENGTH**2 / 4))
    return likely[~bounded(vectors[likely])]


class _InView(NamedTuple):
    """What the graph sees: ``rows`` that pass, nearest first, their ``distances``, how many rows it
    ``held`` then, and the number of those before the ones that tie with the last in view, since of these
    others may be out of view."""

    rows: RowNumbers
    distances: Scores
    held: int
    certain: int


@dataclass(frozen=True)
class VectorView:
    """The vector leg as of one snapshot: its rows; the graph holds some first part of them or more.
    ``long``: the rows that are `too_long`; for a search they are not there. ``lacks``: what is to be
    installed, where there is no graph for lack of its library."""

    rows: Rows
    metric: Metric
    graph: Neighbours | None
    long: RowNumbers = field(default_factory=lambda: _NONE, compare=False)
    lacks: str | None = None

    def search(
        self,
        query: Scores,
        k: int,
        allowed: Mask | None = None,
        ef: int | None = None,
        *,
        depth: int | None = None,
        ties: Ties | None = None,
    ) -> Candidates:
        """The ``k`` documents nearest to ``query`` (dim,) among ``allowed``, bool (n,) over ordinals, by
        however many looks: see ``near``, whose ``depth`` is k where it is None."""
        found = self.near(query, depth or k, allowed, ef, ties)
        first = found.within(k)
        return first if found.exact or len(first) == k else found.further(k)

    def near(
        self,
        query: Scores,
        depth: int,
        allowed: Mask | None = None,
        ef: int | None = None,
        ties: Ties | None = None,
    ) -> Near:
        """The list of the documents nearest to ``query`` (dim,) among ``allowed``, bool (n,) over ordinals;
        equal scores by ``ties``.

        ``ef``: how many rows the graph keeps in view, which is how sure it is of the nearest; None for
        ``default_ef``. How far it looks depends on ``depth``, the number of documents that it is to be sure
        of, and on nothing that is asked of the list.
        """
        return Near(self, query, depth, self._passing(allowed), ef, ties)

    def best_rows(self, query: Scores, ordinals: Ordinals) -> RowNumbers:
        """For each of ``ordinals`` (any order) the number of its nearest row, or -1 where it has none."""
        if self._plain:
            return np.where(ordinals < len(self.rows), ordinals, -1)
        places, rows, _, _ = self._best(query, ordinals)
        best = np.full(len(ordinals), -1)
        best[places] = rows
        return best

    @property
    def dim(self) -> int:
        """The length of a vector; 0 where there is none yet."""
        return int(self.rows.vectors.shape[1]) if len(self.rows) else 0

    def passages(self, query: Scores, ordinals: Ordinals) -> list[Passage | None]:
        """The passage of each of ``ordinals`` (any order) whose vector is nearest to ``query``."""
        rows = self.best_rows(query, ordinals)
        spans = self.rows.spans[rows].tolist()  # of -1 too: some row's, which is not used
        return [
            Passage(*span) if row >= 0 else None for row, span in zip(rows.tolist(), spans, strict=True)
        ]

    def nearest(self, query: Scores, ordinals: Ordinals) -> tuple[Scores, Matrix]:
        """Of the row of each of ``ordinals`` (any order) that is nearest to ``query``: its score, float32
        (n,), and its direction, a unit vector (n, dim); NaN and zeros for one that has no row."""
        places, _, found, vectors = self._best(query, ordinals)
        directions = vectors if self.metric == "cosine" else unit(vectors)
        if len(places) == len(ordinals):
            return found, directions
        scores = np.full(len(ordinals), np.nan, np.float32)
        scores[places] = found
        known = np.zeros((len(ordinals), len(query)), np.float32)
        known[places] = directions
        return scores, known

    def _best(
        self, query: Scores, ordinals: Ordinals
    ) -> tuple[NDArray[np.intp], RowNumbers, Scores, Matrix]:
        """Of those of ``ordinals`` (each once) that have rows: their places there, ascending, the numbers
        of their nearest rows (the first of equals), its scores and vectors."""
        places, rows = self._rows_of(ordinals)
        if self._plain or firsts(places).all():
            order = slice(None) if self._plain else places.argsort()
            vectors = self.rows.vectors[rows := rows[order]]
            return places[order], rows, similarities(vectors, query, self.metric), vectors
        vectors = self.rows.vectors[rows]
        scores = similarities(vectors, query, self.metric)
        starts = np.flatnonzero(firsts(places))
        best = np.maximum.reduceat(scores, starts)
        top = np.flatnonzero(scores == np.repeat(best, np.diff(starts, append=len(rows))))
        top = top[firsts(places[top])]
        top = top[places[top].argsort()]
        return places[top], rows[top], scores[top], vectors[top]

    def _rows_of(self, ordinals: Ordinals) -> tuple[NDArray[np.intp], RowNumbers]:
        """The rows of some documents, those of one together, and the places of their documents."""
        if self._plain:
            places = np.flatnonzero(ordinals < len(self.rows))
            return places, ordinals[places]
        order = ordinals.argsort()
        ascending = ordinals[order]
        rows = self.rows.of(ascending)
        if len(self.long):
            rows = rows[~np.isin(rows, self.long, assume_unique=True)]
        return order[ascending.searchsorted(self.rows.ordinals[rows])], rows

    @property
    def _plain(self) -> bool:
        """Whether row i is document i's, and counts."""
        return self.rows.aligned and not len(self.long)

    # -- the two ways

    def _exact(self, query: Scores, k: int, passing: Mask | None, ties: Ties | None) -> Candidates:
        rows = np.arange(len(self.rows)) if passing is None else np.flatnonzero(passing)
        if self.lacks is not None and len(rows) * query.nbytes > MAX_SCAN:
            raise MissingExtra(f"{len(rows):,} vectors are too many to scan: {self.lacks}")
        score = gathered if len(self.long) else scan  # which may look at rows on its way
        return self._top(rows, score(self.rows.vectors, rows, query, self.metric), k, ties)

    def _looks(
        self, query: Scores, depth: int, passing: Mask | None, ef: int | None
    ) -> Iterator[tuple[RowNumbers, int, int]]:
        """What the graph finds, whose list knows nothing of a filter: rows, how many it held then, and of
        how many documents these are the nearest: of ``depth``, of all that it had in view, of all in view
        of a look twice as far, and so on. Ends where a scan is cheaper or surer.

        hnswlib's own filter is no third way: where it finds what it should, a longer list costs no more;
        where the filter contradicts the query, it misses what the list misses and costs more than a scan.
        """
        if self.graph is None:
            return
        n = len(self.rows)
        share = 1.0 if passing is None else int(np.count_nonzero(passing)) / n
        scanning = min(GATHERED * share, 1.0) * min(self.graph.rows, n)
        if scanning <= _cost(0):
            return
        wanted = depth * self.rows.windows
        ef = default_ef(math.ceil(wanted)) if ef is None else ef
        margin, slack = (1.0, 1.0) if passing is None else (_MARGIN, _SLACK)
        if self.graph.rounds:
            slack *= _ROUNDED
        look, begun = max(slack * wanted / share + _TIES, ef / margin), False
        while _cost(reach := max(ef, margin * look)) < scanning:
            view = self._look(self.graph, query, math.ceil(look), math.ceil(reach), passing)
            if view is None or len(view.rows) < _CONTRADICTED * share * look:
                return
            if not 0 < (enough := self._enough(view.rows, depth)) <= view.certain:
                look = max(2 * look, slack * wanted * look / len(view.rows))
                continue
            if not begun:
                yield view.rows[: self._scored(view, enough, depth)], view.held, depth
            begun, sure = True, view.rows[: view.certain]
            yield sure, view.held, self._documents(sure)
            look *= 2

    # -- parts of them

    def _look(
        self, graph: Neighbours, query: Scores, look: int, reach: int, passing: Mask | None
    ) -> _InView | None:
        """None where the graph does not say what it finds, or finds nothing."""
        found = graph.search(query, look, reach)
        if found is None or not len(found[0]):
            return None
        rows, distances, held = found
        end = math.inf
        if len(rows) < held and not graph.rounds:
            end = float(distances[-1]) - _rounding(distances, -1)
        if passing is not None or held > len(self.rows):
            ours = self._ours(rows, passing)
            rows, distances = rows[ours], distances[ours]
        return _InView(rows, distances, held, bisect_left(distances, end))

    def _passing(self, allowed: Mask | None) -> Mask | None:
        """Which rows are of documents that are allowed; None for all."""
        if allowed is None and not len(self.long):
            return None
        if allowed is None:
            passing = np.ones(len(self.rows), np.bool_)
        else:
            passing = allowed[: len(self.rows)] if self.rows.aligned else allowed[self.rows.ordinals]
        if len(self.long):
            passing = passing.copy()
            passing[self.long] = False
        return passing

    def _ours(self, rows: RowNumbers, passing: Mask | None) -> Mask:
        """Which of some rows the snapshot has, and pass."""
        ours = rows < len(self.rows)
        if passing is not None:
            ours &= passing.take(rows, mode="clip")
        return ours

    def _enough(self, rows: RowNumbers, k: int) -> int:
        """How many of some rows, from the first on, are of ``k`` documents; 0 where all are of fewer."""
        if self.rows.aligned:
            return k if len(rows) >= k else 0
        owners = self.rows.ordinals[rows]
        order = np.argsort(owners, kind="stable")
        first = order[firsts(owners[order])]
        return int(np.partition(first, k - 1)[k - 1]) + 1 if len(first) >= k else 0

    def _documents(self, rows: RowNumbers) -> int:
        """How many documents some rows belong to."""
        if self.rows.aligned:
            return len(rows)
        return int(np.count_nonzero(firsts(np.sort(self.rows.ordinals[rows]))))

    def _scored(self, view: _InView, enough: int, k: int) -> int:
        """How many of the rows in view are scored anew for the best ``k`` documents, of which are the first
        ``enough``: with those that tie with the last up to rounding, or, where the graph's vectors are
        rounded ones, with some more."""
        if self.graph is not None and self.graph.rounds:
            return self._enough(view.rows, math.ceil(_ROUNDED * k)) or len(view.rows)
        last = float(view.distances[enough - 1])
        return bisect_right(view.distances, last + _rounding(view.distances, enough - 1))

    def _merged(
        self,
        query: Scores,
        k: int,
        passing: Mask | None,
        rows: RowNumbers,
        held: int,
        ties: Ties | None,
    ) -> Candidates:
        """The best of ``rows``, which the graph found, and of the tail, which begins at row ``held``."""
        if not self.rows.aligned:
            rows = np.sort(rows)
        scores = similarities(self.rows.vectors[rows], query, self.metric)
        if held < len(self.rows):
            vectors = self.rows.vectors[held:]
            tail = np.arange(len(vectors)) if passing is None else np.flatnonzero(passing[held:])
            scores = np.concatenate([scores, scan(vectors, tail, query, self.metric)])
            rows = np.concatenate([rows, held + tail])
        return self._top(rows, scores, k, ties)

    def _top(self, rows: RowNumbers, scores: Scores, k: int, ties: Ties | None) -> Candidates:
        """The ``k`` best documents, each by its best row. Rows of one document stand together."""
        owners: Ordinals = rows if self.rows.aligned else self.rows.ordinals[rows]
        if not self.rows.aligned and not (first := firsts(owners)).all():
            owners, scores = owners[first], np.maximum.reduceat(scores, np.flatnonzero(first))
        if len(scores) > 4 * k:  # too many to sort: keep the k best and what ties with the last of them
            best = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
            owners, scores = owners[best], scores[best]
        return Candidates.ranked(owners, scores, k, _FLOOR[self.metric], ties)


class Near:
    """The documents nearest to a query, as one list that is worked out as far as it is asked for."""

    def __init__(
        self,
        view: VectorView,
        query: Scores,
        depth: int,
        passing: Mask | None,
        ef: int | None,
        ties: Ties | None,
    ) -> None:
        self._view, self._query, self._depth, self._passing, self._ties = view, query, depth, passing, ties
        self._looks = view._looks(query, depth, passing, ef)
        self._found = Candidates.none()
        self.exact = False
        """Whether ``within`` has looked at all rows, so that nothing follows."""

    def within(self, k: int) -> Candidates:
        """The first ``k``, or as many as one look brings: the ``depth`` nearest, then what else the graph
        had in view. (A scan brings all.)"""
        for look in islice(self._looks, 1 if k <= self._depth else 2):
            self._add(look)
        if len(self._found):
            return self._found.top(k)
        self.exact = True
        return self._exact(k)

    def further(self, k: int) -> Candidates:
        """The first ``k``. After what one look brings comes what the next ones find, each with twice the
        view of the one before; a document that is found late has no score above those before it."""
        for look in self._looks:
            self._add(look)
            if len(self._found) >= k:
                return self._found.top(k)
        return self._found.then(self._exact(k)).top(k)

    def _add(self, look: tuple[RowNumbers, int, int]) -> None:
        rows, held, documents = look
        more = self._view._merged(self._query, documents, self._passing, rows, held, self._ties)
        self._found = self._found.then(more)

    def _exact(self, k: int) -> Candidates:
        if not len(self._view.rows):
            return Candidates.none()
        return self._view._exact(self._query, k, self._passing, self._ties)


def _cost(ef: float) -> float:
    """The cost of asking the graph, in rows of a scan."""
    return EXACT_ROWS * (_ASKED + (1 - _ASKED) * ef / EF_SEARCH)


def _rounding(distances: Scores, place: int) -> float:
    """Up to what the distance at ``place`` of an ascending list may be another's: the final order is by
    exact scores and ties."""
    return 1e-5 * max(1.0, abs(float(distances[place])), abs(float(distances[0])))


class VectorLeg:
    """Owns the graph of one generation and the thread that feeds it."""

    def __init__(
        self,
        folder: Folder,
        uuid: str,
        metric: Metric,
        precision: Precision = "float32",
        *,
        read_only: bool = False,
    ) -> None:
        self._folder, self._uuid, self._metric, self._precision = folder, uuid, metric, precision
        self._read_only = read_only
        self._graph: Graph | None = None
        self._lacks: str | None = None
        self._saved = 0
        self._rows = Rows.none()
        self._long, self._measured = _NONE, 0
        self._stop = threading.Event()
        self._sealer: threading.Thread | None = None
        self._awaited = 0  # how many wait for it
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        threads.enlist(self)

    def view(self, rows: Rows) -> VectorView:
        """The leg over ``rows``; has what the graph lacks sealed, sooner or later."""
        with self._lock:
            self._rows = rows
            if len(long := self._too_long(rows)):  # among them a graph finds its way no more
                return VectorView(rows, self._metric, None, long)
            if self._graph is None and self._lacks is None and len(rows) > SEAL_AT:
                self._graph = self._load(rows)
            if self._graph is not None and len(rows) > self._graph.rows:
                self._start()
                self._changed.notify_all()
            return VectorView(rows, self._metric, self._graph, lacks=self._lacks)

    def _too_long(self, rows: Rows) -> RowNumbers:
        """Each row is measured once."""
        if self._metric == "cosine":  # all have length one
            return _NONE
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

    def _load(self, rows: Rows) -> Graph | None:
        """The saved graph, or an empty one; None where the library for it is not installed."""
        try:
            library = choose(self._folder, self._precision, read_only=self._read_only)
            graph = Graph(self._metric, rows.vectors.shape[1], self._precision, library)
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
            self._sealer = sealer  # before it runs: it says here that it has ended
            if not threads.start(sealer):  # search stays exact
                self._sealer = None

    def _seal(self) -> None:
        graph = self._graph
        assert graph is not None
        try:
            while self._due(graph):
                graph.insert(self._rows.vectors[graph.rows :], self._stop.is_set)
                if (
                    not self._read_only and graph.rows >= 2 * self._saved
                ):  # so a crash costs at most half of the graph
                    self._save(graph)
        except Exception as error:  # no memory, say: search stays exact, the next commit tries again
            _log.warning("%s: the graph does not grow: %s", self._folder, error)
            with self._lock:
                self._sealer = None

    def _due(self, graph: Graph) -> bool:
        """Wait until the tail is long, or nobody writes, or somebody waits. False where there is nothing
        left to do; the thread then counts as gone."""
        with self._changed:
            while (tail := len(self._rows) - graph.rows) > 0 and not self._stop.is_set():
                if tail > SEAL_AT or self._awaited or not self._changed.wait(QUIET):
                    return True
            self._sealer = None
            return False

    def _save(self, graph: Graph) -> None:
        """The file is a cache: without it the graph is built again, so a full disk is no error here."""
        try:
            graph.save(self._folder, self._uuid)
            self._saved = graph.rows
        except OSError as error:
            _log.warning("%s: the graph is not saved: %s", self._folder, error)

    def settle(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Wait until sealing has caught up, or until ``stop`` says so."""
        self._await(1)
        while (sealer := self._sealer) is not None and not stop():
            sealer.join(0.1)
        self._await(-1)

    def _await(self, more: int) -> None:
        with self._changed:
            self._awaited += more
            self._changed.notify_all()

    def disagreements(self, rows: Rows) -> Iterator[str]:
        """Check the saved graphs; a line for each fault. (To have none is not a fault.)"""
        if len(rows):
            same = identity(self._uuid, self._metric, rows.vectors.shape[1], self._precision)
            for library in LIBRARIES[self._precision]:
                try:
                    checked(self._folder, len(rows), library, same)
                except IndexCorrupt as error:
                    yield f"vector leg: {error}"

    def copy(self, to: Folder) -> None:
        """Put the saved graphs, if there are any, into the folder ``to``."""
        graphs.copy(self._folder, to)

    def wipe(self) -> None:
        """Forget the graph, in memory and on disk, whatever library saved it; it grows again from the
        rows."""
        self._end()
        self._graph, self._saved = None, 0
        for name in self._folder.names():
            if name.startswith("graph"):
                self._folder.remove(name)
        self._stop.clear()

    def close(self, finish: bool = True) -> None:
        """A writer may let sealing ``finish`` and save the graph, where that is worth it."""
        finish = finish and not self._read_only and self._behind()
        if finish:
            self.settle()
        self._end()
        if finish and self._graph is not None and self._graph.rows > self._saved:
            self._save(self._graph)

    def _behind(self) -> bool:
        """Whether to insert what the saved graph lacks takes longer than to write the graph."""
        lacking = len(self._rows) - self._saved
        return self._graph is not None and lacking * _WRITTEN > len(self._rows)

    def leave(self) -> None:
        """End the thread; what it has not saved is built again."""
        self._end()

    def _end(self) -> None:
        self._stop.set()
        self.settle()
