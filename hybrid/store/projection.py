"""A writer's projections of the ledger: the keyword index follows each commit, the graph its vectors."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np

from hybrid.disk.folder import Folder
from hybrid.errors import CommitsLost, IndexCorrupt
from hybrid.ledger.database import FILE
from hybrid.ledger.ledger import Ledger
from hybrid.ledger.rows import Rows
from hybrid.ledger.tables import Tables
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.terms import Terms
from hybrid.lexical.writer import LexicalLeg
from hybrid.store.analysis import Analysis
from hybrid.types import Ordinals
from hybrid.vector.leg import VectorLeg

_log = logging.getLogger(__name__)

_STEP: Final = 1000  # documents a step
_PENDING: Final = 5_000_000  # terms; a crash before they are committed costs half a minute

Publish = Callable[[int, int, Rows], None]
"""Shows searches the state of a sequence number, a count of ordinals, and the rows of vectors."""


@dataclass(frozen=True)
class Debt:
    """The work that one commit leaves, and the state of the ledger that it made."""

    first: int
    terms: list[list[Terms]]
    deaths: list[int]
    seq: int
    count: int
    rows: Rows


class Projection:
    """Applies what commits ``owe`` to the keyword index, in their order and many of them at a time, and
    publishes it. One thread may owe while another projects."""

    def __init__(
        self,
        folder: Folder,
        ledger: Ledger,
        tables: Tables,
        analysis: Analysis,
        lexical: LexicalLeg,
        vector: VectorLeg,
        publish: Publish,
    ) -> None:
        self._folder, self._ledger, self._tables, self._analysis = folder, ledger, tables, analysis
        self.lexical, self._vector, self._publish = lexical, vector, publish
        self._debts: deque[Debt] = deque()
        self._written = 0  # number of debts already handed to the writer; their terms are no longer here
        self._projecting = threading.RLock()  # taken after the right to commit, if both
        self.failed = False
        """A commit or its projection has failed: the debts are to be worked out from the ledger."""

    # -- what is owed

    def owe(self, debt: Debt) -> None:
        self._debts.append(debt)

    @property
    def owes(self) -> bool:
        """Whether something committed is not searchable yet."""
        return self.failed or bool(self._debts)

    @property
    def owed(self) -> int:
        """The number of documents whose terms wait here."""
        return sum(len(debt.terms) for debt in list(self._debts))

    def _write(self) -> Debt | None:
        """Hand to the keyword index what it does not have, uncommitted; returns the last debt so far."""
        for debt in list(self._debts)[self._written :]:
            self.lexical.write(debt.first, debt.terms, debt.deaths)
            self._written += 1
            debt.terms.clear()
        return self._debts[self._written - 1] if self._written else None

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Remember where the block fails that it was not done."""
        try:
            yield
        except BaseException:
            self.failed = True
            raise

    # -- paying

    def project(self) -> None:
        """Apply what is owed in one commit of the keyword index, and publish it. Does nothing after a
        failure or a move, which is for ``recover``. Commits may go on beside it."""
        with self._projecting, self.failing():
            self.failed |= self.lexical.moved
            if self.failed or (last := self._write()) is None:
                return
            self.lexical.commit()
            self._publish(last.seq, last.count, last.rows)
            for _ in range(self._written):
                self._debts.popleft()
            self._written = 0

    def stage(self) -> None:
        """Let the legs begin with what is owed, and leave it to a later ``project`` to publish it: a long
        load needs no memory for its terms then, and makes few large segments. (It is published all the
        same when it is much.)"""
        with self._projecting, self.failing():
            if not self.failed and (last := self._write()) is not None:
                self._vector.view(last.rows)
        if self.lexical.pending > _PENDING:
            self.project()

    # -- recovery

    def recover(self) -> None:
        """After a failure half-way, or where the index was moved: find out what is durable, project it,
        publish it. The caller is the only one who commits."""
        if self.failed or self.lexical.moved:
            with self._projecting:
                self.lexical.forget()
                self._debts.clear()
                self._written = 0
                self.catch_up()
                self._publish(self._ledger.seq, self._ledger.lifetimes.count, self._ledger.rows)
                self.failed = False

    def catch_up(self) -> None:
        """Bring the keyword index up to the ledger, after a crash or a failure between the two."""
        if not self._ledger.certain:
            self._ledger.refresh()
        view, count = self._sound_view(), self._ledger.lifetimes.count
        if view.reflects > count:
            raise CommitsLost(
                f"{self._folder / FILE}: {view.reflects - count} documents are lost that the lexical leg "
                "has; restore a backup, or keep what is left with: "
                f"hybrid verify {self._folder.path.parent} --repair"
            )
        for first in range(view.reflects, count, _STEP):
            self.lexical.write(first, self._analysis.stored(range(first, min(count, first + _STEP))), ())
            if self.lexical.pending > _PENDING:
                self.lexical.commit()
        held = self._held()
        if view.reflects < count or view.searcher.num_docs != self._tables.rows(held):
            self.lexical.apply(count, (), np.setdiff1d(np.arange(count), held).tolist())
        self.lexical.adopt()

    def _sound_view(self) -> LexicalView:
        """The keyword index, or an empty one in its place where it is damaged or of an earlier version."""
        try:
            if (view := self.lexical.view()).current:
                return view
        except IndexCorrupt as error:
            _log.warning("%s; the lexical leg is built again from the ledger", error)
        self.lexical.renew()
        return self.lexical.view()

    def _held(self) -> Ordinals:
        """The ordinals that the keyword index should hold: the living, and the largest even if dead."""
        lifetimes = self._ledger.lifetimes
        held = lifetimes.live(lifetimes.count, self._ledger.seq)
        held[-1:] = True
        return np.flatnonzero(held)

    def rebuild(self) -> None:
        """Build both legs again from the ledger."""
        if not self._ledger.certain:
            self._ledger.refresh()
        with self._projecting:
            self.failed = True
            self._vector.wipe()
            self.lexical.renew()
            self.recover()
