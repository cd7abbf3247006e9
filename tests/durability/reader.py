"""Somebody who searches in all modes and believes nothing, beside a writer of a known history."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import SpawnContext
from typing import Any, Final, Protocol

import numpy as np

from hybrid import Document, Index, Pool, Results
from hybrid.types import Mode
from tests.durability.footprint import Growth
from tests.durability.history import EVERYWHERE, WORDS, History, Version, stamp_word

MODES: Final[tuple[Mode, ...]] = ("hybrid", "lexical", "vector")
_ROUNDING: Final = 1e-5


class Torn(AssertionError):
    """An answer that no state of the index explains."""


class Witness:
    """Checks the answers of one handle. Every answer narrows down which states of the history its
    snapshot can be; a snapshot that is left without one was never a snapshot."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._states: dict[int, range] = {}
        self._lock = threading.Lock()

    def check(self, results: Results, among: range, *, whole: bool = False) -> range:
        """The states that ``results`` can be of. ``among``: from the last acknowledged when the search
        began to the last begun when it ended. ``whole``: it should hold every document."""
        versions = [self.version(hit.document) for hit in results]
        if len(set(versions)) < len(versions):
            raise Torn(f"snapshot {results.sequence}: a document stands in one answer twice")
        fits = self._history.fits(versions, among, whole)
        with self._lock:
            known = self._states.get(results.sequence, fits)
            both = range(max(fits.start, known.start), min(fits.stop, known.stop))
            if not both:
                raise Torn(
                    f"snapshot {results.sequence}, {len(versions)} documents: fits {fits} of {among}, "
                    f"earlier answers {known}; stamps {sorted({v.stamp for v in versions})[-5:]}"
                )
            self._states[results.sequence] = both
        return both

    def version(self, document: Document) -> Version:
        """Who this is; its body is as that step wrote it."""
        version = Version(document.id, int(document.metadata["stamp"]))
        if document != self._history.body(version):
            raise Torn(f"{version}: the body is another's: {document}")
        return version

    def finish(self) -> None:
        """A later snapshot must never be an earlier state."""
        reached = 0
        for number, states in sorted(self._states.items()):
            reached = max(reached, states.start)
            if reached >= states.stop:
                raise Torn(f"snapshot {number} is of {states}, but one before it was of {reached}")


class Clock:
    """What the writer has begun and what it was told is durable, for readers in any process."""

    def __init__(self, context: SpawnContext, done: int) -> None:
        self._begun, self._acked = context.Value("q", done), context.Value("q", done)

    def begin(self, n: int) -> None:
        self._begun.value = n

    def acknowledge(self, n: int) -> None:
        self._acked.value = n

    @property
    def acked(self) -> int:
        return int(self._acked.value)

    @property
    def begun(self) -> int:
        return int(self._begun.value)


