"""BM25 over one commit of a tantivy index.

A row is a passage of a document, whose ordinal it carries; most documents are one passage. A document
scores as its best row does, so length, frequency and idf are counted in rows.
Each field of `hybrid.lexical.terms` holds its terms joined by spaces. k1 = 1.2 and b = 0.75 are tantivy's
own, and it stores lengths in one byte. Statistics include deleted documents until their segment is merged;
after compaction scores are exact again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
import tantivy

from hybrid import okapi
from hybrid.analyzers.segment import is_han
from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, IndexMismatch
from hybrid.lexical import pruning
from hybrid.lexical.segments import META
from hybrid.lexical.terms import FIELDS, POSITIONS, Field, Terms, Weighted, beside, field_of, weighed
from hybrid.okapi import TermScore
from hybrid.order import first_of_each
from hybrid.types import Candidates, Mask, Ordinals, Scores, Ties

_SLACK: Final = 16
_MANY: Final = 500  # hits: from here on, passing them to Python costs as much as finding them
_LOOK_UP: Final = 50  # postings scanned in the time of one look-up; see tests/benchmarks/crossover.py
_MOST_LENGTHS: Final = 10_000
_TOKENIZER: Final = "terms"
_CHINESE: Final[tuple[Field, ...]] = ("terms", "stop_words")
_IN_TITLES: Final[dict[Field, Field]] = {
    "terms": "titles",
    "titles": "titles",
    "stop_words": "exact_titles",
    "exact": "exact_titles",
    "exact_titles": "exact_titles",
}
"""The field of a term where it is looked for in titles."""


@contextmanager
def reading(folder: Folder) -> Iterator[None]:
    """Turn tantivy's errors into IndexCorrupt."""
    try:
        yield
    except BaseException as cause:
        if not of_tantivy(cause):
            raise
        raise corrupt(folder, cause) from cause


def corrupt(folder: Folder, cause: BaseException) -> IndexCorrupt:
    return IndexCorrupt(f"{folder / 'lexical'}: {cause}; run: hybrid verify {folder.path.parent} --repair")


def of_tantivy(cause: BaseException) -> bool:
    """Whether this is an error, not an interruption such as Ctrl-C. (A panic in tantivy is not an
    Exception.)"""
    return isinstance(cause, Exception) or type(cause).__name__ == "PanicException"


def open_index(folder: Path) -> tantivy.Index:
    """Open the index in ``folder``; create it if it is missing. An index of an earlier version lacks
    fields. Raises ValueError."""
    there = (folder / META).exists()
    index = tantivy.Index.open(str(folder)) if there else tantivy.Index(schema(), str(folder))
    index.register_tokenizer(
        _TOKENIZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    )
    index.config_reader("manual")
    return index


def schema(fields: Sequence[Field] = FIELDS, parted: bool = True) -> tantivy.Schema:
    """``parted``: with the fields that rows need which are passages."""
    builder = tantivy.SchemaBuilder()
    # Signed on purpose: deleting by term on an unsigned field silently deletes nothing.
    builder.add_integer_field("ordinal", indexed=True, fast=True)
    if parted:
        builder.add_integer_field("row", fast=True)
        builder.add_integer_field("passage", fast=True)
    for name in fields:
        option: Literal["position", "freq"] = "position" if name in POSITIONS else "freq"
        builder.add_text_field(name, tokenizer_name=_TOKENIZER, index_option=option)
    return builder.build()


def _parted(known: tantivy.Schema) -> bool:
    return any(known == schema(FIELDS[:n]) for n in range(1, len(FIELDS) + 1))


def document(ordinal: int, row: int, passage: int, terms: Terms) -> tantivy.Document:
    """``row`` counts all that were ever written; ``passage`` those of the document. Both from 0."""
    made = tantivy.Document()
    made.add_integer("ordinal", ordinal)
    made.add_integer("row", row)
    made.add_integer("passage", passage)
    for name in FIELDS:
        made.add_text(name, terms.line(name))
    return made


