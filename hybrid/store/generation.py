"""One generation of an index: the ledger, its projections, and the newest snapshot of both."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

import numpy as np
import numpy.ma  # else the first np.unique imports it, which fails where no file can be opened

from hybrid.disk.failpoints import reach
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.ledger.changes import Watch
from hybrid.ledger.database import FILE, Action
from hybrid.ledger.ledger import Commit, Ledger
from hybrid.ledger.passages import Pieces, windows
from hybrid.ledger.rows import Rows
from hybrid.ledger.tables import Tables, together
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.reader import LexicalReader
from hybrid.lexical.terms import Terms
from hybrid.lexical.writer import LexicalLeg
from hybrid.metadata.kept import KeptColumns
from hybrid.settings import Profiles, Settings
from hybrid.store.analysis import Analysis
from hybrid.store.projection import Debt, Projection
from hybrid.store.snapshot import Snapshot
from hybrid.store.voters import KeptVoters
from hybrid.suggest.kept import KeptLookups
from hybrid.threads import inside
from hybrid.types import Analyzer, Document, Wait
from hybrid.vector.leg import VectorLeg

_log = logging.getLogger(__name__)

_OWED: Final = 10_000  # documents; with more, a commit waits for the keyword index
_COURTESY: Final = 1e-6
"""Seconds between two documents while somebody searches: a search lets go of the interpreter some dozen
times, and would wait 5 ms for it each time. This made the slowest of a hundred ten times faster."""


class Generation:
    """The open parts in ``folder``, which is closed with them. One writer or any number of readers."""

    def __init__(
        self,
        folder: Folder,
        analyzer: Analyzer | None = None,
        *,
        uuid: str | None = None,
        read_only: bool = False,
    ) -> None:
        self.folder = folder
        self.read_only = read_only
        self.rebuilds: Generation | None = None
        """The generation that is searched while this one is filled from it."""
        self.reanalysed = False
        """Opening has analysed all documents again."""
        self._look_lock = threading.Lock()
        self._held_by = 0
        self._seen = (0, 0)  # the keyword index's listing at the last look
        self._retired = self._finish = False
        with ExitStack() as opened:
            opened.callback(folder.close)
            self.ledger = Ledger(folder, read_only=read_only)
            opened.callback(self.ledger.close)
            self.watch = Watch(folder)
            if uuid not in (None, self.ledger.uuid):
                raise IndexCorrupt(f"{folder / FILE}: belongs to another index; restore a backup")
            self.settings = self.ledger.settings
            self.tables = Tables(self.ledger)
            self.analysis = Analysis(self.ledger, self.tables, analyzer, self.home)
            self.kept_columns = KeptColumns(folder, self.ledger, read_only=read_only)
            self.kept_lookups = KeptLookups()
            terms = self.analysis.query if self.settings.encoder is None else None
            voters = self.tables.past, self.ledger, folder, terms
            self.kept_voters = KeptVoters(*voters, read_only=read_only)
            opened.callback(self.kept_voters.close, finish=False)
            self._lexical = (LexicalReader if read_only else LexicalLeg)(folder, self.ledger.uuid)
            opened.callback(self._lexical.close)
            kind = self.settings.metric, self.settings.ann
            self.vector = VectorLeg(folder, self.ledger.uuid, *kind, read_only=read_only)
            opened.callback(self.vector.close, finish=False)
            if isinstance(self._lexical, LexicalLeg):
                parts = self.ledger, self.tables, self.analysis, self._lexical, self.vector
                self._writers = Projection(folder, *parts, self._publish)
                self._keep_windows()
                self._upgrade()
                self.projection.catch_up()
            self.snapshot = self._look()
            opened.pop_all()

    @classmethod
    def create(cls, folder: Folder, settings: Settings, profiles: Profiles, seq: int = 0) -> str:
        """Lay an empty generation down in ``folder``; returns its UUID."""
        uuid = Ledger.create(folder, settings, profiles, seq)
        LexicalLeg.create(folder, uuid)
        return uuid

    @property
    def home(self) -> Path:
        """Where the index was when it was opened: for messages."""
        return self.folder.path.parent

    @property
    def projection(self) -> Projection:
        """A writer's; a reader has none."""
        assert not self.read_only
        return self._writers

    def copy(self, to: Folder, progress: Callable[[float], None] | None = None) -> None:
        """Copy what is there now, or a little later, into the empty folder ``to``.

        The legs are copied before the ledger, so they lack what came in between, and opening the copy
        replays it. The ledger's rows of vectors only grow: committed ones can be read at any time."""
        self._lexical.copy(to)
        self.vector.copy(to)
        reach("backup.legs")
        self.ledger.copy(to, progress)

    def _upgrade(self) -> None:
        """Analyse the documents again where the index's analyzer is an earlier version of today's. Nothing
        is encoded. The ledger names the new one last: what is interrupted begins anew."""
        old = self.settings.analyzer
        if (new := self.analysis.successor()) is None:
            return
        count = self.ledger.lifetimes.count - self.ledger.lifetimes.deaths
        change = f"analysed again: {new.id} has taken the place of analyzer {old.id}"
        _log.warning("%s: %s documents are %s", self.home, f"{count:,}", change)
        self.settings = self.settings.model_copy(update={"analyzer": new})
        self.analysis.change(new)
        self.projection.lexical.renew()
        self.projection.catch_up()
        profiles = self.ledger.profiles.with_default(change)
        self.ledger.reanalysed(self.settings, profiles, self.tables.forget_forward)
        self.reanalysed = True

    def _keep_windows(self) -> None:
        """Take the windows of the first versions' long documents, of which each has its vector, for their
        passages: so what was encoded is not encoded again, and both legs agree."""
        if not self.ledger.cut:
            kept = list(windows(self.ledger.rows, self._texts))
            self.ledger.now_cut(self.tables.writes_passages(kept))

    def _texts(self, ordinals: list[int]) -> list[str]:
        return [document.text for document in self.ledger.documents(ordinals)]

    # -- snapshots

    def _look(self) -> Snapshot:
        """A snapshot of the newest state that ledger and keyword index both reflect.

        The keyword index is read first, so that the ledger is at least as new: what it has beyond (a writer
        is between its two commits) is left for the next look.
        """
        lexical = self._lexical.view()
        if self.read_only:
            self.ledger.refresh()
        lifetimes, seq = self.ledger.lifetimes, self.ledger.seq
        count = lifetimes.count
        if lexical.reflects < count:
            seq = int(lifetimes.born[lexical.reflects]) - 1
            count = int(np.searchsorted(lifetimes.born, seq, "right"))
        rows = self.ledger.rows
        return self._at(seq, count, lexical, rows[: int(np.searchsorted(rows.ordinals, count))])

    def _at(self, seq: int, count: int, lexical: LexicalView, rows: Rows) -> Snapshot:
        kept = self.ledger, self.tables, self.kept_columns, self.kept_lookups, self.kept_voters
        return Snapshot(seq, count, lexical, self.vector.view(rows), self.settings, self.analysis, *kept)

    def _publish(self, seq: int, count: int, rows: Rows) -> None:
        self.snapshot = self._at(seq, count, self._lexical.view(), rows)

    def refresh(self) -> bool:
        """A reader takes the newest snapshot. Returns whether that shows all that is committed."""
        if self.ledger.refresh() or self._lagging():
            new = self._look()
            if new.seq != self.snapshot.seq:  # one number, one answer: to the last digit of BM25
                self.snapshot = new
        return self.snapshot.seq == self.ledger.seq

    def _lagging(self) -> bool:
        """Whether the keyword index has moved on, having been behind the ledger at the last look."""
        if self.snapshot.seq == self.ledger.seq:
            return False
        before, self._seen = self._seen, self._lexical.stamp()
        return self._seen != before

    # -- writing

    def commit(
        self,
        documents: Sequence[Document],
        rows: Rows | None = None,
        pieces: Sequence[Pieces] = (),
        deleted: Iterable[str] = (),
        after: int = -1,
        wait: Wait = "searchable",
        also: Action = lambda _: None,
    ) -> None:
        """Make a batch durable (see ``Ledger.commit``), each document with its ``pieces``, the passages
        that it is; project and publish it, or leave that to the next ``project``. The caller is the only
        one who commits."""
        terms = list(self._analysed(documents, pieces))
        self.projection.recover()
        with self.projection.failing():
            first = self.ledger.lifetimes.count
            packed = self.analysis.packed(first, documents, terms)
            kept = self.tables.keeps(packed), self.tables.keeps_passages(first, pieces), also
            commit = self.ledger.commit(documents, rows, deleted, after, together(*kept))
            state = commit.seq, self.ledger.lifetimes.count, self.ledger.rows
            self.projection.owe(Debt(commit.first, terms, self._deaths(commit), *state))
        if wait == "searchable" or self.projection.owed > _OWED:
            self.settle()

    def _analysed(self, documents: Sequence[Document], pieces: Sequence[Pieces]) -> Iterator[list[Terms]]:
        """The terms of each; searches that run meanwhile go first."""
        for document, own in zip(documents, pieces, strict=True):
            if (self.rebuilds or self).held:
                time.sleep(_COURTESY)
            with inside:
                terms = self.analysis.document(document, own)
            yield terms

    def _deaths(self, commit: Commit) -> list[int]:
        """Ordinals to delete from the keyword index: those that this commit killed, and the previous
        largest one if it was already dead."""
        last = commit.first - 1
        spared = [last] if last >= 0 and self.ledger.lifetimes.dead[last] < commit.seq else []
        return [*commit.deaths.tolist(), *spared]

    def settle(self) -> None:
        """Make everything committed searchable. The caller is the only one who commits."""
        self.projection.project()
        self.projection.recover()

    def keep_forward(self, progress: Callable[[float], None] = lambda _: None) -> None:
        """Have the table ``forward``, with a row for every living document, from now on."""
        self.settle()
        self.analysis.keep(np.flatnonzero(self.snapshot.live), progress)

    def repair(self) -> None:
        """Build every projection again from the ledger."""
        self.kept_columns.wipe()
        self.kept_voters.wipe()
        self.ledger.rewrite_bodies()
        self.projection.rebuild()

    # -- leaving

    @property
    def held(self) -> bool:
        """Whether somebody reads from it at the moment."""
        return self._held_by > 0

    def hold(self) -> None:
        """Keep this generation open; each call is paired with one of ``release``."""
        with self._look_lock:
            self._held_by += 1

    def release(self) -> None:
        with self._look_lock:
            self._held_by -= 1
            last = self._retired and not self._held_by
        if last:
            self.close(self._finish)

    def retire(self, finish: bool = False) -> None:
        """Close as soon as nobody holds it; a writer may ``finish`` the graph then."""
        self.hold()
        self._retired, self._finish = True, finish
        self.release()

    def close(self, finish: bool = True) -> None:
        """Let go of the files; a writer may ``finish`` the graph and keep what spares the next one work."""
        with closing(self.folder), closing(self.ledger), closing(self._lexical):
            if finish:
                self.kept_columns.keep()
                self.ledger.keep()
            self.vector.close(finish)
            self.kept_voters.close(finish)
        vars(self).pop("snapshot", None)  # which maps files