class Flag(Protocol):
    """An event of threads or of processes."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None, /) -> bool: ...


@dataclass
class Tally:
    """What one reader or writer has to say at the end."""

    name: str
    turns: int = 0
    wholes: int = 0
    pages: int = 0
    complaints: list[str] = field(default_factory=list)
    growth: Growth = field(default_factory=Growth)

    @contextmanager
    def complaining(self) -> Iterator[None]:
        """Takes down whatever goes wrong, and ends."""
        try:
            yield
        except Torn as torn:
            self.complaints.append(f"{self.name}: Torn: {torn}")
        except BaseException:
            self.complaints.append(f"{self.name}: {traceback.format_exc()}")


class Reader:
    """Somebody who searches in all modes and believes nothing."""

    def __init__(self, index: Index | Pool, history: History, clock: Clock, name: str, seed: int) -> None:
        self.index, self.history, self.clock = index, history, clock
        self.witness = Witness(history)
        self.tally = Tally(name)
        self._random = np.random.default_rng(seed)
        self._questions = (self.whole, self.page, self.page, self.step, self.filtered, self.one)

    def turn(self) -> None:
        """One question, drawn at random."""
        self._questions[self._random.integers(len(self._questions))](
            MODES[self._random.integers(len(MODES))]
        )
        self.tally.turns += 1

    def ask(self, mode: Mode, k: int, text: str | None = None, **more: Any) -> tuple[Results, range]:
        """An answer and the states that it may be of."""
        since = self.clock.acked
        options: dict[str, Any] = {"mode": mode, "k": k, **more}
        results = self.index.search(None if mode == "vector" else text or EVERYWHERE, **options)
        return results, range(since, self.clock.begun + 1)

    def whole(self, mode: Mode) -> None:
        """Every document at once, also counted."""
        vector = self._vector()
        results, among = self.ask(mode, self.history.documents + 1_000, vector=vector)
        self.witness.check(results, among, whole=True)
        if results.total != len(results):
            raise Torn(f"{mode}: {len(results)} documents, counted as {results.total}")
        if mode == "vector":
            check_scores(self.history, results, vector)
        self.tally.wholes += 1

    def page(self, mode: Mode) -> None:
        """Ten hits, then thirty: of one snapshot the longer answer begins with the shorter one."""
        query, vector = " ".join(self._random.choice(WORDS, 3)), self._vector()
        short, among = self.ask(mode, 10, query, vector=vector)
        self.witness.check(short, among)
        long, among = self.ask(mode, 30, query, vector=vector)
        self.witness.check(long, among)
        if short.sequence == long.sequence:
            self.tally.pages += 1
            first, second = [hit.id for hit in short], [hit.id for hit in long]
            if second[: len(first)] != first or len(set(second)) < len(second):
                raise Torn(f"{mode}, snapshot {short.sequence}: 10 hits {first}, 30 hits {second}")

    def step(self, _: Mode) -> None:
        """What one of the last steps wrote, by its word: those that still live, and no others."""
        stamp = max(1, self.clock.acked - int(self._random.integers(20)))
        results, among = self.ask("lexical", 2_000, stamp_word(stamp))
        fits = self.witness.check(results, among)
        if strangers := [hit.id for hit in results if hit.document.metadata["stamp"] != stamp]:
            raise Torn(f"the word of step {stamp} found {strangers}, who do not have it")
        deaths, written = self.history.deaths, self.history.step(stamp).adds
        alive = {sum(deaths.get(version, n + 1) > n for version in written) for n in fits}
        if len(results) not in alive:
            raise Torn(f"{len(results)} documents of step {stamp}, but there were {alive} in {fits}")

    def filtered(self, mode: Mode) -> None:
        since = max(1, self.clock.acked - 50)
        results, among = self.ask(mode, 50, vector=self._vector(), filter={"stamp": {"gte": since}})
        self.witness.check(results, among)
        if any(hit.document.metadata["stamp"] < since for hit in results):
            raise Torn(f"{mode}: the filter stamp >= {since} let an older document through")

    def one(self, _: Mode) -> None:
        """A document by its id: as some state had it."""
        first = self.history.step(1).adds
        since, id = self.clock.acked, first[self._random.integers(len(first))].id
        document = self.index.get(id)
        among = range(since, self.clock.begun + 1)
        if document is not None and not self.history.fits([self.witness.version(document)], among, False):
            raise Torn(f"get({id!r}): {document} is of no state in {among}")

    def timed(self, mode: Mode) -> float:
        """The seconds that one search of ten hits took; its answer is checked afterwards."""
        query, vector = " ".join(self._random.choice(WORDS, 3)), self._vector()
        start = time.perf_counter()
        results, among = self.ask(mode, 10, query, vector=vector)
        took = time.perf_counter() - start
        self.witness.check(results, among)
        self.tally.turns += 1
        return took

    def _vector(self) -> Any:
        vector = self._random.standard_normal(self.history.dim)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def until(self, stop: Flag, go: Flag, *, alone: bool = False) -> Tally:
        """Ask until told to stop, while ``go`` is set, and at least once for all documents; ``alone`` in
        its process, see whether that grows."""
        with self.tally.complaining():
            while not stop.is_set() or not self.tally.wholes:
                if go.wait(0.1):
                    self.turn()
                    if alone:
                        self.tally.growth.sample()
            self.witness.finish()
        return self.tally


def check_scores(history: History, results: Results, query: Any) -> None:
    """Every score of the vector leg is that of the document's own vector."""
    for hit in results:
        version = Version(hit.id, int(hit.document.metadata["stamp"]))
        expected = float(history.vector(version) @ query)
        if abs(hit.score - expected) > _ROUNDING:
            raise Torn(f"{version}: similarity {hit.score}, but its vector has {expected}")


def state_of(index: Index, history: History, among: range) -> int:
    """Which of the states ``among`` the index is in: all legs, bodies, vectors and counts say the same."""
    witness = Witness(history)
    query = np.eye(1, history.dim, dtype=np.float32)[0]
    for mode in MODES:
        text = None if mode == "vector" else EVERYWHERE
        results = index.search(text, vector=query, mode=mode, k=history.documents + 1_000)
        fits = witness.check(results, among, whole=True)
        # A step that was interrupted may come to light between two questions.
        sizes = {history.size(n) for n in range(fits.start, among.stop)}
        if results.total != len(results) or len(index) not in sizes:
            raise Torn(f"{mode}: {len(results)} documents, {results.total} and {len(index)}, not {sizes}")
        if mode == "vector":
            check_scores(history, results, query)
    _check_gets(index, history, range(fits.start, among.stop))
    return fits.start


def _check_gets(index: Index, history: History, among: range) -> None:
    """A document by its id is of the state that a search finds, or of a later one."""
    states = [history.state(n) for n in among]
    for id in {*list(states[0])[:20], *(version.id for version in history.step(1).adds[:20])}:
        document = index.get(id)
        stamp = None if document is None else document.metadata["stamp"]
        if stamp not in [state.get(id) for state in states]:
            raise Torn(f"get({id!r}) has stamp {stamp}, which is of no state in {among}")
