"""Nearest neighbours as of one snapshot: exact for few rows, by the graph and a scan of its tail for more.

A document has one row per window of its text, and its best row gives its score: the cosine, the inner
product, or minus the squared Euclidean distance.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import MissingExtra
from hybrid.ledger.rows import Rows
from hybrid.limits import MAX_LENGTH, MAX_SCAN
from hybrid.norms import bounded, unit
from hybrid.order import firsts
from hybrid.types import Candidates, Mask, Matrix, Metric, Ordinals, Passage, Scores, Ties
from hybrid.vector.graph import Neighbours
from hybrid.vector.scan import GATHERED, RowNumbers, gathered, scan, similarities

EXACT_ROWS: Final = 6000
"""Scanning this many rows costs as much as searching a graph with its default effort;
tests/benchmarks/crossover.py measures it."""
_SLACK: Final = 1.25  # times the expected number of rows, so that a second search of the graph is rare
_TIES: Final = 8  # rows fetched beyond the last wanted one, which may tie with it

_CONTRADICTED: Final = 0.1
"""A filter contradicts the query if the share of rows that pass it is, in the graph's list, less than this
fraction of the share among all rows: matching rows are at the end of the list or beyond, where the graph
misses many."""

_FLOOR: Final[dict[Metric, float | None]] = {"cosine": -1.0, "ip": None, "l2": None}
NONE: Final[RowNumbers] = np.empty(0, np.int64)


def too_long(vectors: Matrix) -> RowNumbers:
    """Find rows (n, dim) longer than the limit; earlier versions accepted them."""
    with np.errstate(over="ignore", invalid="ignore"):
        likely = np.flatnonzero(~(np.vecdot(vectors, vectors) < MAX_LENGTH**2 / 4))
    return likely[~bounded(vectors[likely])]


class _InView(NamedTuple):
    """The result of one search of the graph: the ``rows`` that pass the filter, nearest first, their
    ``distances``, and the number of rows the graph ``held``. ``certain``: the number of rows before those
    that tie with the last one found; the graph may have missed others that tie with it."""

    rows: RowNumbers
    distances: Scores
    held: int
    certain: int


@dataclass(frozen=True)
class VectorView:
    """The vector leg as of one snapshot: its ``rows``, and a ``graph`` that holds the first part of them,
    or already more. ``long``: rows that are `too_long`, which searches ignore. ``lacks``: which library
    to install, if the graph is missing for lack of it."""

    rows: Rows
    metric: Metric
    graph: Neighbours | None
    long: RowNumbers = field(default_factory=lambda: NONE, compare=False)
    lacks: str | None = None

    def search(
        self,
        query: Scores,
        k: int,
        allowed: Mask | None = None,
        effort: int | None = None,
        *,
        depth: int | None = None,
        ties: Ties | None = None,
    ) -> Candidates:
        """Return the ``k`` documents nearest to ``query`` (dim,) among ``allowed``, bool (n,) over
        ordinals, searching the graph as often as needed; see ``near``. ``depth`` is k if None."""
        found = self.near(query, depth or k, allowed, effort, ties)
        first = found.within(k)
        return first if found.exact or len(first) == k else found.further(k)

    def near(
        self,
        query: Scores,
        depth: int,
        allowed: Mask | None = None,
        effort: int | None = None,
        ties: Ties | None = None,
    ) -> Near:
        """Return a lazy list of the documents nearest to ``query`` (dim,) among ``allowed``, bool (n,) over
        ordinals; equal scores by ``ties``.

        ``effort``: how thoroughly the graph is searched, in the unit of its family; None for its default.
        The extent of the search depends only on ``depth``, the number of documents to find reliably, not
        on how many are then taken from the list.
        """
        return Near(self, query, depth, self._passing(allowed), effort, ties)

    def best_rows(self, query: Scores, ordinals: Ordinals) -> RowNumbers:
        """Return the number of the nearest row of each of ``ordinals`` (in any order); -1 if it has
        none."""
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
        """The window of each of ``ordinals`` (any order) whose vector is nearest to ``query``."""
        rows = self.best_rows(query, ordinals)
        spans = self.rows.spans[rows].tolist()  # of -1 too: some row's, which is not used
        return [
            Passage(*span) if row >= 0 else None for row, span in zip(rows.tolist(), spans, strict=True)
        ]

    def similar(self, query: Scores, ordinal: int) -> tuple[NDArray[np.int64], Scores, Matrix]:
        """The windows (n, 2) of a document's text, nearest to ``query`` first, their scores (n,) and their
        vectors (n, dim)."""
        rows = self._rows_of(np.array([ordinal]))[1]
        vectors = self.rows.vectors[rows]
        scores = similarities(vectors, query, self.metric)
        best = np.argsort(-scores, kind="stable")
        return self.rows.spans[rows[best]], scores[best], vectors[best]

    def of(self, ordinal: int) -> Matrix:
        """Return the vectors of a document, (n, dim)."""
        return self.rows.vectors[self.rows.of(np.array([ordinal]))]

    def nearest(self, query: Scores, ordinals: Ordinals) -> tuple[Scores, Matrix]:
        """Return, for each of ``ordinals`` (in any order), the score of its row nearest to ``query``,
        float32 (n,), and that row scaled to unit length, (n, dim); NaN and zeros if it has no row."""
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
        """Return, for those of ``ordinals`` (distinct) that have rows: their indices in ``ordinals``,
        ascending, the numbers of their nearest rows (the first of equals), and those rows' scores and
        vectors."""
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
        """Return the rows of some documents, grouped by document, and the index of each row's document."""
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
        """Whether row i belongs to document i, and no row is too long."""
        return self.rows.aligned and not len(self.long)

    # -- exact scan and graph search

    def _exact(self, query: Scores, k: int, passing: Mask | None, ties: Ties | None) -> Candidates:
        rows = np.arange(len(self.rows)) if passing is None else np.flatnonzero(passing)
        if self.lacks is not None and len(rows) * query.nbytes > MAX_SCAN:
            raise MissingExtra(f"{len(rows):,} vectors are too many to scan: {self.lacks}")
        score = gathered if len(self.long) else scan  # scan may also score rows that are too long
        return self._top(rows, score(self.rows.vectors, rows, query, self.metric), k, ties)

    def _looks(
        self, query: Scores, depth: int, passing: Mask | None, effort: int | None
    ) -> Iterator[tuple[RowNumbers, int, int]]:
        """Search the graph repeatedly. Yield rows, the number of rows in the graph, and the number of
        documents that these rows contain: first ``depth``, then all that the graph found, then all found
        when looking twice as far, and so on. Ends as soon as a scan is cheaper or more reliable."""
        if self.graph is None:
            return
        n, finder = len(self.rows), self.graph.finder
        share = 1.0 if passing is None else int(np.count_nonzero(passing)) / n
        scanning = min(GATHERED * share, 1.0) * min(self.graph.rows, n) / EXACT_ROWS
        if scanning <= finder.cost(0, 0):
            return
        wanted, filtered = depth * self.rows.windows, passing is not None
        effort = finder.effort(wanted) if effort is None else effort
        slack = finder.oversampling * (_SLACK if filtered else 1.0)
        base = slack * wanted + _TIES
        listed = finder.listed(effort, filtered) / (share if finder.sifts else 1.0)
        look, begun = max(slack * wanted / share + _TIES, listed), False
        while finder.cost(reach := finder.reach(effort, base, look, filtered), share * look) < scanning:
            view = self._look(self.graph, query, look, math.ceil(reach), passing, share)
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
        self,
        graph: Neighbours,
        query: Scores,
        look: float,
        reach: int,
        passing: Mask | None,
        share: float,
    ) -> _InView | None:
        """Search the graph once, for the ``look`` nearest rows, or the ``share`` of them that pass. Returns
        None if it finds nothing, or does not tell what it found."""
        if passing is None or not graph.finder.sifts:
            found = graph.search(query, math.ceil(look), reach)
        else:
            found = graph.search(query, math.ceil(share * look), reach, passing)
        if found is None or not len(found[0]):
            return None
        rows, distances, held = found
        end = math.inf
        if len(rows) < held and not graph.finder.rounds:
            end = float(distances[-1]) - _rounding(distances, -1)
        if passing is not None or held > len(self.rows):
            ours = self._ours(rows, passing)
            rows, distances = rows[ours], distances[ours]
        return _InView(rows, distances, held, bisect_left(distances, end))

    def _passing(self, allowed: Mask | None) -> Mask | None:
        """Return which rows belong to allowed documents; None for all."""
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
        """Return which of ``rows`` are in the snapshot and pass the filter."""
        ours = rows < len(self.rows)
        if passing is not None:
            ours &= passing.take(rows, mode="clip")
        return ours

    def _enough(self, rows: RowNumbers, k: int) -> int:
        """Return how many of the first ``rows`` it takes to cover ``k`` documents; 0 if all cover fewer."""
        if self.rows.aligned:
            return k if len(rows) >= k else 0
        owners = self.rows.ordinals[rows]
        order = np.argsort(owners, kind="stable")
        first = order[firsts(owners[order])]
        return int(np.partition(first, k - 1)[k - 1]) + 1 if len(first) >= k else 0

    def _documents(self, rows: RowNumbers) -> int:
        """Return the number of documents that ``rows`` belong to."""
        if self.rows.aligned:
            return len(rows)
        return int(np.count_nonzero(firsts(np.sort(self.rows.ordinals[rows]))))

    def _scored(self, view: _InView, enough: int, k: int) -> int:
        """Return how many of the rows found to score again for the best ``k`` documents, which the first
        ``enough`` rows cover: also those that tie with the last up to rounding, or if the graph's vectors
        are quantised, some more."""
        assert self.graph is not None
        if (finder := self.graph.finder).sifts and finder.rounds:
            return len(view.rows)
        if finder.rounds:
            return self._enough(view.rows, math.ceil(finder.oversampling * k)) or len(view.rows)
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
        """Return the best documents of ``rows``, found by the graph, and of the tail from row ``held``
        on."""
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
        """Return the ``k`` best documents, each by its best row. ``rows`` are grouped by document."""
        owners: Ordinals = rows if self.rows.aligned else self.rows.ordinals[rows]
        if not self.rows.aligned and not (first := firsts(owners)).all():
            owners, scores = owners[first], np.maximum.reduceat(scores, np.flatnonzero(first))
        if len(scores) > 4 * k:  # sorting all is slow: keep the k best and those that tie with the last
            best = np.flatnonzero(scores >= np.partition(scores, len(scores) - k)[len(scores) - k])
            owners, scores = owners[best], scores[best]
        return Candidates.ranked(owners, scores, k, _FLOOR[self.metric], ties)


