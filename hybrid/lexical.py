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
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tantivy

from hybrid.errors import IndexCorrupt, StorageError
from hybrid.failpoints import reach
from hybrid.types import Candidates, Mask, Ordinals, Scores

_HEAP_BYTES: Final = 64_000_000  # of one writer thread; below 15 MB tantivy refuses
_SLACK: Final = 16
_TOKENIZER: Final = "terms"
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
    """The tantivy index in ``folder`` (made if absent): a writer of it, or a reader."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._read_only = read_only
        self._writer: tantivy.IndexWriter | None = None
        self._lock = threading.Lock()
        try:
            self._open()
        except IndexCorrupt as error:
            if read_only:
                raise
            _log.warning("%s; it is built again from the ledger", error)
            self.wipe()

    def _open(self) -> None:
        self._schema = _schema()
        try:
            if not self._read_only:
                self._folder.mkdir(exist_ok=True)
            self._index = tantivy.Index(self._schema, str(self._folder))
        except ValueError as cause:
            raise self._corrupt(cause) from cause
        self._index.register_tokenizer(
            _TOKENIZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        )
        self._index.config_reader("manual")

    def view(self) -> LexicalView:
        """The leg as of its last commit."""
        everyone = tantivy.Query.all_query()
        with self._lock, self._reading():
            self._index.reload()
            searcher = self._index.searcher()
            top = searcher.search(everyone, 1, count=False, order_by_field="ordinal").hits
            return LexicalView(searcher, self._schema, int(top[0][0]) + 1 if top else 0)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as cause:  # tantivy's PanicException is no Exception
            raise self._corrupt(cause) from cause

    def _corrupt(self, cause: BaseException) -> IndexCorrupt:
        return IndexCorrupt(
            f"{self._folder}: {cause}; run: hybrid verify {self._folder.parents[1]} --repair"
        )

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

    @contextmanager
    def _writing(self) -> Iterator[tantivy.IndexWriter]:
        """A writer that is thrown away after any failure: one that met a full disk goes on otherwise,
        and silently lacks a batch. What it missed is replayed from the ledger."""
        try:
            if self._writer is None:
                self._writer = self._index.writer(_HEAP_BYTES, 1)
            yield self._writer
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            self._writer = None
            raise
        except BaseException as cause:  # tantivy's PanicException is no Exception
            self._writer = None
            raise StorageError(
                f"{self._folder}: the lexical leg failed: {cause}; the documents are safe"
            ) from cause

    def wipe(self) -> None:
        """Forget everything, to be filled again from the ledger."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._open()

    def close(self) -> None:
        """Wait for merges and let the directory go."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.wait_merging_threads()


def _pass(ordinals: Ordinals, allowed: Mask) -> Mask:
    known = ordinals < len(allowed)
    known[known] = allowed[ordinals[known]]
    return known
