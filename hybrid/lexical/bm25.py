"""BM25 over one commit of a tantivy index.

Each field of `hybrid.lexical.terms` holds its terms joined by spaces. k1 = 1.2 and b = 0.75 are tantivy's
own, and it keeps lengths in one byte. Statistics count dead documents until their segment is merged, so
scores are exact again after compaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import tantivy

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.lexical import pruning
from hybrid.lexical.terms import FIELDS, Field, Terms, field_of
from hybrid.types import Candidates, Mask, Ordinals, Scores, Ties

_SLACK: Final = 16
_MANY: Final = 500  # hits, which cost as much to hand over as to find
_LOOK_UP: Final = 50  # postings, in whose time one ordinal is looked up; see tests/benchmarks/crossover.py
_MOST_LENGTHS: Final = 10_000
_TOKENIZER: Final = "terms"


@contextmanager
def reading(folder: Folder) -> Iterator[None]:
    """tantivy's errors as ours."""
    try:
        yield
    except BaseException as cause:
        if not of_tantivy(cause):
            raise
        raise corrupt(folder, cause) from cause


def corrupt(folder: Folder, cause: BaseException) -> IndexCorrupt:
    return IndexCorrupt(f"{folder / 'lexical'}: {cause}; run: hybrid verify {folder.path.parent} --repair")


def of_tantivy(cause: BaseException) -> bool:
    """An error, not somebody's wish to stop. A panic of tantivy's is no Exception."""
    return isinstance(cause, Exception) or type(cause).__name__ == "PanicException"


def open_index(folder: Path) -> tantivy.Index:
    """The index in ``folder``, made if absent; an earlier version's lacks fields. Raises ValueError."""
    there = (folder / "meta.json").exists()
    index = tantivy.Index.open(str(folder)) if there else tantivy.Index(schema(), str(folder))
    index.register_tokenizer(
        _TOKENIZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
    )
    index.config_reader("manual")
    return index


def schema(fields: Sequence[Field] = FIELDS) -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed on purpose: deleting by term on an unsigned field silently deletes nothing.
    builder.add_integer_field("ordinal", indexed=True, fast=True)
    for name in fields:
        builder.add_text_field(name, tokenizer_name=_TOKENIZER, index_option="freq")
    return builder.build()


def document(ordinal: int, terms: Terms) -> tantivy.Document:
    made = tantivy.Document()
    made.add_integer("ordinal", ordinal)
    for name in FIELDS:
        made.add_text(name, " ".join(terms.of(name)))
    return made


