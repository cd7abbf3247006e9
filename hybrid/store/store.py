"""An open index: its directory, the generation that counts, and who may read and write it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from hybrid import threads
from hybrid.disk.failpoints import reach
from hybrid.errors import HybridError, IndexClosed, IndexCorrupt, IndexReadOnly, StorageError
from hybrid.settings import FORMAT, Settings
from hybrid.store.directory import Directory
from hybrid.store.follower import Follower
from hybrid.store.generation import Generation
from hybrid.store.rebuild import Cut, Embed, Rebuild
from hybrid.store.snapshot import Snapshot
from hybrid.types import Analyzer, Progress

DEAD_SHARE: Final = 1 / 3
LEAST_DEAD: Final = 1000
"""Compaction begins by itself when more than this share of all ordinals is dead, and so many."""

Accept: TypeAlias = Callable[[Generation], Mapping[str, Any] | None]
"""Reads a new generation, and returns the evidence to keep with its profile if it may serve, else None."""

_log = logging.getLogger(__name__)


class Store:
    """One handle on an index's directory, for one process and any number of its threads."""

    def __init__(self, directory: Directory, analyzer: Analyzer | None, *, read_only: bool) -> None:
        self._directory = directory
        self._analyzer = analyzer
        self._filled: tuple[str, Analyzer | None] = "", None  # the last generation to switch to, by UUID
        self._read_only = read_only
        self._writing = threading.RLock()  # add, delete, compact: one at a time
        self._switching = threading.Lock()  # which generation counts
        self._compaction: threading.Thread | None = None
        self._compact_at = LEAST_DEAD
        self._stop = threading.Event()
        self._follower = Follower(self._follow)
        self._pid = os.getpid()
        self._closed = False
        threads.enlist(self)
        self._switched = False  # another generation may count on disk than in this process
        try:
            with self._typed():
                self.generation = self._open()
        except BaseException:
            directory.close()
            raise

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], analyzer: Analyzer | None = None, *, read_only: bool = False
    ) -> Store:
        """Raises IndexNotFound, IndexLocked, FormatTooNew, IndexCorrupt, StorageError."""
        directory = Directory.open(path)
        try:
            if not read_only:
                directory.claim()
                directory.sweep()
        except BaseException:
            directory.close()
            raise
        return cls(directory, analyzer, read_only=read_only)

    @property
    def path(self) -> Path:
        return self._directory.path

    @property
    def closed(self) -> bool:
        return self._closed

    def _open(self) -> Generation:
        """The generation that counts. A reader may meet a switch on the way: then once more."""
        for _ in range(10):
            self._stamp = self._directory.stamp() if self._read_only else None
            try:
                place = self._directory.current()
                if not self._read_only and place.format != FORMAT:
                    self._directory.point(place)  # before anything that an earlier version does not know
                if place.uuid == self._filled[0]:  # also after a switch that failed half-way
                    self._analyzer = self._filled[1]
                folder = self._directory.folder.folder(place.name)
                return Generation(folder, self._analyzer, uuid=place.uuid, read_only=self._read_only)
            except (StorageError, OSError):
                if self._stamp is None or self._directory.stamp() == self._stamp:
                    raise
        raise IndexCorrupt(f"{self.path}: the current generation keeps changing; try again")

    # -- reading

    @contextmanager
    def reading(self) -> Iterator[Snapshot]:
        """The newest snapshot, which stays open until the end of the block."""
        with self.holding() as generation:
            yield generation.snapshot

    @contextmanager
    def holding(self) -> Iterator[Generation]:
        """The generation with the newest snapshot, which stays open until the end of the block."""
        with threads.inside, self._holding() as generation:
            yield generation

    @contextmanager
    def _holding(self) -> Iterator[Generation]:
        self.check_open()
        with self._typed(), self._switching:
            if self._read_only:
                self.generation.watch.look(self._look)
            generation = self.generation
            generation.hold()
        try:
            with self._typed():
                yield generation
        finally:
            generation.release()

    def _look(self) -> bool:
        """A reader goes where the disk is. Returns whether it shows all that is committed."""
        if self._directory.stamp() != self._stamp:
            self._replace(self._open())
        return self.generation.refresh()

    def stamp(self) -> tuple[int, int]:
        """Changes whenever another generation counts."""
        return self._directory.stamp()

    def check_open(self) -> None:
        if self._closed:
            raise IndexClosed(f"{self.path}: this index is closed; open it again")
        if os.getpid() != self._pid:
            raise IndexClosed(f"{self.path}: opened in another process, before a fork; open it in this one")

    # -- writing

    @contextmanager
    def writing(self, *, follow: bool = True) -> Iterator[Generation]:
        """The generation, with nobody else writing to it until the end of the block. What that leaves
        unpublished then becomes searchable by itself, unless another will ``follow`` up."""
        self.check_writable()
        with threads.inside, self._writing, self._typed():
            self.check_writable()
            self._directory.check_there()
            self._recover()
            yield self.generation
            self._directory.check_there()  # before anything is acknowledged
            if follow and self.generation.projection.owes:
                self._follower.wake()
            self._compact_if_due()

    def _follow(self) -> bool:
        """In the background: what was acknowledged becomes searchable. False after a failure that a writer
        is about to see."""
        with self._typed():
            if self.generation.projection.failed and self._writing.acquire(blocking=False):
                try:
                    self._recover()
                finally:
                    self._writing.release()
            projection = self.generation.projection
            projection.project()
            return not projection.failed

    def check_writable(self) -> None:
        self.check_open()
        if self._read_only:
            raise IndexReadOnly(f"{self.path}: opened with read_only=True; open it without to change it")

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """The machine's errors as ours."""
        try:
            yield
        except HybridError:
            raise
        except OSError as cause:
            raise StorageError(f"{cause.filename or self.path}: {cause.strerror or cause}") from cause
        except MemoryError as cause:
            raise StorageError(f"{self.path}: out of memory") from cause

    # -- new generations

    def rebuild(
        self,
        settings: Settings,
        analyzer: Analyzer,
        embed: Embed | None = None,
        cut: Cut | None = None,
        progress: Progress | None = None,
        accept: Accept | None = None,
    ) -> bool:
        """Write the living documents into a new generation and switch to it, if ``accept`` lets it serve;
        otherwise nothing of it is left. Returns whether it serves. Writers wait meanwhile; what ``accept``
        itself writes is in the new generation, too."""
        self.check_writable()
        with threads.inside, self._writing, self._typed():
            self.check_writable()
            self._end_compaction()
            self._recover()
            self.generation.settle()
            with self._rebuilding(self.generation, settings, analyzer, embed, cut) as new:
                new.follow(self.generation.snapshot, progress)
                new.settle()
                if accept is not None and not self._accepted(new, accept):
                    return False
                self._switch(new, analyzer)
                return True

    def _accepted(self, new: Rebuild, accept: Accept) -> bool:
        """Whether ``new`` may serve. Then it has what was written while that was decided."""
        source = self.generation
        if (evidence := accept(new.target)) is None:
            return False
        self.check_writable()
        self._end_compaction()
        if self.generation is not source:
            raise StorageError(f"{self.path}: rebuilt while a re-index was judged; re-index once more")
        source.settle()
        new.follow(source.snapshot)
        new.settle()
        new.serve(evidence)
        return True

    @contextmanager
    def _rebuilding(
        self,
        source: Generation,
        settings: Settings,
        analyzer: Analyzer,
        embed: Embed | None = None,
        cut: Cut | None = None,
    ) -> Iterator[Rebuild]:
        """A new generation in a draft, which goes at the end of the block unless it was switched to."""
        draft = self._directory.draft()
        try:
            with Rebuild(source, draft, settings, analyzer, embed, cut) as new:
                yield new
        finally:
            self._directory.drop(draft)

    def _switch(self, new: Rebuild, analyzer: Analyzer) -> None:
        new.close()
        reach("rebuild.filled")
        self._switched, self._filled = True, (new.uuid, analyzer)
        with self.generation.ledger.changing():
            self._directory.switch(new.folder, new.uuid)
        reach("rebuild.switched")
        self._compact_at = LEAST_DEAD
        self._recover()
        self._directory.sweep()

    def _recover(self) -> None:
        """Before writing: be where the disk is, also if the last write was interrupted."""
        if self._switched:
            with self._switching:
                self._replace(self._open())
        self.generation.projection.recover()

    def _replace(self, generation: Generation) -> None:
        old, self.generation = self.generation, generation
        self._switched = False
        old.retire()

    def _compact_if_due(self) -> None:
        lifetimes = self.generation.ledger.lifetimes
        enough = lifetimes.deaths >= max(self._compact_at, DEAD_SHARE * lifetimes.count)
        if enough and self._compaction is None:
            compaction = threading.Thread(target=self._compact, name="hybrid-compact", daemon=True)
            self._compaction = compaction  # before it runs: it says here that it has ended
            if not threads.start(compaction):
                self._compaction = None

    def _compact(self) -> None:
        """In the background: copy a snapshot while writes go on, then what they changed, then switch."""
        try:
            with self._holding() as generation:
                self._compact_from(generation)
        except _Interrupted:
            pass
        except Exception as error:
            self._compact_at = 2 * self.generation.ledger.lifetimes.deaths
            _log.warning("%s: not compacted: %s", self.path, error)
        finally:
            self._compaction = None

    def _compact_from(self, source: Generation) -> None:
        analyzer = source.analysis.analyzer
        with self._rebuilding(source, source.settings, analyzer) as new:
            new.follow(source.snapshot, self._interrupt)
            new.settle(self._stop.is_set)
            with self._turn(), self._typed():
                source.settle()
                new.follow(source.snapshot)
                self._switch(new, analyzer)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Write, unless whoever is writing wants the compaction to end."""
        while not self._writing.acquire(timeout=0.05):
            self._interrupt()
        try:
            self._interrupt()
            yield
        finally:
            self._writing.release()

    def _interrupt(self, _: float = 0) -> None:
        if self._stop.is_set():
            raise _Interrupted

    def _end_compaction(self) -> None:
        """Stop one that runs in the background; what it has written so far goes. Call it as the writer."""
        if (thread := self._compaction) is not None:
            self._stop.set()
            thread.join()
            self._stop.clear()

    # -- leaving

    def close(self, finish: bool = True) -> None:
        """Let go of everything; a writer lets the graph ``finish`` first. Again is harmless."""
        if self._closed or os.getpid() != self._pid:
            return
        with self._writing:
            self._closed = True
            self._end_compaction()
            self._follower.stop()
            try:
                if finish and not self._read_only:
                    self.generation.projection.project()
            finally:
                self._retire(finish)

    def leave(self) -> None:
        """Close before the interpreter goes down, and leave to the next opening what it can do; or only end
        the compaction, where a thread was stopped while it wrote."""
        self._stop.set()
        if (compaction := self._compaction) is not None:
            compaction.join(threads.PATIENCE)
        if self._writing.acquire(blocking=False):
            try:
                self.close(finish=False)
            finally:
                self._writing.release()

    def _retire(self, finish: bool) -> None:
        try:
            self.generation.retire(finish)
        finally:
            self._directory.close()


class _Interrupted(Exception):
    """Ends a compaction in the background."""
