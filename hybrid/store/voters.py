"""The past queries of a state of an index, in memory: those that vote, the nearest of them, their answers.

They are read once, and then only what has changed. Their vectors are searched as those of documents are:
exactly while they are few, and through a graph of their own, in the folder ``past``, once they are many.
Without an encoder it is the words in common that count.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hybrid.disk.folder import Folder
from hybrid.fusion import Answers
from hybrid.ledger import lifetimes
from hybrid.ledger.ledger import Ledger
from hybrid.ledger.lifetimes import NEVER
from hybrid.ledger.past import PastQueries, Row
from hybrid.ledger.rows import Rows
from hybrid.store.growing import Growing
from hybrid.store.overlap import Overlap
from hybrid.types import Mask, Ordinals, Scores
from hybrid.vector.leg import SEAL_AT, VectorLeg, VectorView
from hybrid.vector.scan import similarities

FOLDER: Final = "past"
_EF: Final = 64  # the size of the graph's candidate list
_ALL: Final = -1
"""A sequence number below that of any death: documents are found whether they live or not."""

Places = NDArray[np.int64]


class Near(NamedTuple):
    """Past queries by their ``places``, nearest first, and how similar each is, float32 (n,)."""

    places: Places
    similarities: Scores

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class Voters:
    """The past queries that vote, by place, oldest first. ``numbers``: of their rows, ascending. ``users``:
    a number for each user; ``clicked``: whether answers are known by clicks; ``living``: those of this
    state. Place i has the answers ``answers[starts[i]:starts[i + 1]]``, each a place in ``ordinals``: the
    documents, living or not, that had the ids last; -1 for an id that no document had. They are compared by
    ``vectors`` or by ``words``."""

    numbers: NDArray[np.int64]
    users: NDArray[np.int64]
    clicked: Mask
    living: Mask
    starts: NDArray[np.int64]
    answers: NDArray[np.int64]
    ordinals: Ordinals
    vectors: VectorView
    words: Overlap | None

    @classmethod
    def none(cls) -> Voters:
        return _Table().at(0, np.empty(0, np.int64), _view(Rows.none()))

    def __len__(self) -> int:
        """The number of living ones."""
        return self._size

    @cached_property
    def _size(self) -> int:
        return int(np.count_nonzero(self.living))

    def nearest(
        self,
        vector: Scores | None,
        terms: Sequence[str],
        judged: int,
        clicked: int,
        *,
        silent: Iterable[int] = (),
    ) -> tuple[Near, Near]:
        """Return the past queries nearest to a unit ``vector`` (dim,), or to ``terms`` where there is no
        encoder: so many ``judged`` and so many ``clicked`` ones. Those whose numbers are ``silent`` are
        left out, and where they are compared one by one, those that have nothing in common."""
        groups = [(self._judged, judged), (self._clicks, clicked)]
        if left_out := list(silent):
            heard = ~np.isin(self.numbers, left_out)
            groups = [(group & heard, most) for group, most in groups]
        if self.words is not None:
            alike = self.words.similarities(terms, len(self.living))
        elif vector is None or len(vector) != self.vectors.dim:
            return Near.none(), Near.none()
        elif self.vectors.graph is not None:
            first, second = (self._by_graph(vector, *group) for group in groups)
            return first, second
        else:
            alike = similarities(self.vectors.rows.vectors, vector, "cosine")
        first, second = (_best(alike, *group) for group in groups)
        return first, second

    def _by_graph(self, vector: Scores, group: Mask, most: int) -> Near:
        if not group.any():
            return Near.none()
        found = self.vectors.near(vector, most, None if group.all() else group, _EF).within(most)
        return Near(found.ordinals, found.scores)

    @cached_property
    def _clicks(self) -> Mask:
        return self.living & self.clicked

    @cached_property
    def _judged(self) -> Mask:
        return self.living & ~self.clicked

    def answers_of(self, places: Places) -> Answers:
        """Return the answers of each past query."""
        starts = self.starts[places]
        sizes = self.starts[places + 1] - starts
        ends = sizes.cumsum()
        each = np.arange(ends[-1] if len(ends) else 0) + (starts - ends + sizes).repeat(sizes)
        return Answers(self.ordinals[self.answers[each]], sizes)


class KeptVoters:
    """Keeps the past queries of the newest state in memory; thread-safe."""

    def __init__(
        self,
        past: PastQueries,
        ledger: Ledger,
        folder: Folder,
        terms: Callable[[str], list[str]] | None,
        *,
        read_only: bool,
    ) -> None:
        """``terms``: makes terms of a query, for an index without encoder."""
        self._past, self._ledger, self._folder, self._read_only = past, ledger, folder, read_only
        self._terms, self._lock = terms, threading.Lock()
        self._table, self._seq = _Table(terms), _ALL
        self._leg: VectorLeg | None = None
        self._own: Folder | None = None  # the leg's

    def of(self, seq: int, count: int) -> Voters:
        """Return the voters as of sequence number ``seq``, when there were ``count`` ordinals. Raises
        IndexCorrupt."""
        with self._lock:
            if seq > self._seq:
                self._follow(seq)
            table = self._table
            return table.at(seq, table.documents.at(self._ledger, count), self._view())

    def _follow(self, seq: int) -> None:
        try:
            for rows in self._past.rows(self._table.last, seq):
                self._table.add(rows)
            self._table.kill(self._past.deaths(self._seq, seq))
        except BaseException as error:  # half of it may have been read
            self._table, self._seq = _Table(self._terms), _ALL
            if isinstance(error, ValueError):
                raise self._ledger.damaged(f"past queries: {error}") from error
            raise
        self._seq = seq

    def _view(self) -> VectorView:
        rows = self._table.rows
        if len(rows) > SEAL_AT and self._leg is None:
            self._leg = self._open()
        return _view(rows) if self._leg is None else self._leg.view(rows)

    def _open(self) -> VectorLeg | None:
        if not self._folder.has(FOLDER):
            if self._read_only:
                return None
            self._folder.make(FOLDER).close()
        self._own = self._folder.folder(FOLDER)
        return VectorLeg(self._own, self._ledger.uuid, "cosine", read_only=self._read_only)

    def wipe(self) -> None:
        """Discard what is in memory, and the graph also on disk: they are made again from the ledger."""
        with self._lock:
            self._table, self._seq = _Table(self._terms), _ALL
            if self._leg is not None:
                self._leg.wipe()

    def close(self, finish: bool) -> None:
        """Let go of the graph; a writer may ``finish`` and save it."""
        if self._leg is not None:
            self._leg.close(finish)
        if self._own is not None:
            self._own.close()


class _Table:
    """The past queries that were read, as columns by place."""

    def __init__(self, terms: Callable[[str], list[str]] | None = None) -> None:
        self._terms = terms
        self._words = None if terms is None else Overlap()
        self._numbers, self._born, self._dead = Growing(np.int64), Growing(np.int64), Growing(np.int64)
        self._users, self._clicked = Growing(np.int64), Growing(np.bool_)
        self._starts, self._answers = Growing(np.int64), Growing(np.int64)
        self._starts.extend([0])
        self._vectors: Growing | None = None
        self._known: dict[str, int] = {}  # user -> number
        self.documents = _Documents()
        self.last = 0
        """The number of the last row."""

    @property
    def rows(self) -> Rows:
        if self._vectors is None:
            return Rows.none()
        n = len(self._vectors)
        return Rows(self._vectors.view, np.arange(n), np.zeros((n, 2), np.int64))

    def add(self, rows: Sequence[Row]) -> None:
        """Add those that can be compared. Raises ValueError for vectors of another length."""
        self.last = rows[-1].number
        if self._words is not None and self._terms is not None:
            for row in rows:
                self._words.add(self._terms(row.query))
        else:
            vectors = [row.vector for row in rows if row.vector is not None]
            rows = [row for row in rows if row.vector is not None]
            if not rows:
                return
            self._vectors = self._vectors or Growing(np.float32, len(vectors[0]))
            self._vectors.extend(np.stack(vectors))
        self._numbers.extend([row.number for row in rows])
        self._born.extend([row.born for row in rows])
        self._dead.extend([NEVER] * len(rows))
        self._users.extend([self._known.setdefault(row.user, len(self._known)) for row in rows])
        self._clicked.extend([row.origin == "clicked" for row in rows])
        sizes = np.array([len(row.answers) for row in rows], np.int64)
        self._starts.extend(len(self._answers) + sizes.cumsum())
        self._answers.extend(self.documents.places([id for row in rows for id in row.answers]))

    def kill(self, deaths: Mapping[int, int]) -> None:
        """Note deaths, number -> sequence number, in place: no earlier state is affected."""
        numbers = np.array(list(deaths), np.int64)
        known = np.isin(numbers, self._numbers.view)
        places = np.searchsorted(self._numbers.view, numbers[known])
        self._dead.view[places] = np.array(list(deaths.values()), np.int64)[known]

    def at(self, seq: int, ordinals: Ordinals, vectors: VectorView) -> Voters:
        columns = self._numbers.view, self._users.view, self._clicked.view
        living = (self._born.view <= seq) & (self._dead.view > seq)
        return Voters(
            *columns, living, self._starts.view, self._answers.view, ordinals, vectors, self._words
        )


class _Documents:
    """The ids of all answers, by place, and the ordinals that they had last."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._ids: list[str] = []
        self._marks = Growing(np.uint32)
        self._ordinals: Ordinals = np.empty(0, np.int64)
        self._count = 0

    def places(self, ids: Sequence[str]) -> list[int]:
        """Return the place of each id; a new one gets the next."""
        new = [id for id in dict.fromkeys(ids) if id not in self._places]
        self._places.update(zip(new, range(len(self._ids), len(self._ids) + len(new)), strict=True))
        self._ids.extend(new)
        self._marks.extend(lifetimes.marks(new))
        return list(map(self._places.__getitem__, ids))

    def at(self, ledger: Ledger, count: int) -> Ordinals:
        """Return the ordinal, below ``count``, that each id had last; -1 for one that had none."""
        if count < self._count:  # an older state
            return _last(ledger, self._ids, count)
        ordinals = self._ordinals
        if len(ordinals) and count > self._count:
            ordinals = self._moved(ledger, ordinals.copy(), count)
        new = self._ids[len(ordinals) :]
        if new:
            ordinals = np.concatenate([ordinals, _last(ledger, new, count)])
        self._ordinals, self._count = ordinals, count
        return ordinals

    def _moved(self, ledger: Ledger, ordinals: Ordinals, count: int) -> Ordinals:
        """Note the ordinals that known ids have been given since."""
        fresh = ledger.lifetimes.marks[self._count : count]
        likely = (self._count + np.flatnonzero(np.isin(fresh, self._marks.view))).tolist()
        for id, ordinal in zip(ledger.ids(likely), likely, strict=True):
            place = self._places.get(id, len(ordinals))
            if place < len(ordinals):
                ordinals[place] = ordinal
        return ordinals


def _last(ledger: Ledger, ids: Sequence[str], count: int) -> Ordinals:
    found = ledger.found(ids, count, _ALL)  # ascending, so of an id's ordinals the last one stays
    return np.array([found.get(id, -1) for id in ids], np.int64)


def _view(rows: Rows) -> VectorView:
    return VectorView(rows, "cosine", None)


def _best(alike: Scores, group: Mask, most: int) -> Near:
    """The ``most`` of a ``group`` with the largest similarities above 0; of equal ones the first."""
    if not group.any():
        return Near.none()
    alike = alike * group
    least = np.partition(alike, -most)[-most] if len(alike) > most else 0.0
    near = np.flatnonzero((alike >= least) & (alike > 0))
    near = near[np.argsort(-alike[near], kind="stable")][:most]
    return Near(near, alike[near])
