"""How each candidate matches the query's terms: the textual features of learned ranking.

Everything is computed for all candidates at once, over their concatenated terms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.okapi import K1, B

Column: TypeAlias = NDArray[np.float32]
Hashes: TypeAlias = NDArray[np.uint32]

_LAST: Final = np.uint32(0xFFF)
_FAR: Final = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Texts:
    """The terms of n candidates, as hashes: for each the title's, then the text's.

    ``terms`` uint32 (total,); ``starts`` int64 (n + 1,): candidate i has terms[starts[i]:starts[i + 1]];
    ``titles`` int64 (n,): the number of terms in its title; ``han`` float32 (n,): the share of Chinese
    characters among its letters.
    """

    terms: Hashes
    starts: NDArray[np.int64]
    titles: NDArray[np.int64]
    han: Column

    def __len__(self) -> int:
        return len(self.titles)


@dataclass(frozen=True)
class Asked:
    """A query: its ``terms`` as hashes in order, uint32 (m,), repeats included; ``idf`` float32 (m,);
    ``digits`` bool (m,): whether a term contains a digit (numbers, codes); ``han``: as in `Texts`."""

    terms: Hashes
    idf: Column
    digits: NDArray[np.bool_]
    han: float


def matching(asked: Asked, texts: Texts) -> dict[str, Column]:
    """Compute the features, float32 (n,) each, NaN where one is undefined (no term, no title, no digit):

    coverage_*      share of the query's distinct terms that occur in the title, the text or either
    weighted_*      the same, each term weighted by its idf
    bm25_*          BM25 of the field, lengths relative to the average of the candidates
    bigrams         share of the query's pairs of adjacent terms that are adjacent somewhere
    phrase          1 if the whole query occurs as it is
    proximity       number of distinct terms found / length of the shortest stretch with all of them
    earliness       1 / (1 + terms before the first match)
    title_exact     1 if the title equals the query
    digits          share of the query's terms with a digit that occur
    length_*        log(1 + terms) of title and text
    script          difference between query and candidate in the share of Chinese
    """
    if not len(texts):
        return {name: np.empty(0, np.float32) for name in FEATURES}
    distinct, stands, order = _told_apart(asked.terms)
    idf, digits = asked.idf[stands].astype(np.float64), asked.digits[stands]
    found = _Matches.of(distinct, texts)
    counts = found.counts()
    held = np.empty((3, *counts.shape[1:]))  # in the title, the text, either
    np.greater(counts, 0, out=held[:2])
    np.maximum(held[0], held[1], out=held[2])
    coverage, weighted, numbers = _shares(held, np.array([np.ones(len(distinct)), idf, digits]))
    lengths = np.array([texts.titles, texts.starts[1:] - texts.starts[:-1] - texts.titles], np.float64)
    (bm25_title, bm25_text), (length_title, length_text) = _bm25(counts, idf, lengths), np.log1p(lengths)
    bigrams, (phrase, title_exact) = found.bigrams(order), found.phrases(order)
    columns = {
        "coverage_title": coverage[0],
        "coverage_text": coverage[1],
        "coverage": coverage[2],
        "weighted_title": weighted[0],
        "weighted_text": weighted[1],
        "weighted": weighted[2],
        "bm25_title": bm25_title,
        "bm25_text": bm25_text,
        "bigrams": bigrams,
        "phrase": phrase,
        "proximity": found.proximity(held[2]),
        "earliness": found.earliness(),
        "title_exact": title_exact,
        "digits": numbers[2],
        "length_title": length_title,
        "length_text": length_text,
        "script": np.abs(texts.han - asked.han),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


FEATURES: Final = (
    *("coverage_title", "coverage_text", "coverage", "weighted_title", "weighted_text", "weighted"),
    *("bm25_title", "bm25_text", "bigrams", "phrase", "proximity", "earliness", "title_exact", "digits"),
    *("length_title", "length_text", "script"),
)


def _told_apart(terms: Hashes) -> tuple[Hashes, list[int], NDArray[np.int64]]:
    """Return the distinct terms, ascending, an index of each in ``terms``, and each of ``terms`` as an
    index among them. (For a dozen terms this takes a fifth of the time of np.unique.)"""
    known = terms.tolist()
    stands = {term: i for i, term in enumerate(known)}
    distinct = sorted(stands)
    place = {term: i for i, term in enumerate(distinct)}
    order = np.array([place[term] for term in known], np.int64)
    return np.array(distinct, np.uint32), [stands[term] for term in distinct], order


@dataclass(frozen=True)
class _Matches:
    """The occurrences of query terms, in order: ``place`` (index in ``Texts.terms``), ``term`` (which of
    ``width`` distinct ones), ``owner`` (which candidate), ``field`` (the owner for a title, the owner + n
    for a text). ``rows``: the candidates with a match, ``heads``: the index of each one's first match."""

    texts: Texts
    width: int
    place: NDArray[np.int64]
    term: NDArray[np.int64]
    owner: NDArray[np.int64]
    field: NDArray[np.int64]
    rows: NDArray[np.int64]
    heads: NDArray[np.int64]

    @classmethod
    def of(cls, distinct: Hashes, texts: Texts) -> _Matches:
        # Filter by the hashes' last bits first: nearly all terms are not in the query.
        likely = np.zeros(_LAST + 1, np.bool_)
        likely[distinct & _LAST] = True
        place = likely.take(texts.terms & _LAST).nonzero()[0]
        hashes = texts.terms.take(place)
        term = distinct.searchsorted(hashes)
        if len(place):
            same = distinct.take(term, mode="clip") == hashes
            place, term = place[same], term[same]
        bounds = place.searchsorted(texts.starts)
        owner = np.arange(len(texts)).repeat(bounds[1:] - bounds[:-1])
        field = owner + len(texts) * (place >= (texts.starts[:-1] + texts.titles).take(owner))
        rows = (bounds[1:] > bounds[:-1]).nonzero()[0]
        return cls(texts, len(distinct), place, term, owner, field, rows, bounds[rows])

    def counts(self) -> NDArray[np.float64]:
        """Count each term in each candidate's title and in its text: (2, width, n)."""
        n = len(self.texts)
        cells = (self.width * (self.field >= n) + self.term) * n + self.owner
        found = np.bincount(cells, minlength=2 * self.width * n)
        return found.reshape(2, self.width, n).astype(np.float64)

    def earliness(self) -> NDArray[np.float64]:
        found = np.zeros(len(self.texts))
        found[self.rows] = 1 / (1 + self.place[self.heads] - self.texts.starts[self.rows])
        return found

    def proximity(self, held: NDArray[np.float64]) -> NDArray[np.float64]:
        """Divide the number of distinct terms ``held`` (width, n) by the length of the shortest stretch
        with all of them: (n,), 0 without a match.

        The stretch that ends at a match begins at the earliest of the terms' latest places before it.
        """
        found = np.zeros(len(self.texts))
        if len(self.place):
            here = held.take(self.rows, axis=1)
            latest = np.full((self.width, len(self.place)), -1, np.int64)
            # A term that the candidate lacks is placed at its end, where it does not lengthen the stretch.
            latest[:, self.heads] = np.where(here, -1, self.texts.starts.take(self.rows + 1) - 1)
            latest[self.term, np.arange(len(self.place))] = self.place
            begin = np.maximum.accumulate(latest, axis=1, out=latest).min(axis=0)
            complete = begin >= self.texts.starts.take(self.owner)  # or a place is another candidate's
            length = np.where(complete, self.place - begin + 1, _FAR)
            found[self.rows] = here.sum(axis=0) / np.minimum.reduceat(length, self.heads)
        return found

    def bigrams(self, asked: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of the query's pairs of adjacent terms that are adjacent in the candidate, (n,);
        NaN for a query without a pair. ``asked``: the query's terms, numbered, in order."""
        pairs = np.array(sorted(set((asked[:-1] * self.width + asked[1:]).tolist())), np.int64)
        if not len(pairs):
            return np.full(len(self.texts), np.nan)
        first = self._neighbours(2).nonzero()[0]
        here = self.term[first] * self.width + self.term[first + 1]
        which = pairs.searchsorted(here)
        wanted = pairs.take(which, mode="clip") == here
        stands = np.zeros((len(pairs), len(self.texts)))
        stands[which[wanted], self.owner[first[wanted]]] = 1
        return np.asarray(stands.sum(axis=0) / len(pairs))

    def phrases(self, asked: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return (2, n): 1 if the query (``asked``, as in `bigrams`) occurs as it is, and 1 if the title
        equals it; NaN for a query without terms."""
        m, n = len(asked), len(self.texts)
        if not m:
            return np.full((2, n), np.nan)
        found = np.zeros((2, n))
        begins = self._neighbours(m)
        first = (begins & (self.term[: len(begins)] == asked[0])).nonzero()[0]
        if len(first):
            first = first[(self.term[first[:, None] + np.arange(m)] == asked).all(axis=1)]
            found[0, self.owner[first]] = 1
            titles = self.field[first][self.field[first] < n]
            found[1, titles] = self.texts.titles[titles] == m
        return found

    def _neighbours(self, m: int) -> NDArray[np.bool_]:
        """Return which matches begin ``m`` adjacent matches within one field."""
        last = max(len(self.place) - m + 1, 0)
        side_by_side = self.place[m - 1 :] - self.place[:last] == m - 1
        return np.asarray(side_by_side & (self.field[m - 1 :] == self.field[:last]))


def _shares(held: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the total weight that is held: (kinds, fields, n) from (fields, terms, n) and
    (kinds, terms); NaN if the total is 0."""
    totals = weights.sum(axis=1)
    totals[totals <= 0] = np.nan
    return np.asarray((weights @ held).swapaxes(0, 1) / totals[:, None, None])


def _bm25(
    counts: NDArray[np.float64], idf: NDArray[np.float64], lengths: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return BM25 (fields, n) from counts (fields, terms, n), idf (terms,) and lengths (fields, n)."""
    usual = lengths.sum(axis=1) / lengths.shape[1]
    usual[usual == 0] = 1
    norms = K1 * (1 - B + B * lengths / usual[:, None])
    return np.asarray(idf @ (counts * (K1 + 1) / (counts + norms[:, None])))
