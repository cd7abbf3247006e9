"""BM25, neighbours and filters as the textbook has them, over documents in memory.

Every search looks at every document. An ordinal is a document's place in the order of ties.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25

from hybrid.analyzers.segment import is_han
from hybrid.ledger.passages import WHOLE, Pieces
from hybrid.ledger.rows import Rows
from hybrid.lexical import forward
from hybrid.lexical.entries import standing
from hybrid.lexical.synonyms import Synonyms
from hybrid.lexical.terms import (
    Field,
    StopWord,
    Terms,
    beside,
    field_of,
    joined,
    of_query,
    weighed,
    weight_of,
)
from hybrid.lexical.userwords import NewWords
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import Filter
from hybrid.norms import unit
from hybrid.okapi import TermScore
from hybrid.order import places
from hybrid.rerank.matching import Texts
from hybrid.store.voters import Voters
from hybrid.suggest.lookups import Lookups
from hybrid.suggest.vocabulary import Vocabulary
from hybrid.types import (
    Analyzer,
    Candidates,
    Document,
    Mask,
    Matrix,
    Metric,
    Ordinals,
    Passage,
    Scores,
    Ties,
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

    def __init__(self, corpus: list[list[str]], terms: Iterable[str] = ()) -> None:
        """Those of ``terms`` that are tokens side by side are counted beside the tokens."""
        self._phrases = {term: tokens for term in terms if (tokens := beside(field_of(term), term))}
        super().__init__(corpus)

    def _initialize(self, corpus: list[list[str]]) -> dict[str, int]:
        found: dict[str, int] = super()._initialize(corpus)
        for phrase, tokens in self._phrases.items():
            times = [sum(1 for _ in standing(tokens, document)) for document in corpus]
            for frequencies, number in zip(self.doc_freqs, times, strict=True):
                frequencies.update({phrase: number} if number else {})
            found[phrase] = sum(map(bool, times))
        return found

    def _calc_idf(self, document_frequencies: dict[str, int]) -> None:
        n = self.corpus_size
        self.idf = {
            term: math.log(1 + (n - df + 0.5) / (df + 0.5)) for term, df in document_frequencies.items()
        }
        lengths = LENGTHS[np.searchsorted(LENGTHS, self.doc_len, "right") - 1]
        self._norms = self.K1 * (1 - self.B + self.B * lengths / (self.avgdl or 1))

    def parts(self, query: Sequence[str], row: int, field: str, boost: float) -> list[TermScore]:
        """The parts of the score of document ``row``."""
        found = []
        for term, count in weighed(query):
            if not (tf := self.doc_freqs[row].get(term, 0)):
                continue
            idf, weight = self.idf[term], boost * count
            adds = weight * idf * tf * (self.K1 + 1) / (tf + self._norms[row])
            frequency = sum(term in frequencies for frequencies in self.doc_freqs)
            length = int(LENGTHS[np.searchsorted(LENGTHS, self.doc_len[row], "right") - 1])
            found.append(TermScore(term, field, weight, tf, idf, length, self.avgdl, frequency, adds))
        return found

    def get_scores(self, query: Sequence[str]) -> NDArray[np.float64]:
        """float64 (documents,): 0 for those without any of the terms."""
        scores = np.zeros(self.corpus_size)
        for term in query:
            tf = np.array([frequencies.get(term, 0) for frequencies in self.doc_freqs])
            scores += weight_of(term) * self.idf.get(term, 0) * tf * (self.K1 + 1) / (tf + self._norms)
        return scores


@dataclass(frozen=True)
class Entry:
    """A document without its vectors, its key in the order of ties, its passages, the terms of each of
    these, and its vectors."""

    key: int
    document: Document
    pieces: Pieces
    terms: list[Terms]
    rows: Rows


class TextbookWords:
    """The lexical leg: BM25 over all terms of each passage, each time anew."""

    def __init__(self, documents: Sequence[Sequence[Terms]]) -> None:
        self._terms = [passage for passages in documents for passage in passages]
        counts = np.array([len(passages) for passages in documents], np.int64)
        self._owners = np.repeat(np.arange(len(documents)), counts)
        self._starts = np.concatenate([[0], counts.cumsum()[:-1]]).astype(np.int64)

    @property
    def documents(self) -> int:
        return len(self._terms)

    def search(
        self,
        terms: Sequence[str],
        k: int,
        allowed: Mask | None = None,
        title_boost: float = 0.0,
        *,
        depth: int | None = None,
        ties: Ties | None = None,
    ) -> Candidates:
        """The best ``k`` that contain a term; the list is whole and in the order of ties anyway."""
        del depth, ties
        if not terms or not self._terms:
            return Candidates.none()
        has = self._documents(terms, allowed)
        return Candidates.ranked(has, self._best(terms, title_boost)[has], k, floor=0.0)

    def scores(self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0) -> Scores:
        return self._best(terms, title_boost)[list(ordinals)]

    def scored(
        self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0
    ) -> dict[int, list[tuple[int, float]]]:
        scores = self._scores(terms, title_boost)
        found: dict[int, list[tuple[int, float]]] = {ordinal: [] for ordinal in ordinals}
        for row in np.argsort(-scores, kind="stable").tolist():
            if scores[row] > 0 and (owner := int(self._owners[row])) in found:
                found[owner].append((row - int(self._starts[owner]), float(scores[row])))
        return found

    def explained(self, terms: Sequence[str], ordinal: int, title_boost: float = 0.0) -> list[TermScore]:
        rows = self.scored(terms, [ordinal], title_boost)[ordinal]
        if not rows:
            return []
        row, found = int(self._starts[ordinal]) + rows[0][0], list[TermScore]()
        for field in _by_field(terms):
            asked = [term for term in terms if field_of(term) == field]
            found += self._scorer(field, asked).parts(asked, row, "text", 1.0)
            if title_boost and field == "terms":
                titles = LuceneBM25([own.title for own in self._terms])
                found += titles.parts(asked, row, "title", title_boost)
        return found

    def count(self, terms: Sequence[str], allowed: Mask | None = None) -> int:
        return len(self._documents(terms, allowed))

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        return [int(np.count_nonzero(self._contain([term]))) for term in terms]

    def matches(self, terms: Sequence[str], title: bool = False) -> Ordinals:
        if not title:
            return self._documents(terms, None)
        fields: dict[str, Field] = {"terms": "titles"}
        return self._owned(
            [
                any(_holds(own, fields.get(field_of(term), "exact_titles"), [term]) for term in terms)
                for own in self._terms
            ]
        )

    def phrase(self, tokens: Sequence[str], title: bool = False) -> Ordinals:
        wanted = f" {' '.join(tokens)} "
        field: Field = "exact_titles" if title else "exact"
        return self._owned([bool(tokens) and wanted in f" {own.line(field)} " for own in self._terms])

    def holding(self, tokens: Sequence[str], allowed: Mask | None = None) -> int:
        term = "".join(tokens)
        found = self.phrase(tokens)
        if is_han(term) and len(words := self._documents([term, StopWord(term)], None)):
            found = words
        return len(found if allowed is None else found[allowed[found]])

    def holds(self, tokens: Sequence[str], allowed: Mask | None = None) -> bool:
        return self.holding(tokens, allowed) > 0

    def written(self) -> dict[str, int]:
        exact = Counter(word for own in self._terms for word in set(own.of("exact")))
        terms = Counter(term for own in self._terms for term in {*own.of("terms"), *own.of("stop_words")})
        words = {word: n for word, n in exact.items() if word[0].isalnum() and not is_han(word)}
        return words | {term: n for term, n in terms.items() if is_han(term)}

    def words(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        counts = Counter(word for own in self._terms for word in set(own.of("exact")))
        found = [(word, count) for word, count in counts.items() if word.startswith(prefix)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def _contain(self, terms: Sequence[str]) -> Mask:
        """The passages that contain one of ``terms``."""
        apart = _by_field(terms)
        return np.array(
            [any(_holds(own, field, part) for field, part in apart.items()) for own in self._terms],
            np.bool_,
        )

    def _owned(self, passages: Sequence[bool]) -> Ordinals:
        """The documents of some passages."""
        return np.unique(self._owners[np.array(passages, np.bool_)])

    def _scorer(self, field: Field, terms: Sequence[str]) -> LuceneBM25:
        return LuceneBM25([own.of(field) for own in self._terms], terms)

    def _documents(self, terms: Sequence[str], allowed: Mask | None) -> Ordinals:
        found = np.unique(self._owners[self._contain(terms)])
        return found if allowed is None else found[allowed[found]]

    def _best(self, terms: Sequence[str], title_boost: float) -> Scores:
        """The score of each document, float32 (n,): that of its best passage."""
        scores = self._scores(terms, title_boost)
        return (
            np.maximum.reduceat(scores, self._starts).astype(np.float32)
            if len(scores)
            else scores.astype(np.float32)
        )

    def _scores(self, terms: Sequence[str], title_boost: float) -> NDArray[np.float64]:
        if not terms or not self._terms:
            return np.zeros(len(self._terms))
        scores = np.zeros(len(self._terms))
        for field in _by_field(terms):
            asked = [term for term in terms if field_of(term) == field]
            scores += self._scorer(field, asked).get_scores(asked)
            if title_boost and field == "terms":
                scores += title_boost * LuceneBM25([own.title for own in self._terms]).get_scores(asked)
        return scores


def _holds(own: Terms, field: Field, terms: Iterable[str]) -> bool:
    """Whether a passage has one of ``terms``, or its tokens side by side, in a field."""
    held = own.of(field)
    known = frozenset(held)
    apart = [(term, beside(field, term)) for term in terms]
    return any(
        any(True for _ in standing(tokens, held)) if tokens else term in known for term, tokens in apart
    )


def _by_field(terms: Sequence[str]) -> dict[Field, set[str]]:
    apart: dict[Field, set[str]] = {}
    for term in terms:
        apart.setdefault(field_of(term), set()).add(term)
    return apart


class TextbookNearest:
    """A list of neighbours for which all vectors were looked at."""

    exact: Final = True

    def __init__(self, found: Candidates) -> None:
        self._found = found

    def within(self, k: int) -> Candidates:
        return self._found.top(k)

    further = within


class TextbookVectors:
    """The vector leg: the similarity of the query to each vector, one by one, in float64."""

    def __init__(self, rows: Sequence[Rows], metric: Metric, dim: int) -> None:
        self._rows, self.metric, self.dim = rows, metric, dim

    def near(
        self,
        query: Scores,
        depth: int,
        allowed: Mask | None = None,
        effort: int | None = None,
        ties: Ties | None = None,
    ) -> TextbookNearest:
        """All documents with a vector; the list is whole and in the order of ties anyway."""
        del depth, effort, ties
        has = np.array([len(rows) > 0 for rows in self._rows], np.bool_)
        ordinals = np.flatnonzero(has if allowed is None else has & allowed)
        scores = np.array([self._best(query, ordinal)[0] for ordinal in ordinals.tolist()], np.float32)
        floor = -1.0 if self.metric == "cosine" else None
        return TextbookNearest(Candidates.ranked(ordinals, scores, floor=floor))

    def of(self, ordinal: int) -> Matrix:
        return self._rows[ordinal].vectors

    def similar(self, query: Scores, ordinal: int) -> tuple[NDArray[np.int64], Scores, Matrix]:
        rows = self._rows[ordinal]
        scores = np.array([self._similarity(row, query) for row in rows.vectors], np.float32)
        best = np.argsort(-scores, kind="stable")
        return rows.spans[best], scores[best], rows.vectors[best]

    def nearest(self, query: Scores, ordinals: Ordinals) -> tuple[Scores, Matrix]:
        scores = np.full(len(ordinals), np.nan, np.float32)
        vectors = np.zeros((len(ordinals), self.dim), np.float32)
        for place, ordinal in enumerate(ordinals.tolist()):
            if len(rows := self._rows[ordinal]):
                scores[place], row = self._best(query, ordinal)
                vectors[place] = rows.vectors[row]
        return scores, unit(vectors)

    def passages(self, query: Scores, ordinals: Ordinals) -> list[Passage | None]:
        return [
            Passage(*self._rows[ordinal].spans[self._best(query, ordinal)[1]].tolist())
            if len(self._rows[ordinal])
            else None
            for ordinal in ordinals.tolist()
        ]

    def _best(self, query: Scores, ordinal: int) -> tuple[float, int]:
        """The score and the number of a document's row nearest to ``query``."""
        similar = [self._similarity(row, query) for row in self._rows[ordinal].vectors]
        best = int(np.argmax(similar))
        return similar[best], best

    def _similarity(self, row: Scores, query: Scores) -> float:
        a, b = row.astype(np.float64), query.astype(np.float64)
        return -float(((a - b) ** 2).sum()) if self.metric == "l2" else float(a @ b)


