"""MemoryIndex: the same answers from the textbook, in memory. The reference that the engine is tested
against, and a stand-in for it in the tests of programs that search. Nothing is stored.

Legs and filters are those of `hybrid.backends.textbook`; what becomes of their answers is the engine's own
`hybrid.search`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike

from hybrid import analyzers, encoders
from hybrid.backends import counting
from hybrid.backends.textbook import Entry, Textbook
from hybrid.context import Context
from hybrid.encoders import EncoderSpec
from hybrid.intake.documents import check_batch
from hybrid.intake.embedding import embed
from hybrid.intake.loading import batches
from hybrid.intake.passages import cut
from hybrid.intake.patch import Patch
from hybrid.ledger.lifetimes import keys, marks
from hybrid.ledger.passages import with_rows
from hybrid.lexical.synonyms import check_rules
from hybrid.lexical.terms import of_passages
from hybrid.lexical.userwords import new_words
from hybrid.metadata import sorting
from hybrid.metadata.columns import Columns
from hybrid.metadata.facets import VALUES, Extent, Facet, Wanted, check_most, check_path, check_wanted
from hybrid.metadata.selection import Selection
from hybrid.metadata.sorting import Sort, order
from hybrid.query import Query
from hybrid.search.compiled import Compiled
from hybrid.search.context import ContextOptions, context
from hybrid.search.cursors import Cursors
from hybrid.search.explain import Explanation, explain
from hybrid.search.fields import Fields
from hybrid.search.lanes import InTurn
from hybrid.search.request import Asker, Options, Request, check_queries
from hybrid.search.search import answer, ranking
from hybrid.search.suggesting import autocomplete, suggest
from hybrid.settings import AnalyzerRef, Profile, check_metric, check_wait
from hybrid.texts import check_lookup
from hybrid.types import (
    Analyzer,
    Document,
    Lacking,
    Matrix,
    Metric,
    Progress,
    Results,
    Run,
    Suggestion,
    Wait,
)

_LANES: Final = InTurn()


class MemoryIndex:
    """Documents in a dict, searched like ``Index``: same methods, options, errors and results."""

    def __init__(
        self,
        *,
        encoder: EncoderSpec | None = None,
        analyzer: str | Analyzer = "mixed",
        metric: Metric = "cosine",
        profile: Profile = Profile(),  # noqa: B008 - frozen
    ) -> None:
        check_metric(metric)
        self._profile = profile
        self._encoder = None if encoder is None else encoders.load(encoder)
        self._analyzer = analyzers.load(analyzer)
        self._metric: Metric = metric
        self._entries: dict[str, Entry] = {}
        self._dim = 0
        self._seq = 0
        self._made: Textbook | None = None
        self._cursors = Cursors()
        self._synonyms: list[str] = []
        self._user_words: tuple[str, ...] | None = None  # those given since it was created

    def add(
        self,
        documents: Iterable[Document],
        *,
        wait: Wait = "searchable",
        progress: Progress | None = None,
    ) -> int:
        """As ``Index.add``; nothing is durable here, and all is searchable on return."""
        check_wait(wait)
        batch = check_batch(documents)
        pieces = [cut(document) for document in batch]
        rows = embed(batch, pieces, self._encoder, self._metric, self._dim, progress)
        self._dim = rows.vectors.shape[1] if len(rows) else self._dim
        ties = keys(marks(document.id for document in batch)).tolist()
        for i, document in enumerate(batch):
            terms = of_passages(self._analyzer, document, pieces[i])
            mine = slice(*np.searchsorted(rows.ordinals, [i, i + 1]).tolist())
            self._entries.pop(document.id, None)
            plain = replace(document, vector=None, passages=None, text_passages=None)
            self._entries[document.id] = Entry(ties[i], plain, pieces[i], terms, rows[mine])
        self._seq += bool(batch)
        return len(batch)

    def load(self, documents: Iterable[Document], *, progress: Progress | None = None) -> int:
        """As ``Index.load``."""
        return sum(self.add(batch, progress=progress) for batch in batches(documents))

    def close(self) -> None:
        """Nothing needs to be let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def flush(self) -> None:
        """As ``Index.flush``: there is nothing to wait for."""

    def delete(
        self,
        ids: Iterable[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        everything: bool = False,
        wait: Wait = "searchable",
    ) -> int:
        """As ``Index.delete``."""
        check_wait(wait)
        found = self._named(Selection.of("delete", ids, filter, everything))
        for document in found:
            del self._entries[document.id]
        self._seq += bool(found)
        return len(found)

    def update_metadata(
        self,
        changes: Mapping[str, Any],
        *,
        ids: Iterable[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        everything: bool = False,
    ) -> int:
        """As ``Index.update_metadata``."""
        found = self._named(Selection.of("update_metadata", ids, filter, everything))
        patch = Patch.of(changes)
        changed = [new for document in found if (new := patch(document)) is not None]
        for document in changed:
            entry = self._entries.pop(document.id)
            self._entries[document.id] = replace(entry, document=document)
        self._seq += bool(changed)
        return len(found)

    def _named(self, selection: Selection) -> list[Document]:
        everyone = [entry.document for entry in self._entries.values()]
        return [one for one in everyone if selection.where.matches(one.metadata, one.id)]

    def get(self, id: str, *, fields: Sequence[str] | None = None) -> Document | None:
        """As ``Index.get``."""
        found, wanted = self._entries.get(check_lookup(id)), Fields.of(fields)
        if found is None or wanted is None:
            return None if found is None else found.document
        return wanted(found.document)

    def documents(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sort | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Document]:
        """As ``Index.documents``."""
        entries, by, columns = self._selected(None, filter), sorting.parse(sort), Columns()
        columns.extend((place, entry.document.metadata) for place, entry in enumerate(entries))
        everyone, wanted = np.arange(len(entries)), Fields.of(fields)
        for place in order(columns, by, everyone) if by else everyone:
            entry = entries[place]
            if wanted is None:
                yield with_rows(entry.document, entry.rows, entry.pieces)
            else:
                yield wanted(entry.document)

    def count(self, *, query: str | Query | None = None, filter: Mapping[str, Any] | None = None) -> int:
        """As ``Index.count``."""
        return len(self._selected(query, filter))

    def facets(
        self,
        wanted: Iterable[Wanted],
        *,
        query: str | Query | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Facet]:
        """As ``Index.facets``."""
        return counting.facets(self._metadata(query, filter), check_wanted(wanted))

    def values(
        self,
        path: str,
        *,
        query: str | Query | None = None,
        filter: Mapping[str, Any] | None = None,
        limit: int = VALUES,
    ) -> list[Any]:
        """As ``Index.values``."""
        most = check_most("limit", limit)
        return counting.listed(self._metadata(query, filter), check_path(path), most)

    def range(
        self, path: str, *, query: str | Query | None = None, filter: Mapping[str, Any] | None = None
    ) -> Extent | None:
        """As ``Index.range``."""
        return counting.extent(self._metadata(query, filter), check_path(path))

    def _metadata(
        self, query: str | Query | None, filter: Mapping[str, Any] | None
    ) -> list[Mapping[str, Any]]:
        return [entry.document.metadata for entry in self._selected(query, filter)]

    def _selected(self, query: str | Query | None, filter: Mapping[str, Any] | None) -> list[Entry]:
        """The documents that pass ``filter`` and match ``query``, oldest first."""
        question, where = self._asker.selection(query, filter)
        found = [
            entry
            for entry in self._entries.values()
            if where is None or where.matches(entry.document.metadata, entry.document.id)
        ]
        if question is None:
            return found
        matched = set(self._state.ids(np.flatnonzero(Compiled(self._state, question).matching)))
        return [entry for entry in found if entry.document.id in matched]

    def absent(self, ids: Iterable[str]) -> set[str]:
        """As ``Index.absent``."""
        return {id for id in ids if check_lookup(id) not in self._entries}

    def __len__(self) -> int:
        return len(self._entries)

    def search(
        self,
        query: str | Query | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """As ``Index.search``."""
        start = time.perf_counter()
        request = self._encoded([self._asker.one(query, vector, options)])[0]
        ask = self._cursors.first if request.cursor else answer
        return replace(ask(self._state, request, _LANES), took=time.perf_counter() - start)

    def next_page(self, cursor: str) -> Results:
        """As ``Index.next_page``."""
        return self._cursors.next(self._state, cursor, _LANES)

    def context(
        self,
        query: str | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[ContextOptions],
    ) -> Context:
        """As ``Index.context``."""

        def search(asked: Options) -> Results:
            return self.search(query, vector=vector, **asked)

        return context(self._state, self._asker, search, lambda: self._encoder, query, vector, options)

    def explain(self, query: str | Query | None, id: str, **options: Unpack[Options]) -> Explanation:
        """As ``Index.explain``."""
        request = self._encoded([self._asker.one(query, None, options)])[0]
        return explain(self._state, request, _LANES, check_lookup(id))

    def search_many(
        self,
        queries: Sequence[str | Query] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        """As ``Index.search_many``."""
        return self._answers(self._asker.many(queries, vectors, options))

    def run(
        self,
        queries: Mapping[str, str],
        *,
        lacking: Lacking = MappingProxyType({}),
        **options: Unpack[Options],
    ) -> Run:
        """As ``Index.run``."""
        texts = check_queries(queries, options)
        requests = self._encoded(
            self._asker.many(list(texts.values()), None, {"syntax": "plain", **options})
        )
        passed_over = [tuple(map(check_lookup, lacking.get(id, ()))) for id in texts]
        return {
            id: ranking(self._state, replace(request, lacking=lacks), _LANES)
            for id, request, lacks in zip(texts, requests, passed_over, strict=True)
        }

    def suggest(self, query: str, *, filter: Mapping[str, Any] | None = None) -> Suggestion | None:
        """As ``Index.suggest``."""
        text, where, _ = self._asker.typing(query, filter)
        return suggest(self._state, text, self._state.allowed(where))

    def autocomplete(
        self, text: str, *, limit: int = 10, filter: Mapping[str, Any] | None = None
    ) -> list[str]:
        """As ``Index.autocomplete``."""
        typed, where, most = self._asker.typing(text, filter, limit)
        return autocomplete(self._state, typed, most, self._state.allowed(where))

    def set_synonyms(self, rules: Iterable[str]) -> int:
        """As ``Index.set_synonyms``."""
        self._synonyms, self._made = check_rules(rules), None
        return len(self._synonyms)

    @property
    def synonyms(self) -> list[str]:
        """As ``Index.synonyms``."""
        return list(self._synonyms)

    def set_user_words(self, lines: Iterable[str]) -> int:
        """As ``Index.set_user_words``; documents are never analysed again."""
        self._user_words, self._made = self._built.with_words(lines).user_words, None
        return len(self._user_words)

    @property
    def user_words(self) -> list[str]:
        """As ``Index.user_words``."""
        known = self._built.user_words if self._user_words is None else self._user_words
        return list(known)

    @property
    def _built(self) -> AnalyzerRef:
        return AnalyzerRef.of(self._analyzer)

    def _answers(self, requests: Sequence[Request]) -> list[Results]:
        return [answer(self._state, request, _LANES) for request in self._encoded(requests)]

    @property
    def _state(self) -> Textbook:
        if self._made is None or self._made.seq != self._seq:
            entries = self._entries.values()
            words = new_words(self._built.user_words, self.user_words)
            parts = self._analyzer, self._metric, self._dim, self._synonyms, words
            self._made = Textbook(entries, self._seq, *parts)
        return self._made

    @property
    def _asker(self) -> Asker:
        return Asker(self._metric, self._dim, self._profile)

    def _encoded(self, requests: Sequence[Request]) -> list[Request]:
        if self._encoder is None:
            return self._asker.encoded(requests, None)
        found = self._asker.encoded(requests, self._encode)
        return [replace(request, encode=self._encoder.documents) for request in found]

    def _encode(self, texts: Sequence[str]) -> Matrix | None:
        return self._encoder.queries(texts) if self._encoder is not None and self._dim else None


__all__ = ["MemoryIndex"]
