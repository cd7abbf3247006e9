"""The lexical leg: BM25 over tantivy's inverted index.

Texts are analysed in Python and handed over as terms joined by spaces. One field holds the terms of
title and text; k1 = 1.2 and b = 0.75 are tantivy's own, and it keeps lengths in one byte. Statistics
count dead documents until their segment is merged, so scores are exact again after compaction.

The index says itself how much of the ledger it reflects: every ordinal up to its largest, since ordinals
are added in order and a tantivy commit is atomic. (A marker document would say it too, but it would count
in the statistics.) So the largest is kept, even dead, until a larger one comes. Deaths need no mark: every
answer is filtered by the snapshot's live documents.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import tantivy

from hybrid import manifest, segments
from hybrid.errors import IndexCorrupt, StorageError
from hybrid.failpoints import reach
from hybrid.files import sync, sync_tree
from hybrid.types import Candidates, Mask, Ordinals, Scores

_HEAP_BYTES: Final = 64_000_000  # of one writer thread; below 15 MB tantivy refuses
_SLACK: Final = 16
_TOKENIZER: Final = "terms"
_RETRIES: Final = 5  # readings of a folder in which merges come and go
_log = logging.getLogger(__name__)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed on purpose: deleting by term on an unsigned field silently deletes nothing.
    builder.add_integer_field("ordinal", indexed=True, fast=True)
    builder.add_text_field("terms", tokenizer_name=_TOKENIZER, index_option="freq")
    return builder.build()


@dataclass(frozen=True)
class LexicalView:
    """The lexical leg as of one tantivy commit. Any number of threads may search it."""

    searcher: tantivy.Searcher
    schema: tantivy.Schema
    reflects: int
    """Holds every ordinal below this one."""
    listed: bool = True
    """The files are those of a listing, not only sound each by itself."""

    def search(self, terms: Sequence[str], k: int, allowed: Mask | None = None) -> Candidates:
        """The best ``k`` by BM25 of those that contain a term (repeats weigh more), among ``allowed``.

        ``allowed`` is bool (n,) over ordinals; ordinals from n on are left out. tantivy cannot express
        the filter, so more and more is fetched until k pass or the list ends: a filter costs no recall.
        """
        if (query := self._query(terms)) is None:
            return Candidates.none()
        share = 1.0 if allowed is None else max(float(allowed.mean()) if len(allowed) else 0.0, 1e-9)
        most = max(self.searcher.num_docs, 1)
        limit = int(min(most, (k + _SLACK) / share))
        while True:
            ordinals, scores = self._fetch(query, limit)
            last = scores[-1] if len(scores) else 0.0
            complete = limit >= most or len(ordinals) < limit
            if allowed is not None:
                passing = _pass(ordinals, allowed)
                ordinals, scores = ordinals[passing], scores[passing]
            # Ties at the cut go to the smaller ordinal, so everything that ties must have been seen.
            if complete or (len(scores) > k and last < scores[k - 1]):
                return Candidates.ranked(ordinals, scores, k, floor=0.0)
            limit = min(most, limit * 4)

    def count(self, terms: Sequence[str], allowed: Mask | None = None) -> int:
        """How many documents among ``allowed`` contain a term."""
        if (query := self._query(terms)) is None:
            return 0
        if allowed is None:
            return int(self.searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]
        ordinals, _ = self._fetch(query, max(self.searcher.num_docs, 1))
        return int(_pass(ordinals, allowed).sum())

    def ordinals(self) -> Ordinals:
        """Every ordinal that the index holds alive, ascending."""
        found, _ = self._fetch(tantivy.Query.all_query(), max(self.searcher.num_docs, 1))
        return np.sort(found)

    def vocabulary(self) -> dict[str, int]:
        """Every term and in how many living documents it occurs."""
        return dict(self.searcher.terms_with_prefix("terms", "", tantivy.Query.all_query()))

    def _query(self, terms: Sequence[str]) -> tantivy.Query | None:
        clauses = [(tantivy.Occur.Should, self._clause(term, n)) for term, n in Counter(terms).items()]
        return tantivy.Query.boolean_query(clauses) if clauses else None

    def _clause(self, term: str, repeats: int) -> tantivy.Query:
        query = tantivy.Query.term_query(self.schema, "terms", term, "freq")
        return query if repeats == 1 else tantivy.Query.boost_query(query, float(repeats))

    def _fetch(self, query: tantivy.Query, limit: int) -> tuple[Ordinals, Scores]:
        hits = self.searcher.search(query, limit, count=False).hits
        ordinals = self.searcher.fast_field_values("ordinal", [address for _, address in hits])
        return np.array(ordinals, np.int64), np.array([score for score, _ in hits], np.float32)


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
        self._lock = threading.Lock()
        self._adopted = True
        self._listed = True
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

    def _read_manifest(self) -> dict[str, Any]:
        value = manifest.read(self._manifest)
        if value["uuid"] != self._uuid:
            raise IndexCorrupt(f"{self._manifest}: belongs to another index")
        return value

    def _check(self, value: dict[str, Any]) -> segments.Commit:
        """Every file of the last commit; sets whether the manifest knows that commit."""
        folder = self._parent / value["folder"]
        listed = {name: (size, crc) for name, (size, crc) in value["files"].items()}
        commit = segments.Commit.read(folder)
        self._listed = commit.crc == value["meta"]
        segments.check(folder, commit, listed, self._known)
        self._known = segments.listing(folder, commit, self._known)
        return commit

    def _opened(self, folder: Path) -> tantivy.Index:
        self._schema = _schema()
        try:
            index = tantivy.Index(self._schema, str(folder))
        except ValueError as cause:
            raise self._corrupt(cause) from cause
        index.register_tokenizer(
            _TOKENIZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        )
        index.config_reader("manual")
        return index

    def view(self) -> LexicalView:
        """The leg as of its last commit. Raises IndexCorrupt."""
        with self._lock:
            return self._read() if self._read_only else self._viewed(self._index)

    def _viewed(self, index: tantivy.Index) -> LexicalView:
        with self._reading():
            index.reload()
            searcher = index.searcher()
            everyone = tantivy.Query.all_query()
            top = searcher.search(everyone, 1, count=False, order_by_field="ordinal").hits
            return LexicalView(searcher, self._schema, int(top[0][0]) + 1 if top else 0, self._listed)

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
            except (FileNotFoundError, IndexCorrupt) as error:
                if not patience:  # a merge may have removed a file meanwhile; not so often
                    raise self._corrupt(error) from error
        raise AssertionError("unreachable")

    def _mirrored(self, folder: Path, commit: segments.Commit) -> LexicalView:
        """Through a folder of links, which may go once the files are mapped: tantivy wants to write a
        lock file even to read."""
        with tempfile.TemporaryDirectory(prefix="hybrid-lexical-") as mirror:
            for name in commit.files:
                os.symlink((folder / name).absolute(), Path(mirror, name))
            Path(mirror, "meta.json").write_bytes(commit.text)
            return self._viewed(self._opened(Path(mirror)))

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

    def apply(self, first: int, documents: Iterable[Sequence[str]], deaths: Iterable[int]) -> None:
        """Commit the terms of documents ``first``, ``first`` + 1, ... and the ``deaths`` of any, but of the
        largest ordinal: that one stays until a larger one comes."""
        with self._writing() as writer:
            top = first - 1
            for top, terms in enumerate(documents, first):
                document = tantivy.Document()
                document.add_integer("ordinal", top)
                document.add_text("terms", " ".join(terms))
                writer.add_document(document)
            for ordinal in deaths:
                if ordinal != top:
                    writer.delete_documents_by_term("ordinal", int(ordinal))
            reach("lexical.added")
            writer.commit()
            reach("lexical.committed")
        if self._adopted:
            self._list()

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """A writer that is thrown away after any failure: one that met a full disk goes on otherwise,
        and silently lacks a batch. What it missed is replayed from the ledger."""
        try:
            if self._writer is None:
                self._writer = self._index.writer(_HEAP_BYTES, 1)
            yield self._writer
        except BaseException as cause:
            self._abandon()
            if isinstance(cause, MemoryError) or not _of_tantivy(cause):
                raise
            raise StorageError(
                f"{self._folder}: the lexical leg failed: {cause}; the documents are safe"
            ) from cause

    def _abandon(self) -> None:
        """Let the writer go for good: as long as anything (a traceback) refers to it, it holds its lock."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(BaseException):
                writer.wait_merging_threads()

    def _list(self) -> None:
        """Write down what the last commit consists of. Merges go on by themselves, so a crash may leave an
        older listing; then the footers must do."""
        for patience in reversed(range(_RETRIES)):
            try:
                commit = segments.Commit.read(self._folder)
                self._known = segments.listing(self._folder, commit, self._known)
                break
            except FileNotFoundError:  # a merge has removed it
                if not patience:
                    raise
        value = {"uuid": self._uuid, "folder": self._folder.name, "meta": commit.crc, "files": self._known}
        manifest.write(self._manifest, value)
        self._listed = True
        reach("lexical.listed")

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
        writer, self._writer = self._writer, None
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


def _pass(ordinals: Ordinals, allowed: Mask) -> Mask:
    known = ordinals < len(allowed)
    known[known] = allowed[ordinals[known]]
    return known
