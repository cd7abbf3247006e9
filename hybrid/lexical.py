"""The lexical leg: BM25 over tantivy's inverted index.

Texts are analysed in Python and handed over as terms.

The index says itself how much of the ledger it reflects: every ordinal up to its largest, since ordinals
are added in order and a tantivy commit is atomic. (A marker document would say it too, but it would count
in the statistics.) So the largest is kept, even dead, until a larger one comes. Deaths need no mark: every
answer is filtered by the snapshot's live documents.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import tantivy

from hybrid import bm25, manifest, segments
from hybrid.bm25 import LexicalView
from hybrid.errors import IndexCorrupt, StorageError
from hybrid.failpoints import reach
from hybrid.files import sync, sync_tree
from hybrid.pins import Pins
from hybrid.terms import Terms

_HEAP_BYTES: Final = 64_000_000  # of one writer thread; below 15 MB tantivy refuses
_FOLDER: Final = re.compile(r"lexical-[0-9]+")
_WATCH: Final = 0.3  # seconds between two looks whether a merge has ended
_RETRIES: Final = 5  # readings of a folder in which merges come and go
_log = logging.getLogger(__name__)


class LexicalLeg:
    """The tantivy index of the generation in ``folder``, as its writer or a reader.

    ``lexical.json`` names the folder that counts, the generation it belongs to (``uuid``) and its files.
    A leg is never repaired in place: ``renew`` begins an empty one in a new folder and ``adopt`` makes it
    the one that counts, so a reader finds the old one until the new one is whole.
    """

    def __init__(self, folder: Path, uuid: str, *, read_only: bool = False) -> None:
        self._parent, self._uuid = folder, uuid
        self._folder = folder  # of the index that is open; of none yet
        self._manifest = folder / "lexical.json"
        self._read_only = read_only
        self._known: dict[str, segments.Sum] = {}
        self._writer: tantivy.IndexWriter | None = None
        self.pending = 0  # documents and their terms, written since the last commit
        self._lock = threading.Lock()
        self._mirrors: list[Path] = []
        self._pins = Pins()
        self._leaving = threading.Event()
        self._watcher: threading.Thread | None = None
        self._adopted = True
        self._listed, self._listed_at = True, (0, 0)
        if read_only:
            return
        try:
            self._open()
        except FileNotFoundError:
            self.renew()
        except IndexCorrupt as error:
            _log.warning("%s; the lexical leg is built again from the ledger", error)
            self.renew()

    @classmethod
    def create(cls, folder: Path, uuid: str) -> None:
        """Lay an empty leg down beside an empty ledger."""
        with closing(cls(folder, uuid)) as leg:
            leg.adopt()

    def _open(self) -> None:
        """The index that counts, checked."""
        value = self._read_manifest()
        self._folder = self._parent / value["folder"]
        self._check(value)
        self._index = self._opened(self._folder)
        if self._index.schema != bm25.schema():
            raise IndexCorrupt(f"{self._folder}: written by an earlier version")

    def _read_manifest(self) -> dict[str, Any]:
        value = manifest.read(self._manifest)
        if value["uuid"] != self._uuid:
            raise IndexCorrupt(f"{self._manifest}: belongs to another index")
        if not _FOLDER.fullmatch(str(value["folder"])):
            raise IndexCorrupt(f"{self._manifest}: {value['folder']!r} is no folder of a lexical leg")
        return value

    def _check(self, value: dict[str, Any]) -> segments.Commit:
        """Every file of the last commit; sets whether the manifest knows that commit."""
        folder = self._parent / value["folder"]
        listed = {name: (size, crc) for name, (size, crc) in value["files"].items()}
        commit = segments.Commit.read(folder)
        self._listed = commit.crc == value["meta"]
        if not self._listed and set(commit.files) == set(listed):  # a later commit has other files
            raise IndexCorrupt(f"{folder / 'meta.json'}: damaged")
        segments.check(folder, commit, listed, self._known)
        self._known = segments.listing(folder, commit, self._known)
        return commit

    def _opened(self, folder: Path) -> tantivy.Index:
        try:
            return bm25.open_index(folder)
        except ValueError as cause:
            raise self._corrupt(cause) from cause

    def view(self) -> LexicalView:
        """The leg as of its last commit. Raises IndexCorrupt."""
        with self._lock:
            if self._read_only:
                return self._read()
            view = self._viewed(self._index)
            self._pins.hold(view, (self._folder / name for name in self._known))
            return view

    def _viewed(self, index: tantivy.Index) -> LexicalView:
        with self._reading():
            return LexicalView.of(index, self._listed)

    def stamp(self) -> tuple[int, int]:
        """Changes with every listing. Raises OSError."""
        status = self._manifest.stat()
        return status.st_ino, status.st_mtime_ns

    def _read(self) -> LexicalView:
        """As a reader: what counts now, in whichever folder that is."""
        for patience in reversed(range(_RETRIES)):
            try:
                value = self._read_manifest()
                commit, folder = self._check(value), self._parent / value["folder"]
                if not _lockable(folder):
                    return self._mirrored(folder, commit)
                if folder != self._folder:
                    self._folder, self._index = folder, self._opened(folder)
                return self._viewed(self._index)
            except (FileNotFoundError, PermissionError, IndexCorrupt) as error:
                # A merge may just have removed a file, or written one that the writer has yet to open to
                # others; not so often.
                if not patience:
                    raise self._corrupt(error) from error
                time.sleep(_WATCH / _RETRIES * (_RETRIES - patience))
        raise AssertionError("unreachable")

    def _mirrored(self, folder: Path, commit: segments.Commit) -> LexicalView:
        """Through a folder of links, which may go once the files are mapped: tantivy wants to write a
        lock file even to read. (It may just do so as the folder goes, which then stays until later.)"""
        mirror = Path(tempfile.mkdtemp(prefix="hybrid-lexical-"))
        self._mirrors.append(mirror)
        try:
            for name in commit.files:
                (mirror / name).symlink_to((folder / name).absolute())
            (mirror / "meta.json").write_bytes(commit.text)
            return self._viewed(self._opened(mirror))
        finally:
            self._drop_mirrors()

    def _drop_mirrors(self) -> None:
        for mirror in self._mirrors:
            shutil.rmtree(mirror, ignore_errors=True)
        self._mirrors = [mirror for mirror in self._mirrors if mirror.exists()]

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except BaseException as cause:
            if not _of_tantivy(cause):
                raise
            raise self._corrupt(cause) from cause

    def _corrupt(self, cause: BaseException) -> IndexCorrupt:
        path = self._parent / "lexical"
        return IndexCorrupt(f"{path}: {cause}; run: hybrid verify {self._parent.parent} --repair")

    def apply(self, first: int, documents: Iterable[Terms], deaths: Iterable[int]) -> None:
        """``write``, and a commit of all that was written."""
        self.write(first, documents, deaths)
        self.commit()

    def write(self, first: int, documents: Iterable[Terms], deaths: Iterable[int]) -> None:
        """Hand over the terms of documents ``first``, ``first`` + 1, ... and the ``deaths`` of any, but of
        the largest ordinal: that one stays until a larger one comes. The next commit makes it count; each
        commit leaves a segment to look into, so few of them make a fast leg."""
        with self._writing() as writer:
            top = first - 1
            for top, terms in enumerate(documents, first):
                writer.add_document(bm25.document(top, terms))
                self.pending += 1 + len(terms.title) + len(terms.text) + len(terms.stop_words)
            for ordinal in deaths:
                if ordinal != top:
                    writer.delete_documents_by_term("ordinal", int(ordinal))

    def commit(self) -> None:
        """Have count what was written."""
        with self._writing() as writer:
            reach("lexical.added")
            writer.commit()
            self.pending = 0
            reach("lexical.committed")
        if self._adopted:
            with self._lock:
                self._list()

    def forget(self) -> None:
        """What was written since the last commit never was."""
        if self.pending:
            self._abandon()

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """A writer that is thrown away after any failure: one that met a full disk goes on otherwise,
        and silently lacks a batch. What it missed is replayed from the ledger."""
        try:
            if self._writer is None:
                segments.tidy(self._folder)
                self._writer = self._index.writer(_HEAP_BYTES, 1)
                self._leaving = threading.Event()
                self._watcher = threading.Thread(
                    target=self._watch, args=(self._leaving,), name="hybrid-merges", daemon=True
                )
                self._watcher.start()
            yield self._writer
        except GeneratorExit:  # interrupted on the way in: nothing was done, and by now others may write
            raise
        except BaseException as cause:
            self._abandon()
            if isinstance(cause, MemoryError) or not _of_tantivy(cause):
                raise
            raise StorageError(
                f"{self._folder}: the lexical leg failed: {cause}; the documents are safe"
            ) from cause

    def _abandon(self) -> None:
        """Let the writer go for good: as long as anything (a traceback) refers to it, it holds its lock."""
        writer, self._writer, self.pending = self._writer, None, 0
        self._end_watch()
        if writer is not None:
            with suppress(BaseException):
                writer.wait_merging_threads()

    def _end_watch(self) -> None:
        self._leaving.set()
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher.is_alive():  # not if Ctrl-C came while it was being started
            watcher.join()

    def _list(self) -> None:
        """Write down what the last commit consists of; let others read what tantivy keeps to itself."""
        for patience in reversed(range(_RETRIES)):
            try:
                stamp = self._stamp()
                commit = segments.Commit.read(self._folder)
                self._known = segments.listing(self._folder, commit, self._known)
                break
            except FileNotFoundError:  # a merge has removed it
                if not patience:
                    raise
        for name in ("meta.json", ".managed.json"):
            with suppress(OSError):  # of another user, who has done it
                os.chmod(self._folder / name, self._folder.stat().st_mode & 0o666)
        value = {"uuid": self._uuid, "folder": self._folder.name, "meta": commit.crc, "files": self._known}
        manifest.write(self._manifest, value)
        self._listed, self._listed_at = True, stamp
        reach("lexical.listed")

    def _stamp(self) -> tuple[int, int]:
        status = (self._folder / "meta.json").stat()
        return status.st_ino, status.st_mtime_ns

    def _watch(self, leaving: threading.Event) -> None:
        """Merges end when they end, after the commit; list what they leave, too. (A crash may come before;
        then the files' own checksums must do.)"""
        while not leaving.wait(_WATCH):
            self._pins.release()
            with self._lock, suppress(OSError, IndexCorrupt):
                if self._adopted and self._stamp() != self._listed_at:
                    self._list()

    def copy(self, folder: Path) -> None:
        """Put the last commit into ``folder``, as a leg of its own."""
        with self._lock:
            for patience in reversed(range(_RETRIES)):
                try:
                    self._copy(folder / "lexical-1")
                    break
                except FileNotFoundError:  # a merge has removed it
                    shutil.rmtree(folder / "lexical-1")
                    if not patience:
                        raise

    def _copy(self, target: Path) -> None:
        source = self._parent / self._read_manifest()["folder"]
        commit = segments.Commit.read(source)
        target.mkdir()
        for name in commit.files:
            shutil.copyfile(source / name, target / name)
        (target / "meta.json").write_bytes(commit.text)
        files = segments.listing(source, commit, {})
        value = {"uuid": self._uuid, "folder": target.name, "meta": commit.crc, "files": files}
        manifest.write(target.parent / self._manifest.name, value)

    def renew(self) -> None:
        """Begin again with an empty index, which counts once it is adopted."""
        self.close()
        numbers = [int(path.name[8:]) for path in self._parent.glob("lexical-*") if path.name[8:].isdigit()]
        self._folder = self._parent / f"lexical-{max(numbers, default=0) + 1}"
        self._folder.mkdir()
        self._known, self._adopted = {}, False
        self._index = self._opened(self._folder)

    def adopt(self) -> None:
        """The index that ``renew`` began is whole: from now on it counts."""
        if self._adopted:
            return
        sync_tree(self._folder)
        self._list()
        sync(self._parent)
        self._adopted = True
        for folder in self._parent.glob("lexical-*"):
            if folder != self._folder:
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Wait for merges and let the directory go."""
        self._pins.close()
        self._drop_mirrors()
        writer, self._writer, self.pending = self._writer, None, 0
        self._end_watch()
        if writer is not None:
            writer.wait_merging_threads()
            if self._adopted:
                with suppress(OSError):  # the last listing will do, and the folder may be gone
                    self._list()


def _of_tantivy(cause: BaseException) -> bool:
    """An error, not somebody's wish to stop. A panic of tantivy's is no Exception."""
    return isinstance(cause, Exception) or type(cause).__name__ == "PanicException"


def _lockable(folder: Path) -> bool:
    """Whether this process may take tantivy's lock on ``folder``."""
    lock = folder / ".tantivy-meta.lock"
    return os.access(folder, os.W_OK) and (not lock.exists() or os.access(lock, os.W_OK))
