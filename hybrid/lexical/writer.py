"""The lexical leg in the process that writes it: BM25 over tantivy's inverted index.

Texts are analysed in Python; tantivy receives terms.

The index itself tells how much of the ledger it covers: every ordinal up to its largest, since ordinals
are added in order and a tantivy commit is atomic. (A marker document would tell it too, but would be
counted in the statistics.) So the largest ordinal is kept, even if deleted, until a larger one is added.
Deletions need no marker: every result is filtered by the snapshot's live documents.

tantivy needs a path, and resolves it again for every file. So it works in a folder of its own, with a
unique name; its commits are published (`hybrid.lexical.published`) through the opened folder. If the
index is moved, tantivy finds nothing at the path it knows, so it writes nothing, and gets a new folder.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import tantivy

from hybrid import threads
from hybrid.disk.failpoints import reach
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, StorageError
from hybrid.lexical import bm25
from hybrid.lexical.bm25 import LexicalView
from hybrid.lexical.pins import Pins
from hybrid.lexical.published import Published, State
from hybrid.lexical.segments import META, Meta
from hybrid.lexical.terms import Terms

_HEAP_BYTES: Final = 64_000_000  # of one writer thread; below 15 MB tantivy refuses
_WORK: Final = "terms-"
_WATCH: Final = 0.3  # seconds between checks whether a merge has ended
_log = logging.getLogger(__name__)


class LexicalLeg:
    """Writes the leg of the generation ``uuid`` in ``folder``.

    The leg is never repaired in place: ``renew`` begins an empty one and ``adopt`` makes it the current
    one, so readers see the old one until the new one is complete.
    """

    def __init__(self, folder: Folder, uuid: str) -> None:
        self._parent = folder
        self._published = Published(folder, uuid)
        self._writer: tantivy.IndexWriter | None = None
        self.pending = 0  # number of documents and terms written since the last commit
        self._lock = threading.Lock()
        self._pins = Pins()
        self._leaving = threading.Event()
        self._watcher: threading.Thread | None = None
        self._work: Folder | None = None  # tantivy's
        threads.enlist(self)
        self._sound = False  # whether tantivy's folder holds the published state and later commits
        for name in folder.names():
            if name.startswith(_WORK):  # left by a writer that died
                folder.remove_tree(name)
        self._recover()

    @classmethod
    def create(cls, folder: Folder, uuid: str) -> None:
        """Create an empty leg beside an empty ledger."""
        with closing(cls(folder, uuid)) as leg:
            leg.adopt()

    def _recover(self) -> None:
        """Make tantivy's folder usable again after a move or a failure: continue from its last commit, or
        from the published state, or begin an empty leg if that is missing or damaged. Does nothing if the
        folder is sound and in place."""
        if self._sound and not self.moved:
            return
        self._abandon()
        if self._work is not None:
            with suppress(FileNotFoundError):
                self._go_on(self._work)
                return
        try:
            self._open()
        except FileNotFoundError:
            self.renew()
        except IndexCorrupt as error:
            _log.warning("%s; the lexical leg is built again from the ledger", error)
            self.renew()

    def _go_on(self, work: Folder) -> None:
        meta = Meta.read(work)
        self._enter(work, meta)
        self._index = self._opened()
        if self._adopted and meta.crc != self._listed:
            self._publish()
        self._sound = True

    def _open(self) -> None:
        state = self._published.read()
        self._published.check(state, {})
        self._published.tidy(state)
        with self._published.opened(state.name) as files:
            self._enter(files, state.meta)
        self._name, self._known, self._adopted = state.name, state.files, True
        self._listed = state.meta.crc
        self._index = self._opened()
        if self._index.schema != bm25.schema():
            raise IndexCorrupt(f"{self._parent / state.name}: written by an earlier version")
        self._sound = True

    def _enter(self, source: Folder | None = None, meta: Meta | None = None) -> None:
        """Give tantivy a new folder, with the files of ``meta`` linked from ``source``."""
        work = self._parent.make(f"{_WORK}{uuid4().hex}")
        try:
            if source is not None and meta is not None:
                for name in meta.files:
                    source.link(name, work)
                with work.writing(META) as file:
                    file.write(meta.text)
        except BaseException:
            self._drop(work)
            raise
        self._leave()
        self._work, self._place = work, work.now()

    def _leave(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            self._drop(work)

    def _drop(self, work: Folder) -> None:
        work.close()
        self._parent.remove_tree(work.path.name)

    def _opened(self) -> tantivy.Index:
        with bm25.reading(self._parent):
            return bm25.open_index(self._place)

    @property
    def moved(self) -> bool:
        """Whether tantivy's folder is no longer at the path that tantivy knows."""
        return self._work is not None and not _same(self._work, self._place)

    def view(self) -> LexicalView:
        """Return a view of the last commit. Raises IndexCorrupt."""
        self._recover()
        with self._lock, bm25.reading(self._parent):
            view = LexicalView.of(self._index)
            self._pins.hold(view, self._tantivys, self._known)
            return view

    def stamp(self) -> tuple[int, int]:
        """Return a value that changes with every published state. Raises OSError."""
        return self._published.stamp()

    @property
    def _tantivys(self) -> Folder:
        assert self._work is not None
        return self._work

    # -- writing

    def apply(self, first: int, documents: Iterable[Sequence[Terms]], deaths: Iterable[int]) -> None:
        """``write`` and ``commit``."""
        self.write(first, documents, deaths)
        self.commit()

    def write(self, first: int, documents: Iterable[Sequence[Terms]], deaths: Iterable[int]) -> None:
        """Add the terms of each passage of documents ``first``, ``first`` + 1, ... and delete ``deaths``,
        except the largest ordinal, which is kept until a larger one is added. Takes effect with the next
        commit. Each commit leaves a segment to search, so a leg with few commits is fast."""
        with self._writing() as writer:
            top = first - 1
            for top, passages in enumerate(documents, first):
                for number, terms in enumerate(passages):
                    writer.add_document(bm25.document(top, self._rows, number, terms))
                    self._rows += 1
                    self.pending += 1 + terms.size
            for ordinal in deaths:
                if ordinal != top:
                    writer.delete_documents_by_term("ordinal", int(ordinal))

    def commit(self) -> None:
        """Commit what was written, and publish it."""
        with self._writing() as writer:
            reach("lexical.added")
            writer.commit()
            self.pending = 0
            reach("lexical.committed")
        if self._adopted:
            with self._lock:
                self._publish()

    def forget(self) -> None:
        """Discard everything written since the last commit."""
        if self.pending:
            self._abandon()

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """Yield the writer; discard it after any failure, since after a full disk it would continue and
        silently lack a batch. The missing documents are replayed from the ledger."""
        try:
            if self._writer is None:
                self._recover()
                self._writer = self._index.writer(_HEAP_BYTES, 1)
                self._rows = LexicalView.of(self._index).rows
                self._leaving = threading.Event()
                self._watcher = threading.Thread(
                    target=self._watch, args=(self._leaving,), name="hybrid-merges", daemon=True
                )
                threads.start(self._watcher)
            yield self._writer
        except GeneratorExit:  # interrupted on entry: nothing was written, and others may be writing by now
            raise
        except BaseException as cause:
            self._abandon()
            if isinstance(cause, MemoryError) or not bm25.of_tantivy(cause):
                raise
            raise StorageError(
                f"{self._parent / 'lexical'}: the lexical leg failed: {cause}; the documents are safe"
            ) from cause

    def _abandon(self) -> None:
        """Shut the writer down: it holds its lock as long as anything (a traceback) refers to it. Its
        folder must not be used again, since leftover files could conflict with the next writer's."""
        writer, self._writer, self.pending = self._writer, None, 0
        self._sound = False
        self._end_watch()
        if writer is not None:
            with suppress(BaseException):
                writer.wait_merging_threads()

    def _end_watch(self) -> None:
        self._leaving.set()
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.is_alive():  # it is not if Ctrl-C interrupted its start
            watcher.join()

    def leave(self) -> None:
        """End the thread; the next commit publishes the results of merges."""
        self._end_watch()

    def _publish(self) -> None:
        """Publish the last commit."""

        def publish() -> State:
            return self._published.publish(self._name, self._tantivys, self._known)

        state = self._published.retried(publish)
        self._known, self._listed = state.files, state.meta.crc
        reach("lexical.listed")

    def _watch(self, leaving: threading.Event) -> None:
        """Publish the results of merges, which end some time after the commit."""
        while not leaving.wait(_WATCH):
            self._pins.release()
            with self._lock, suppress(Exception):  # retried at the next check
                if self._adopted and Meta.read(self._tantivys).crc != self._listed:
                    self._publish()

    def copy(self, to: Folder) -> None:
        """Copy the last commit into the folder ``to``."""
        with self._lock:
            self._published.copy(to)

    def renew(self) -> None:
        """Begin an empty index; ``adopt`` makes it the current one."""
        self.close()
        self._name, self._known, self._adopted = self._published.new(), {}, False
        self._listed = 0
        self._enter()
        self._index = self._opened()
        self._sound = True

    def adopt(self) -> None:
        """Make the index that ``renew`` began, now complete, the current one."""
        if self._adopted:
            return
        self._publish()
        self._parent.sync()
        self._adopted = True
        self._published.only(self._name)

    def close(self) -> None:
        """Wait for merges and remove tantivy's folder."""
        self._pins.close()
        writer, self._writer, self.pending = self._writer, None, 0
        self._end_watch()
        if writer is not None:
            writer.wait_merging_threads()
            if self._adopted:
                with suppress(OSError):  # the folder may be gone; the published state is enough
                    self._publish()
        self._leave()


def _same(folder: Folder, path: Path) -> bool:
    """Whether this folder is at ``path``."""
    with suppress(OSError):
        here, there = folder.stat("."), path.stat()
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
    return False
