"""MemoryIndex: the same answers from the textbook, in memory. The reference that the engine is tested
against, and a stand-in for it in the tests of programs that search.

BM25 comes from rank-bm25, neighbours from one matrix product, filters from plain Python. Every search
looks at every document, whose ordinal is its place in the order of ties; nothing is stored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rank_bm25 import BM25

from hybrid import analyzers, encoders
from hybrid.encoders import EncoderSpec
from hybrid.errors import QueryError
from hybrid.fusion import QueryTerms
from hybrid.intake.documents import check_batch
from hybrid.intake.embedding import embed
from hybrid.intake.loading import batches
from hybrid.ledger.lifetimes import keys, marks
from hybrid.ledger.rows import Rows, with_rows
from hybrid.lexical.terms import Terms, field_of, of_document, of_query
from hybrid.norms import unit
from hybrid.order import beyond
from hybrid.rerank import features, rerank
from hybrid.rerank.ordering import continued
from hybrid.search.request import Asker, Options, Request, check_queries
from hybrid.settings import Profile, check_metric, check_wait
from hybrid.texts import check_lookup, check_lookups
from hybrid.types import (
    Analyzer,
    Candidates,
    Document,
    Hit,
    Lacking,
    Mask,
    Matrix,
    Metric,
    Ordinals,
    Passage,
    Progress,
    Results,
    Run,
    Scores,
    Wait,
)


def _length_table() -> NDArray[np.int64]:
    """The lengths that one byte can say: exact to 40, then eight of each step, which doubles."""
    table = list(range(41))
    step = 2
    while len(table) < 256:
        table += [table[-1] + step * i for i in range(1, 9)]
        step *= 2
    return np.array(table[:256])


LENGTHS: Final = _length_table()


class LuceneBM25(BM25):  # type: ignore[misc]
    """rank-bm25 with Lucene's idf, k1 = 1.2, b = 0.75 and lengths rounded down to one byte: what tantivy
    computes. Kamphuis, de Vries, Boytsov and Lin, ECIR 2020, compare the variants."""

    K1: Final = 1.2
    B: Final = 0.75

    def _calc_idf(self, document_frequencies: dict[str, int]) -> None:
        n = self.corpus_size
        self.idf = {
            term: math.log(1 + (n - df + 0.5) / (df + 0.5)) for term, df in document_frequencies.items()
        }
        lengths = LENGTHS[np.searchsorted(LENGTHS, self.doc_len, "right") - 1]
        self._norms = self.K1 * (1 - self.B + self.B * lengths / (self.avgdl or 1))

    def get_scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """float64 (documents,): 0 for those without any of the terms."""
        scores = np.zeros(self.corpus_size)
        for term in query:
            tf = np.array([frequencies.get(term, 0) for frequencies in self.doc_freqs])
            scores += self.idf.get(term, 0) * tf * (self.K1 + 1) / (tf + self._norms)
        return scores


class _Entry(NamedTuple):
    """A document, its key in the order of ties, its terms and its vectors."""

    key: int
    document: Document
    terms: Terms
    rows: Rows


class _Nearest(NamedTuple):
    """A document's window nearest to the query."""

    score: float
    passage: Passage
    vector: Scores