@dataclass(frozen=True)
class LexicalView:
    """The lexical leg as of one tantivy commit. Thread-safe."""

    searcher: tantivy.Searcher
    schema: tantivy.Schema
    reflects: int
    """It covers every ordinal below this one."""
    rows: int
    """The number of rows that were ever written: at least as many as tantivy counts."""
    _lengths: dict[tuple[Field, str], int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, index: tantivy.Index) -> LexicalView:
        """Open a view of the index as of its last commit."""
        index.reload()
        searcher = index.searcher()
        reflects = _largest(searcher, "ordinal") + 1
        rows = _largest(searcher, "row") + 1 if _parted(index.schema) else reflects
        return cls(searcher, index.schema, reflects, rows)

    @property
    def current(self) -> bool:
        """Whether this version wrote it; an earlier one's lacks fields."""
        return bool(self.schema == schema())

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields of the index: all but those that were added after the version that wrote it."""
        known = (FIELDS[:n] for n in range(len(FIELDS), 1, -1))
        parted = _parted(self.schema)
        return next((fields for fields in known if schema(fields, parted) == self.schema), FIELDS[:1])

    @property
    def documents(self) -> int:
        """The number of passages, which is what its statistics count."""
        return int(self.searcher.num_docs)

    @property
    def cut(self) -> bool:
        """Whether some document is several passages."""
        return self.rows != self.reflects

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
        """Return the best ``k`` documents with at least one of the terms (repeats weigh more) among
        ``allowed``, by BM25 over title and text plus ``title_boost`` times BM25 over titles; equal scores
        by ``ties``.

        ``allowed`` is bool (n,) over ordinals; ordinals from n on are excluded. If few documents are
        allowed, each is scored by itself. tantivy cannot filter by a larger set, so hits are fetched in
        growing numbers until k of them are allowed or the list ends. Either way a filter costs no recall.

        The result for any k is a prefix of the same list: the form of the query, which affects the last
        bits of the scores, depends only on ``depth`` (None: k), and deeper hits are appended.
        """
        if (query := self._query(terms, title_boost)) is None:
            return Candidates.none()
        share = 1.0
        if allowed is not None:
            passing = int(np.count_nonzero(allowed))
            if passing * _LOOK_UP <= self._postings(terms):
                return self._looked_up(terms, k, allowed, title_boost, ties)
            share = passing / len(allowed)
        pruned = self._pruned(terms, depth or k, share, allowed, title_boost, ties)
        if pruned is not None and k <= len(pruned):
            return pruned.top(k)
        whole = self._best(query, k, share, allowed, ties)
        return whole if pruned is None else pruned.then(whole).top(k)

    def _pruned(
        self,
        terms: Sequence[str],
        k: int,
        share: float,
        allowed: Mask | None,
        title_boost: float,
        ties: Ties | None,
    ) -> Candidates | None:
        """Return the best k by a query in two parts (see `hybrid.lexical.pruning`); None if that is not
        faster."""
        plan = self._plan(terms, title_boost)
        essential = plan and plan.first((k + _SLACK) / share)
        while plan and essential:
            best = self._best(self._parted(plan, essential, title_boost), k, share, allowed, ties)
            last = float(best.scores[-1]) if 0 < k == len(best) else 0.0
            if last > plan.rest(essential):
                return best
            essential = plan.next(essential, last)
        return None

    def _looked_up(
        self, terms: Sequence[str], k: int, allowed: Mask, title_boost: float, ties: Ties | None
    ) -> Candidates:
        ordinals = np.flatnonzero(allowed)
        scores = self.scores(terms, ordinals.tolist(), title_boost)
        found = scores > 0
        return Candidates.ranked(ordinals[found], scores[found], k, 0.0, ties)

    def _best(
        self,
        query: tantivy.Query,
        k: int,
        share: float,
        allowed: Mask | None,
        ties: Ties | None = None,
    ) -> Candidates:
        most = max(self.searcher.num_docs, 1)
        limit = int(min(most, (k + max(_SLACK, k // 8)) / share))  # the deeper, the more documents tie
        while True:
            ordinals, scores = self._fetch(query, limit)
            last = scores[-1] if len(scores) else 0.0
            complete = limit >= most or len(ordinals) < limit
            if allowed is not None:
                passing = _pass(ordinals, allowed)
                ordinals, scores = ordinals[passing], scores[passing]
            if self.cut:
                best = first_of_each(ordinals)
                ordinals, scores = ordinals[best], scores[best]
            # Equal scores at the cut stand by their keys, so everything that ties must have been seen.
            if complete or (len(scores) > k and last < scores[k - 1]):
                if len(scores) > k:
                    tied = np.count_nonzero(scores >= scores[k - 1])
                    ordinals, scores = ordinals[:tied], scores[:tied]
                return Candidates.ranked(ordinals, scores, k, 0.0, ties)
            limit = min(most, limit * (4 if limit < _MANY else 2))

    def scores(self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0) -> Scores:
        """Return the scores that ``search`` gives to a few ``ordinals``, float32 (n,); 0 without a term."""
        if not ordinals or (query := self._query(terms, title_boost)) is None:
            return np.zeros(len(ordinals), np.float32)
        rows = self._fetch(self._within(query, ordinals), self._most(ordinals))
        found = dict(zip(*(part[::-1].tolist() for part in rows), strict=True))  # best rows last
        return np.array([found.get(ordinal, 0.0) for ordinal in ordinals], np.float32)

    def scored(
        self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0
    ) -> dict[int, list[tuple[int, float]]]:
        """For each of a few ``ordinals`` its passages that contain a term, by number and score, best first;
        none where no document is cut."""
        found: dict[int, list[tuple[int, float]]] = {ordinal: [] for ordinal in ordinals}
        if not ordinals or not self.cut or (query := self._query(terms, title_boost)) is None:
            return found
        hits = self.searcher.search(
            self._within(query, ordinals, need=True), self._most(ordinals), count=False
        ).hits
        addresses, scores = [address for _, address in hits], [float(score) for score, _ in hits]
        owners = np.array(self.searcher.fast_field_values("ordinal", addresses), np.int64)
        numbers = np.array(self.searcher.fast_field_values("passage", addresses), np.int64)
        for ordinal, number, score in zip(owners.tolist(), numbers.tolist(), scores, strict=True):
            found[ordinal].append((number, score))
        return found

    def explained(self, terms: Sequence[str], ordinal: int, title_boost: float = 0.0) -> list[TermScore]:
        """The parts of the score that ``scores`` gives to ``ordinal``, in its best passage."""
        if (query := self._query(terms, title_boost)) is None:
            return []
        hits = self.searcher.search(self._within(query, [ordinal], need=True), 1, count=False).hits
        clauses = list(self._wanted(weighed(terms), title_boost))
        found = [self._told(*clause, address) for _, address in hits for clause in clauses]
        return [one for one in found if one is not None]

    def _told(
        self, field: Field, term: str, weight: float, address: tantivy.DocAddress
    ) -> TermScore | None:
        """One part of a row's score, from tantivy's own explanation; None where the row lacks the term."""
        try:
            told = json.loads(self._matcher(field, term).explain(self.searcher, address).to_json())
        except ValueError:
            return None
        if beside(field, term):
            told = told["details"][0]
        _, idf, share = told["details"]
        tf, _, _, length, average = (part["value"] for part in share["details"])
        frequency, rarer = self._length(field, term), self._rarer(field, term)
        adds, name = weight * rarer * told["value"], "title" if field == "titles" else "text"
        idf = rarer * idf["value"]
        return TermScore(term, name, weight, int(tf), idf, int(length), average, frequency, adds)

    def _within(self, query: tantivy.Query, ordinals: Sequence[int], need: bool = False) -> tantivy.Query:
        """The rows of ``ordinals``, scored by ``query``; where they ``need`` it, those that it finds."""
        # For ten ordinals, one term query each takes half the time of a term_set query.
        each = [tantivy.Query.term_query(self.schema, "ordinal", ordinal) for ordinal in ordinals]
        these = tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in each])
        must = tantivy.Query.const_score_query(these, 0.0)
        scored = tantivy.Occur.Must if need else tantivy.Occur.Should
        return tantivy.Query.boolean_query([(tantivy.Occur.Must, must), (scored, query)])

    def _most(self, ordinals: Sequence[int]) -> int:
        """At least the number of rows that some documents have."""
        if not self.cut:
            return len(ordinals)
        return max(1, sum(self.searcher.doc_freq("ordinal", ordinal) for ordinal in ordinals))

    def count(self, terms: Sequence[str], allowed: Mask | None = None) -> int:
        """Count the documents among ``allowed`` that contain one of the terms."""
        if (query := self._query(terms)) is None:
            return 0
        if allowed is None and not self.cut:
            return self._number(query)
        found = self.matches(terms)
        return len(found) if allowed is None else int(_pass(found, allowed).sum())

    def matches(self, terms: Sequence[str], title: bool = False) -> Ordinals:
        """Return all documents that contain a term, or whose title does, each once, in no order."""
        if title:
            terms = [Weighted(term, 1, _IN_TITLES[field_of(term)]) for term in terms]
        return self._all(self._query(terms))

    def phrase(self, tokens: Sequence[str], title: bool = False) -> Ordinals:
        """Return all documents that contain ``tokens`` (see `hybrid.analyzers.literal`) side by side, or
        whose title does, each once, in no order. Raises IndexMismatch."""
        field: Field = "exact_titles" if title else "exact"
        return self._all(self._phrase(tokens, field) if tokens else None)

    def _phrase(self, tokens: Sequence[str], field: Field) -> tantivy.Query:
        self._check(field)
        if len(tokens) > 1:
            return tantivy.Query.phrase_query(self.schema, field, list(tokens))
        # A phrase query of one word panics.
        return tantivy.Query.term_query(self.schema, field, tokens[0], "freq")

    def holding(self, tokens: Sequence[str], allowed: Mask | None = None) -> int:
        """Return the number of documents among ``allowed`` that contain ``tokens`` side by side, or the
        term that they are together."""
        query = self._standing(tokens)
        if allowed is not None or self.cut:
            found = self._all(query)
            return len(found) if allowed is None else int(_pass(found, allowed).sum())
        return self._number(query)

    def holds(self, tokens: Sequence[str], allowed: Mask | None = None) -> bool:
        """Return whether a document among ``allowed`` does: mostly one of the first."""
        if allowed is None and self._length(*self._term(tokens)):
            return True
        query, most = self._standing(tokens), max(self.searcher.num_docs, 1)
        for limit in (_SLACK, _MANY, most):
            found, _ = self._fetch(query, limit)
            if len(found) and (allowed is None or _pass(found, allowed).any()):
                return True
            if len(found) < limit:
                break
        return False

    def _standing(self, tokens: Sequence[str]) -> tantivy.Query:
        """Finds a word as it is written."""
        field, term = self._term(tokens)
        if self._length(field, term):
            return tantivy.Query.term_query(self.schema, field, term, "freq")
        return self._phrase(tokens, "exact")

    def _term(self, tokens: Sequence[str]) -> tuple[Field, str]:
        """The field and term of a word: a Chinese one has several tokens, and is a term or a stop word."""
        term = "".join(tokens)
        if not is_han(term):
            return "exact", term
        return next((name for name in _CHINESE if self._length(name, term)), "terms"), term

    def written(self) -> dict[str, int]:
        """Return every word as it is written, folded, and the number of live rows that hold it; of Chinese,
        which has no spaces, the analyzer's words. Nothing for an index of an earlier version."""
        if "exact" not in self.fields:
            return {}
        listed = self.vocabulary("stop_words") | self.vocabulary("terms")
        found = {word: n for word, n in listed.items() if is_han(word)}
        words = self.vocabulary("exact").items()
        return found | {word: n for word, n in words if word[0].isalnum() and not is_han(word)}

    def words(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """Return the words, of the field "exact", that begin with ``prefix``, and the number of live rows
        with each: the ``limit`` most frequent ones, then by text. Raises IndexMismatch."""
        self._check("exact")
        return self.searcher.terms_with_prefix("exact", prefix, tantivy.Query.all_query(), limit)

    def _check(self, field: Field) -> None:
        if field not in self.fields:
            raise IndexMismatch(
                "phrases, prefixes and fuzzy words need a keyword index of this version; "
                "open the index once for writing: it is built again then"
            )

    def _all(self, query: tantivy.Query | None) -> Ordinals:
        if query is None:
            return np.empty(0, np.int64)
        found, _ = self._fetch(query, max(self.searcher.num_docs, 1))
        return np.unique(found) if self.cut else found

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """Return the number of passages with each term, including deleted ones not yet merged away."""
        return [self._length(field_of(term), term) for term in terms]

    def _postings(self, terms: Sequence[str]) -> int:
        """Return the total length of the terms' posting lists."""
        return sum(self.frequencies([term for term, _ in weighed(terms)]))

    def _length(self, field: Field, term: str) -> int:
        """Return the number of rows with ``term`` in ``field``. Cached, since it reads every segment."""
        if field not in self.fields:
            return 0
        if (length := self._lengths.get((field, term))) is None:
            if len(self._lengths) >= _MOST_LENGTHS:
                self._lengths.clear()
            length = self._lengths[field, term] = self._counted(field, term)
        return length

    def _number(self, query: tantivy.Query) -> int:
        """How many rows a query finds."""
        return int(self.searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]

    def _counted(self, field: Field, term: str) -> int:
        if not (tokens := beside(field, term)):
            return self.searcher.doc_freq(field, term)
        return self._number(self._phrase(tokens, field))

    def ordinals(self) -> Ordinals:
        """Return every live ordinal in the index, ascending."""
        found, _ = self._fetch(tantivy.Query.all_query(), max(self.searcher.num_docs, 1))
        return np.unique(found)

    def vocabulary(self, field: Field) -> dict[str, int]:
        """Return every term of a field with the number of live rows that contain it."""
        return dict(self.searcher.terms_with_prefix(field, "", tantivy.Query.all_query()))

    def _query(self, terms: Sequence[str], title_boost: float = 0.0) -> tantivy.Query | None:
        clauses = self._clauses(weighed(terms), title_boost)
        return _any_of(clauses) if clauses else None

    def _plan(self, terms: Sequence[str], title_boost: float) -> pruning.Plan | None:
        if self.searcher.num_docs < pruning.LEAST_POSTINGS:
            return None
        if self._postings(terms) < pruning.LEAST_POSTINGS:
            return None
        return pruning.Plan([self._weighed(*one, title_boost) for one in weighed(terms)])

    def _weighed(self, term: str, count: float, title_boost: float) -> pruning.Term:
        weights = self._weights(term, title_boost)
        lengths = [self._length(field, term) for field, _ in weights]
        # tantivy's own count of rows includes some deleted ones.
        idfs = [okapi.idf(length, self.rows) for length in lengths]
        weighed = count * sum(weight * idf for (_, weight), idf in zip(weights, idfs, strict=True))
        return pruning.Term(term, count, sum(lengths), (okapi.K1 + 1.0) * weighed, count * idfs[0])

    def _parted(self, plan: pruning.Plan, essential: int, title_boost: float) -> tantivy.Query:
        """Query for documents with one of the ``essential`` rarest terms, scored by all terms."""
        counts = [(term.text, term.repeats) for term in plan.terms]
        query = _any_of(self._clauses(counts[:essential], title_boost))
        # Nest the clauses: for several optional ones side by side, tantivy would read all their lists
        # whole.
        for clause in self._clauses(counts[essential:], title_boost):
            query = tantivy.Query.boolean_query(
                [(tantivy.Occur.Must, query), (tantivy.Occur.Should, clause)]
            )
        return query

    def _clauses(self, counts: Iterable[tuple[str, float]], title_boost: float) -> list[tantivy.Query]:
        return [self._clause(*one) for one in self._wanted(counts, title_boost)]

    def _wanted(
        self, counts: Iterable[tuple[str, float]], title_boost: float
    ) -> Iterator[tuple[Field, str, float]]:
        """Where to look for each term, and with what weight."""
        for term, count in counts:
            for where, weight in self._weights(term, title_boost):
                yield where, term, weight * count

    def _weights(self, term: str, title_boost: float) -> list[tuple[Field, float]]:
        """Return the fields in which to look for a term, and their weights."""
        field = field_of(term)
        boosted = title_boost and field == "terms"
        weights: list[tuple[Field, float]] = [(field, 1.0), ("titles", title_boost if boosted else 0.0)]
        return [(field, weight) for field, weight in weights if weight and field in self.fields]

    def _clause(self, field: Field, term: str, weight: float) -> tantivy.Query:
        query = self._matcher(field, term)
        if field in POSITIONS:
            weight *= self._rarer(field, term)
        return query if weight == 1 else tantivy.Query.boost_query(query, float(weight))

    def _matcher(self, field: Field, term: str) -> tantivy.Query:
        if field in POSITIONS and (tokens := beside(field, term)):
            return self._phrase(tokens, field)
        return tantivy.Query.term_query(self.schema, field, term, "freq")

    def _rarer(self, field: Field, term: str) -> float:
        """The idf of a term over that which tantivy gives it: to tokens side by side the sum of theirs."""
        if not (tokens := beside(field, term)):
            return 1.0
        total = sum(okapi.idf(self._length(field, token), self.rows) for token in tokens)
        return max(okapi.idf(self._length(field, term), self.rows), 0.0) / max(total, 1e-9)

    def _fetch(self, query: tantivy.Query, limit: int) -> tuple[Ordinals, Scores]:
        hits = self.searcher.search(query, limit, count=False).hits
        ordinals = self.searcher.fast_field_values("ordinal", [address for _, address in hits])
        return np.array(ordinals, np.int64), np.array([score for score, _ in hits], np.float32)


def _largest(searcher: tantivy.Searcher, field: str) -> int:
    """The largest value of a field; -1 where there is none."""
    hits = searcher.search(tantivy.Query.all_query(), 1, count=False, order_by_field=field).hits
    return int(hits[0][0]) if hits else -1


def _pass(ordinals: Ordinals, allowed: Mask) -> Mask:
    known = ordinals < len(allowed)
    known[known] = allowed[ordinals[known]]
    return known


def _any_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
