"""One generation of an index: the ledger and its projections, and the snapshots read from them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np

from hybrid import analyzers
from hybrid.disk.failpoints import reach
from hybrid.disk.folder import Folder
from hybrid.errors import CommitsLost, IndexCorrupt, IndexMismatch, SettingsError
from hybrid.ledger.ledger import Commit, Ledger
from hybrid.ledger.rows import Rows, with_rows
from hybrid.ledger.tables import Tables
from hybrid.lexical import forward
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.reader import LexicalReader
from hybrid.lexical.terms import Terms, of_document
from hybrid.lexical.writer import LexicalLeg
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import Filter, asks_metadata
from hybrid.metadata.kept import KeptColumns
from hybrid.rerank.matching import Texts
from hybrid.settings import AnalyzerRef, Profiles, Settings
from hybrid.store.projection import Debt, Owed
from hybrid.threads import inside
from hybrid.types import Analyzer, Document, Mask, Ordinals, Ties, Wait
from hybrid.vector.leg import VectorLeg, VectorView

_log = logging.getLogger(__name__)

_STEP = 1000  # documents a step
_OWED = 10_000  # documents; with more, a commit waits for the lexical leg
_COURTESY = 1e-6
"""Seconds between two documents while somebody searches: a search lets go of the interpreter some dozen
times, and would wait 5 ms for it each time. This made the slowest of a hundred ten times faster."""
_PENDING = 5_000_000  # terms; a crash before they are committed costs half a minute


@dataclass(frozen=True)
class Snapshot:
    """The index as of sequence number ``seq``: the first ``count`` ordinals, of which ``live`` are
    alive. Every stage of a query reads from one of these."""

    seq: int
    count: int
    lexical: LexicalView
    vectors: VectorView
    generation: Generation

    @cached_property
    def live(self) -> Mask:
        return self.generation.ledger.lifetimes.live(self.count, self.seq)

    @property
    def ties(self) -> Ties:
        """The place of each ordinal in the order of ties."""
        return self.generation.ledger.lifetimes.ties

    @cached_property
    def size(self) -> int:
        """How many documents are alive."""
        return int(np.count_nonzero(self.live))

    def allowed(self, where: Filter | None) -> Mask | None:
        """Who may be answered: alive and passing the filter; None where that is everybody."""
        if where is None:
            return None if self.size == self.count else self.live
        columns = self.generation.kept_columns.columns(self.count) if asks_metadata(where) else Columns()
        return self.live & columns.mask(where, self.count, self.places)

    def found(self, ids: Iterable[str]) -> dict[str, int]:
        """The ordinals of the living documents that have one of ``ids``, ascending."""
        return self.generation.ledger.found(ids, self.count, self.seq)

    def places(self, ids: Iterable[str]) -> Ordinals:
        """The ordinals alone, int64 (n,)."""
        return np.array(list(self.found(ids).values()), np.int64)

    def documents(self, ordinals: Sequence[int]) -> list[Document]:
        return self.generation.ledger.documents(ordinals)

    def everything(self) -> Iterator[Document]:
        """All living documents by ordinal, with their vectors (n, dim) and passages."""
        live, rows = np.flatnonzero(self.live), self.vectors.rows
        for start in range(0, len(live), _STEP):
            part = live[start : start + _STEP]
            for ordinal, document in zip(part, self.documents(part.tolist()), strict=True):
                yield with_rows(document, rows[rows.of(np.array([ordinal]))])


class Generation:
    """The ledger, legs and columns in ``folder``, which is closed with it. One writer or any number of
    readers."""

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
        self.given = analyzer
        self._look_lock = threading.Lock()
        self._held_by = 0
        self.in_place_of: Generation | None = None
        """The one that is searched while this is filled; None when it is this one."""
        self._seen = (0, 0)  # of the lexical leg's listing
        self._retired = self._finish = False
        self._projecting = threading.RLock()  # taken after the right to commit, if both
        self.failed = False  # a commit or its projection: what is owed is no longer known
        self.reanalysed = False
        """Opening has analysed all documents again."""
        with ExitStack() as opened:
            opened.callback(folder.close)
            self.ledger = Ledger(folder, read_only=read_only)
            opened.callback(self.ledger.close)
            if uuid not in (None, self.ledger.uuid):
                raise IndexCorrupt(f"{folder / 'ledger.db'}: belongs to another index; restore a backup")
            self.tables = Tables(self.ledger)
            self.kept_columns = KeptColumns(folder, self.ledger, read_only=read_only)
            self._rows = forward.Rows()
            self.settings = self.ledger.settings
            self._leg: LexicalLeg | LexicalReader
            self._leg = (LexicalReader if read_only else LexicalLeg)(folder, self.ledger.uuid)
            opened.callback(self._leg.close)
            if not read_only:
                self._owed = Owed(self.lexical)  # what is committed, and the lexical leg is to follow
            kind = self.settings.metric, self.settings.graph_precision
            self.vector = VectorLeg(folder, self.ledger.uuid, *kind, read_only=read_only)
            opened.callback(self.vector.close, finish=False)
            if not read_only:
                self._upgrade()
                self._catch_up()
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
    def lexical(self) -> LexicalLeg:
        """The lexical leg of a writer."""
        assert isinstance(self._leg, LexicalLeg)
        return self._leg

    def copy(self, to: Folder, progress: Callable[[float], None] | None = None) -> None:
        """Copy what is there now, or a little later, into the empty folder ``to``.

        The legs are copied before the ledger, so they lack what came in between, and opening the copy
        replays it. The ledger's rows of vectors only grow: committed ones can be read at any time."""
        self._leg.copy(to)
        self.vector.copy(to)
        reach("backup.legs")
        self.ledger.copy(to, progress)

    def check_analyzer(self) -> None:
        """IndexMismatch where the analyzer is not the one that the index was built with."""
        _ = self.analyzer

    @cached_property
    def analyzer(self) -> Analyzer:
        reference = self.settings.analyzer
        analyzer = self.given or reference.make()
        if analyzer.id != reference.id:
            raise IndexMismatch(
                f"{self.home}: built with analyzer {reference.id!r}, opened with {analyzer.id!r}; "
                f"run: hybrid reindex {self.home}"
            )
        return analyzer

    def _upgrade(self) -> None:
        """Analyse the documents again where the index's analyzer is the one before today's of its name.
        Nothing is encoded. The ledger names the new one last: what is interrupted begins anew."""
        old = self.settings.analyzer
        if (analyzer := self._successor()) is None:
            return
        count = self.ledger.lifetimes.count - self.ledger.lifetimes.deaths
        change = f"analysed again: {analyzer.id} has taken the place of analyzer {old.id}"
        _log.warning("%s: %s documents are %s", self.home, f"{count:,}", change)
        self.settings = self.settings.model_copy(update={"analyzer": AnalyzerRef.of(analyzer)})
        self.lexical.renew()
        self._catch_up()
        profiles = self.ledger.profiles.with_default(change)
        self.ledger.reanalysed(self.settings, profiles, self.tables.forget_forward)
        self.reanalysed = True

    def _successor(self) -> Analyzer | None:
        """The analyzer that takes the place of the index's."""
        reference = self.settings.analyzer
        try:
            analyzer = self.given or reference.make()
        except SettingsError:  # the program's own, which was not given
            return None
        return analyzer if analyzers.former_id(analyzer) == reference.id else None

    def _look(self) -> Snapshot:
        """A snapshot of the newest state that ledger and lexical leg both reflect.

        The lexical leg is read first, so that the ledger is at least as new: what it has beyond (a writer
        is between its two commits) is left for the next look.
        """
        lexical = self._leg.view()
        if self.read_only:
            self.ledger.refresh()
        lifetimes, seq = self.ledger.lifetimes, self.ledger.seq
        count = lifetimes.count
        if lexical.reflects < count:
            seq = int(lifetimes.born[lexical.reflects]) - 1
            count = int(np.searchsorted(lifetimes.born, seq, "right"))
        rows = self.ledger.rows
        rows = rows[: int(np.searchsorted(rows.ordinals, count))]
        return Snapshot(seq, count, lexical, self.vector.view(rows), self)

    def refresh(self) -> Snapshot:
        """The newest snapshot; a reader looks whether other processes have committed."""
        if self.read_only:
            with self._look_lock:
                if self.ledger.refresh() or self._lagging():
                    new = self._look()
                    if new.seq != self.snapshot.seq:  # one number, one answer: to the last digit of BM25
                        self.snapshot = new
        return self.snapshot

    def _lagging(self) -> bool:
        """Whether the lexical leg has moved on, having been behind the ledger at the last look."""
        if self.snapshot.seq == self.ledger.seq:
            return False
        before, self._seen = self._seen, self._leg.stamp()
        return self._seen != before

    # -- writing

    def commit(
        self,
        documents: Sequence[Document],
        rows: Rows | None = None,
        deleted: Iterable[str] = (),
        after: int = -1,
        wait: Wait = "searchable",
    ) -> None:
        """Make a batch durable (see ``Ledger.commit``); project and publish it, or leave that to the next
        ``project``. The caller is the only one who commits."""
        terms = list(self._analysed(documents))
        self.recover()
        with self._failing():
            also = self.tables.keeps(lambda: self._forward(documents, terms))
            commit = self.ledger.commit(documents, rows, deleted, after, also)
            state = commit.seq, self.ledger.lifetimes.count, self.ledger.rows
            self._owed.add(Debt(commit.first, terms, self._deaths(commit), *state))
        if wait == "searchable" or self._owed.documents > _OWED:
            self.settle()

    def _analysed(self, documents: Iterable[Document]) -> Iterator[Terms]:
        """The terms of each; whoever searches meanwhile goes first."""
        for document in documents:
            if (self.in_place_of or self).held:
                time.sleep(_COURTESY)
            with inside:
                terms = self.terms(document)
            yield terms

    @property
    def owes(self) -> bool:
        """Whether something committed is not searchable yet."""
        return self.failed or bool(self._owed)

    def settle(self) -> None:
        """On return all that was committed is searchable. The caller is the only one who commits."""
        self.project()
        self.recover()

    def project(self) -> None:
        """Apply what is owed to the lexical leg, all in one of its commits, and publish it. Does nothing
        after a failure or a move, which is for ``recover``. Commits may go on beside it."""
        with self._projecting, self._failing():
            self.failed |= self.lexical.moved
            if self.failed or (last := self._owed.write()) is None:
                return
            self.lexical.commit()
            vectors = self.vector.view(last.rows)
            self.snapshot = Snapshot(last.seq, last.count, self.lexical.view(), vectors, self)
            self._owed.settle()

    def stage(self) -> None:
        """Let the legs begin with what is owed, and leave it to a later ``project`` to publish it: a long
        load needs no memory for its terms then, and makes few large segments. (It is published all the
        same when it is much.)"""
        with self._projecting, self._failing():
            if not self.failed and (last := self._owed.write()) is not None:
                self.vector.view(last.rows)
        if self.lexical.pending > _PENDING:
            self.project()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever happens in the block, remember that it was not done."""
        try:
            yield
        except BaseException:
            self.failed = True
            raise

    def _forward(self, documents: Sequence[Document], terms: Sequence[Terms]) -> dict[int, bytes]:
        made = zip(count(self.ledger.lifetimes.count), documents, terms, strict=False)
        return {ordinal: forward.packed(ordinal, own, document.text) for ordinal, document, own in made}

    def keep_forward(self, progress: Callable[[float], None] = lambda _: None) -> None:
        """Have the table ``forward``, with a row for every living document, from now on."""
        self.settle()
        self.tables.keep_forward({})
        live = np.flatnonzero(self.snapshot.live)
        for start in range(0, len(live), _STEP):
            part = live[start : start + _STEP].tolist()
            known = self.tables.forward(part)
            self.tables.keep_forward({o: row for o, row in self._made(part) if known.get(o) != row})
            progress(len(part))

    def texts(self, ordinals: Sequence[int]) -> Texts:
        """The terms of some documents, in their order."""
        return self._rows.texts(ordinals, self.tables.forward, self._made)

    def _made(self, ordinals: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for ordinal, document in zip(ordinals, self.ledger.documents(ordinals), strict=True):
            yield ordinal, forward.packed(ordinal, self.terms(document), document.text)

    def recover(self) -> None:
        """After a failure half-way, or where the index was moved: find out what is durable, project it,
        publish it. The caller is the only one who commits."""
        if self.failed or self.lexical.moved:
            with self._projecting:
                self._owed.forget()
                self._catch_up()
                self.snapshot = self._look()
                self.failed = False

    def _deaths(self, commit: Commit) -> list[int]:
        """Ordinals to delete from the keyword index: those that this commit killed, and the previous
        largest one if it was already dead."""
        last = commit.first - 1
        spared = [last] if last >= 0 and self.ledger.lifetimes.dead[last] < commit.seq else []
        return [*commit.deaths.tolist(), *spared]

    def terms(self, document: Document) -> Terms:
        """The terms under which the keyword index finds a document."""
        return of_document(self.analyzer, document.title, document.text)

    def _catch_up(self) -> None:
        """Bring the lexical leg up to the ledger, after a crash or a failure between the two."""
        if not self.ledger.certain:
            self.ledger.refresh()
        view, count = self._sound_view(), self.ledger.lifetimes.count
        if view.reflects > count:
            raise CommitsLost(
                f"{self.folder / 'ledger.db'}: {view.reflects - count} documents are lost that the lexical "
                "leg has; restore a backup, or keep what is left with: "
                f"hybrid verify {self.home} --repair"
            )
        for first in range(view.reflects, count, _STEP):
            documents = self.ledger.documents(range(first, min(count, first + _STEP)))
            self.lexical.write(first, map(self.terms, documents), ())
            if self.lexical.pending > _PENDING:
                self.lexical.commit()
        held = self._held()
        if view.reflects < count or view.searcher.num_docs != len(held):
            self.lexical.apply(count, (), np.setdiff1d(np.arange(count), held).tolist())
        self.lexical.adopt()

    def _sound_view(self) -> LexicalView:
        """The lexical leg, or an empty one in its place where it is damaged."""
        try:
            return self.lexical.view()
        except IndexCorrupt as error:
            _log.warning("%s; the lexical leg is built again from the ledger", error)
            self.lexical.renew()
            return self.lexical.view()

    def _held(self) -> Ordinals:
        """The ordinals that the lexical leg should hold: the living, and the largest even if dead."""
        count = self.ledger.lifetimes.count
        held = self.ledger.lifetimes.live(count, self.ledger.seq)
        held[-1:] = True
        return np.flatnonzero(held)

    def repair(self) -> None:
        """Build every projection again from the ledger."""
        if not self.ledger.certain:
            self.ledger.refresh()
        with self._projecting:
            self.failed = True
            self.vector.wipe()
            self.lexical.renew()
            self.kept_columns.wipe()
            self.recover()

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
        with closing(self.folder), closing(self.ledger), closing(self._leg):
            if finish:
                self.kept_columns.keep()
                self.ledger.keep()
            self.vector.close(finish)
        vars(self).pop("snapshot", None)  # which refers to this: its files would wait for the collector