class Textbook:
    """A state of a `MemoryIndex`: a `hybrid.search.source.Source`."""

    def __init__(
        self,
        entries: Iterable[Entry],
        seq: int,
        analyzer: Analyzer,
        metric: Metric,
        dim: int,
        synonyms: Sequence[str] = (),
        words: Sequence[str] = (),
    ) -> None:
        self._entries = sorted(entries, key=lambda entry: (entry.key, entry.document.id))
        self.analyzer = analyzer
        self._synonyms, self._words = Synonyms(synonyms, analyzer), NewWords(words, analyzer)
        self.seq = seq
        self.size = len(self._entries)
        self._pieces = {
            place: entry.pieces for place, entry in enumerate(self._entries) if len(entry.pieces) > WHOLE
        }
        self.live = np.ones(self.size, np.bool_)
        self.ties = places(np.arange(self.size), np.arange(self.size))
        self.lexical = TextbookWords([entry.terms for entry in self._entries])
        self.vectors = TextbookVectors([entry.rows for entry in self._entries], metric, dim)

    @cached_property
    def columns(self) -> Columns:
        made = Columns()
        made.extend((place, entry.document.metadata) for place, entry in enumerate(self._entries))
        return made

    @cached_property
    def lookups(self) -> Lookups:
        return Lookups(Vocabulary(self.lexical.written()))

    @property
    def voters(self) -> Voters:
        return Voters.none()

    def asked(self, numbers: Sequence[int]) -> list[str]:
        return [""] * len(numbers)

    def terms(self, query: str) -> list[str]:
        return of_query(self.analyzer, query)

    def also(self, query: str) -> list[str]:
        return [*self._synonyms.terms(query), *self._words.terms(query)]

    def allowed(self, where: Filter | None) -> Mask | None:
        if where is None:
            return None
        documents = (entry.document for entry in self._entries)
        return np.array([where.matches(one.metadata, one.id) for one in documents], np.bool_)

    def found(self, ids: Iterable[str]) -> dict[str, int]:
        wanted = set(ids)
        named = ((entry.document.id, place) for place, entry in enumerate(self._entries))
        return {id: place for id, place in named if id in wanted}

    def ids(self, ordinals: Ordinals) -> list[str]:
        return [self._entries[ordinal].document.id for ordinal in ordinals.tolist()]

    def documents(self, ordinals: Sequence[int]) -> list[Document]:
        return [self._entries[ordinal].document for ordinal in ordinals]

    def pieces(self, ordinals: Sequence[int]) -> dict[int, Pieces]:
        return {ordinal: self._pieces[ordinal] for ordinal in ordinals if ordinal in self._pieces}

    def texts(self, ordinals: Ordinals) -> Texts:
        entries = [(ordinal, self._entries[ordinal]) for ordinal in ordinals.tolist()]
        packed = (forward.packed(place, joined(one.terms), one.document.text) for place, one in entries)
        return forward.unpacked([forward.parted(row) for row in packed])