class _Evidence:
    def __init__(self, nearest: Mapping[int, _Nearest], dim: int, terms: QueryTerms) -> None:
        self._nearest, self._dim, self._terms = nearest, dim, terms

    def scores(self, ordinals: Ordinals) -> Scores:
        known = (self._nearest.get(ordinal) for ordinal in ordinals.tolist())
        return np.array([np.nan if one is None else one.score for one in known], np.float32)

    def vectors(self, ordinals: Ordinals) -> Matrix:
        known = (self._nearest.get(ordinal) for ordinal in ordinals.tolist())
        rows = [np.zeros(self._dim) if one is None else one.vector for one in known]
        return unit(np.array(rows, np.float32).reshape(-1, self._dim))

    def terms(self) -> QueryTerms:
        return self._terms


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
        self._documents: dict[str, _Entry] = {}
        self._dim = 0
        self._seq = 0

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
        rows = embed(batch, self._encoder, self._metric, self._dim, progress)
        self._dim = rows.vectors.shape[1] if len(rows) else self._dim
        ties = keys(marks(document.id for document in batch)).tolist()
        for i, document in enumerate(batch):
            terms = of_document(self._analyzer, document.title, document.text)
            mine = slice(*np.searchsorted(rows.ordinals, [i, i + 1]).tolist())
            self._documents.pop(document.id, None)
            plain = replace(document, vector=None, passages=None)
            self._documents[document.id] = _Entry(ties[i], plain, terms, rows[mine])
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

    def delete(self, ids: Iterable[str], *, wait: Wait = "searchable") -> int:
        """As ``Index.delete``."""
        check_wait(wait)
        found = {id for id in check_lookups(ids) if self._documents.pop(id, None) is not None}
        self._seq += bool(found)
        return len(found)

    def get(self, id: str) -> Document | None:
        found = self._documents.get(check_lookup(id))
        return None if found is None else found.document

    def documents(self) -> Iterator[Document]:
        """As ``Index.documents``."""
        for entry in list(self._documents.values()):
            yield with_rows(entry.document, entry.rows)

    def absent(self, ids: Iterable[str]) -> set[str]:
        """As ``Index.absent``."""
        return {id for id in ids if check_lookup(id) not in self._documents}

    def __len__(self) -> int:
        return len(self._documents)

    def search(
        self, query: str | None = None, *, vector: ArrayLike | None = None, **options: Unpack[Options]
    ) -> Results:
        """As ``Index.search``."""
        return self._answer(self._asker().one(query, vector, options))

    def search_many(
        self,
        queries: Sequence[str] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        """As ``Index.search_many``."""
        return [self._answer(request) for request in self._asker().many(queries, vectors, options)]

    def run(
        self,
        queries: Mapping[str, str],
        *,
        lacking: Lacking = MappingProxyType({}),
        **options: Unpack[Options],
    ) -> Run:
        """As ``Index.run``."""
        texts = check_queries(queries)
        requests = self._asker().many(list(texts.values()), None, options)
        answers = {
            id: self._answer(replace(request, lacking=tuple(lacking.get(id, ()))))
            for id, request in zip(texts, requests, strict=True)
        }
        return {id: [(hit.id, hit.score) for hit in hits] for id, hits in answers.items()}

    def _asker(self) -> Asker:
        return Asker(self._metric, self._dim, self._profile)

    def _answer(self, request: Request) -> Results:
        start = time.perf_counter()
        entries = sorted(self._documents.values(), key=lambda entry: (entry.key, entry.document.id))
        passing = np.array([_passes(request, entry.document) for entry in entries], np.bool_)
        lexical = self._lexical(request, entries, passing)
        vector, nearest = self._vector(request, entries, passing)
        evidence = _Evidence(nearest, self._dim, self._terms(request))
        ranked = self._ranked(request, (lexical, vector), evidence)
        total = len(lexical) if request.mode == "lexical" else int(passing.sum())
        hits = self._hits(request, ranked[request.offset : request.end], entries, nearest)
        return Results(hits, self._seq, time.perf_counter() - start, lambda: total)

    def _ranked(
        self, request: Request, legs: tuple[Candidates, Candidates], evidence: _Evidence
    ) -> Candidates:
        if request.alone:
            return legs[request.mode == "vector"]
        ranked = request.fuse(legs, evidence)
        if request.reranker is not None:
            head = ranked.top(request.depth)
            best = rerank(request.reranker, request.text, head, features(head, request.heads(legs)))
            ranked = continued(best, ranked.ordinals[len(head) :])
        return continued(ranked, beyond(legs, request.depths))

    def _hits(
        self,
        request: Request,
        ranked: Candidates,
        entries: Sequence[_Entry],
        nearest: Mapping[int, _Nearest],
    ) -> tuple[Hit, ...]:
        found = zip(ranked.ordinals.tolist(), ranked.scores.tolist(), strict=True)
        return tuple(
            Hit(entries[o].document.id, score, rank, entries[o].document, _passage(nearest.get(o)))
            for rank, (o, score) in enumerate(found, request.offset + 1)
        )

    def _terms(self, request: Request) -> QueryTerms:
        terms = of_query(self._analyzer, request.text or "")
        field = field_of(terms)
        documents = [set(entry.terms.of(field)) for entry in self._documents.values()]
        frequencies = [sum(term in known for known in documents) for term in terms]
        return QueryTerms(terms, frequencies, len(documents))

    def _lexical(self, request: Request, entries: Sequence[_Entry], passing: Mask) -> Candidates:
        if not request.asks_words or request.text is None or not entries:
            return Candidates.none()
        terms = of_query(self._analyzer, request.text)
        field = field_of(terms)
        documents = [entry.terms.of(field) for entry in entries]
        scores = LuceneBM25(documents).get_scores(terms)
        if request.title_boost and field == "terms":
            titles = LuceneBM25([entry.terms.title for entry in entries])
            scores += request.title_boost * titles.get_scores(terms)
        has = passing & np.array([not set(terms).isdisjoint(known) for known in documents])
        return Candidates.ranked(np.flatnonzero(has), scores[has].astype(np.float32), floor=0.0)

    def _vector(
        self, request: Request, entries: Sequence[_Entry], passing: Mask
    ) -> tuple[Candidates, dict[int, _Nearest]]:
        query = self._query_vector(request)
        if query is None:
            return Candidates.none(), {}
        best: dict[int, _Nearest] = {}
        for ordinal, (*_, rows) in enumerate(entries):
            if len(rows):
                similar = [self._similarity(row, query) for row in rows.vectors]
                top = int(np.argmax(similar))
                best[ordinal] = _Nearest(
                    similar[top], Passage(*rows.spans[top].tolist()), rows.vectors[top]
                )
        admitted = np.array([ordinal for ordinal in best if passing[ordinal]], np.int64)
        scores = np.array([best[ordinal].score for ordinal in admitted.tolist()], np.float32)
        floor = -1.0 if self._metric == "cosine" else None
        return Candidates.ranked(admitted, scores, floor=floor), best

    def _similarity(self, row: Scores, query: Scores) -> float:
        a, b = row.astype(np.float64), query.astype(np.float64)
        return -float(((a - b) ** 2).sum()) if self._metric == "l2" else float(a @ b)

    def _query_vector(self, request: Request) -> Scores | None:
        if not request.asks_meaning:
            return None
        if request.vector is None and request.mode == "vector" and self._encoder is None:
            raise QueryError(
                'mode "vector" needs vector=…: this index has no encoder to make one from the query'
            )
        if request.vector is not None or self._encoder is None or not self._dim:
            return request.vector
        return self._asker().unit(self._encoder.queries([request.text or ""])[0])


def _passes(request: Request, document: Document) -> bool:
    where = request.where
    return document.id not in request.lacking and (
        where is None or where.matches(document.metadata, document.id)
    )


def _passage(nearest: _Nearest | None) -> Passage | None:
    return None if nearest is None else nearest.passage


__all__ = ["LuceneBM25", "MemoryIndex"]