class Near:
    """The documents nearest to a query: a list that is computed only as far as it is read."""

    def __init__(
        self,
        view: VectorView,
        query: Scores,
        depth: int,
        passing: Mask | None,
        effort: int | None,
        ties: Ties | None,
    ) -> None:
        self._view, self._query, self._depth, self._passing, self._ties = view, query, depth, passing, ties
        self._looks = view._looks(query, depth, passing, effort)
        self._found = Candidates.none()
        self.exact = False
        """Whether ``within`` has scanned all rows, so that its result is complete."""

    def within(self, k: int) -> Candidates:
        """Return the first ``k``, or as many as one search of the graph gives: the ``depth`` nearest, then
        the others it found. (A scan gives all.)"""
        for look in islice(self._looks, 1 if k <= self._depth else 2):
            self._add(look)
        if len(self._found):
            return self._found.top(k)
        self.exact = True
        return self._exact(k)

    def further(self, k: int) -> Candidates:
        """Return the first ``k``: after the results of the first search come those of further searches,
        each looking twice as far; the score of a document found later is capped at the last one before
        it."""
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


def _rounding(distances: Scores, place: int) -> float:
    """Return the rounding error of the distance at ``place`` in an ascending list: distances closer than
    this may be equal. (The final order is by exact scores and ties.)"""
    return 1e-5 * max(1.0, abs(float(distances[place])), abs(float(distances[0])))