@dataclass(frozen=True)
class LexicalView:
    """The lexical leg as of one tantivy commit. Any number of threads may search it."""

    searcher: tantivy.Searcher
    schema: tantivy.Schema
    reflects: int
    """Holds every ordinal below this one."""
    _lengths: dict[tuple[Field, str], int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, index: tantivy.Index) -> LexicalView:
        """The index as of its last commit."""
        index.reload()
        searcher = index.searcher()
        top = searcher.search(tantivy.Query.all_query(), 1, count=False, order_by_field="ordinal").hits
        return cls(searcher, index.schema, int(top[0][0]) + 1 if top else 0)

    @property
    def documents(self) -> int:
        """The number of documents that its statistics count, the dead that wait for a merge included."""
        return int(self.searcher.num_docs)

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The fields that it has: all but those that are newer than the version that wrote it."""
        known = (FIELDS[:n] for n in range(len(FIELDS), 1, -1))
        return next((fields for fields in known if schema(fields) == self.schema), FIELDS[:1])

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
        """The best ``k`` of those that contain a term (repeats weigh more), among ``allowed``, by BM25 over
        title and text plus ``title_boost`` times BM25 over titles; equal scores by ``ties``.

        ``allowed`` is bool (n,) over ordinals; ordinals from n on are left out. Few are scored each by
        itself. More, tantivy cannot express, so more and more is fetched until k pass or the list ends.
        Either way a filter costs no recall.

        Each k is the beginning of one list: how the question is put, which decides the last bits of the
        scores, depends on ``depth`` (None: on k), and what is beyond follows.
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
        """The best k, by a question put in two parts; None where that does not pay."""
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
        limit = int(min(most, (k + max(_SLACK, k // 8)) / share))  # further down more documents tie
        while True:
            ordinals, scores = self._fetch(query, limit)
            last = scores[-1] if len(scores) else 0.0
            complete = limit >= most or len(ordinals) < limit
            if allowed is not None:
                passing = _pass(ordinals, allowed)
                ordinals, scores = ordinals[passing], scores[passing]
            # Equal scores at the cut stand by their keys, so everything that ties must have been seen.
            if complete or (len(scores) > k and last < scores[k - 1]):
                if len(scores) > k:
                    tied = np.count_nonzero(scores >= scores[k - 1])
                    ordinals, scores = ordinals[:tied], scores[:tied]
                return Candidates.ranked(ordinals, scores, k, 0.0, ties)
            limit = min(most, limit * (4 if limit < _MANY else 2))

    def scores(self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0) -> Scores:
        """What ``search`` would score each of a few ``ordinals``, float32 (n,): 0 without a term."""
        if not ordinals or (query := self._query(terms, title_boost)) is None:
            return np.zeros(len(ordinals), np.float32)
        # A term query each costs a half of what a term_set query costs for ten.
        each = [tantivy.Query.term_query(self.schema, "ordinal", ordinal) for ordinal in ordinals]
        these = tantivy.Query.boolean_query([(tantivy.Occur.Should, one) for one in each])
        must = tantivy.Query.const_score_query(these, 0.0)
        both = tantivy.Query.boolean_query([(tantivy.Occur.Must, must), (tantivy.Occur.Should, query)])
        found = dict(zip(*(part.tolist() for part in self._fetch(both, len(ordinals))), strict=True))
        return np.array([found.get(ordinal, 0.0) for ordinal in ordinals], np.float32)

    def count(self, terms: Sequence[str], allowed: Mask | None = None) -> int:
        """How many documents among ``allowed`` contain a term."""
        if (query := self._query(terms)) is None:
            return 0
        if allowed is None:
            return int(self.searcher.search(query, 1, count=True).count)  # type: ignore[attr-defined]
        return int(_pass(self.matches(terms), allowed).sum())

    def matches(self, terms: Sequence[str]) -> Ordinals:
        """All documents that contain a term, in no order."""
        if (query := self._query(terms)) is None:
            return np.empty(0, np.int64)
        return self._fetch(query, max(self.searcher.num_docs, 1))[0]

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """In how many documents each term occurs, the dead that wait for a merge included."""
        field = field_of(terms)
        return [self._length(field, term) for term in terms]

    def _postings(self, terms: Sequence[str]) -> int:
        """How long the lists of the terms are together."""
        return sum(self.frequencies(list(set(terms))))

    def _length(self, field: Field, term: str) -> int:
        """How many documents have ``term`` in ``field``. It takes a look into every segment, so kept."""
        if field not in self.fields:
            return 0
        if (length := self._lengths.get((field, term))) is None:
            if len(self._lengths) >= _MOST_LENGTHS:
                self._lengths.clear()
            length = self._lengths[field, term] = self.searcher.doc_freq(field, term)
        return length

    def ordinals(self) -> Ordinals:
        """Every ordinal that the index holds alive, ascending."""
        found, _ = self._fetch(tantivy.Query.all_query(), max(self.searcher.num_docs, 1))
        return np.sort(found)

    def vocabulary(self, field: Field) -> dict[str, int]:
        """Every term of a field and in how many living documents it occurs."""
        return dict(self.searcher.terms_with_prefix(field, "", tantivy.Query.all_query()))

    def _query(self, terms: Sequence[str], title_boost: float = 0.0) -> tantivy.Query | None:
        clauses = self._clauses(Counter(terms).items(), title_boost)
        return _any_of(clauses) if clauses else None

    def _plan(self, terms: Sequence[str], title_boost: float) -> pruning.Plan | None:
        if self.searcher.num_docs < pruning.LEAST_POSTINGS:
            return None
        if self._postings(terms) < pruning.LEAST_POSTINGS:
            return None
        return pruning.Plan([self._weighed(*one, title_boost) for one in Counter(terms).items()])

    def _weighed(self, term: str, count: int, title_boost: float) -> pruning.Term:
        weights = self._weights(term, title_boost)
        lengths = [self._length(field, term) for field, _ in weights]
        # tantivy's own count of documents includes some of the dead. No ordinal is there twice.
        idfs = [pruning.idf(length, self.reflects) for length in lengths]
        weighed = count * sum(weight * idf for (_, weight), idf in zip(weights, idfs, strict=True))
        return pruning.Term(term, count, sum(lengths), (pruning.K1 + 1.0) * weighed, count * idfs[0])

    def _parted(self, plan: pruning.Plan, essential: int, title_boost: float) -> tantivy.Query:
        """Who contains one of the ``essential`` rarest terms, scored by all."""
        counts = [(term.text, term.repeats) for term in plan.terms]
        query = _any_of(self._clauses(counts[:essential], title_boost))
        # One in the other: from the union of several, tantivy would read the whole lists of all.
        for clause in self._clauses(counts[essential:], title_boost):
            query = tantivy.Query.boolean_query(
                [(tantivy.Occur.Must, query), (tantivy.Occur.Should, clause)]
            )
        return query

    def _clauses(self, counts: Iterable[tuple[str, int]], title_boost: float) -> list[tantivy.Query]:
        return [
            self._clause(field, term, weight * count)
            for term, count in counts
            for field, weight in self._weights(term, title_boost)
        ]

    def _weights(self, term: str, title_boost: float) -> list[tuple[Field, float]]:
        """Where to look for a term, and how much each place counts."""
        field = field_of([term])
        boosted = title_boost and field == "terms"
        weights: list[tuple[Field, float]] = [(field, 1.0), ("titles", title_boost if boosted else 0.0)]
        return [(field, weight) for field, weight in weights if weight and field in self.fields]

    def _clause(self, field: Field, term: str, weight: float) -> tantivy.Query:
        query = tantivy.Query.term_query(self.schema, field, term, "freq")
        return query if weight == 1 else tantivy.Query.boost_query(query, float(weight))

    def _fetch(self, query: tantivy.Query, limit: int) -> tuple[Ordinals, Scores]:
        hits = self.searcher.search(query, limit, count=False).hits
        ordinals = self.searcher.fast_field_values("ordinal", [address for _, address in hits])
        return np.array(ordinals, np.int64), np.array([score for score, _ in hits], np.float32)


def _pass(ordinals: Ordinals, allowed: Mask) -> Mask:
    known = ordinals < len(allowed)
    known[known] = allowed[ordinals[known]]
    return known


def _any_of(queries: Sequence[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
