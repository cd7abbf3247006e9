"""How a query's terms stand in each candidate: the textual features of learned ranking.

Everything is worked out for all candidates at once, over their terms laid end to end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float32]
Hashes: TypeAlias = NDArray[np.uint32]

_K1: Final = 1.2
_B: Final = 0.75
_LAST: Final = np.uint32(0xFFFF)


@dataclass(frozen=True)
class Texts:
    """The terms of n candidates, as hashes: each one's title, then its text.

    ``terms`` uint32 (total,); ``starts`` int64 (n + 1,): candidate i has terms[starts[i]:starts[i + 1]];
    ``titles`` int64 (n,): how many of them are the title's; ``han`` float32 (n,): the share of Chinese
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
    ``digits`` bool (m,): which hold a digit (numbers, codes); ``han``: as of `Texts`."""

    terms: Hashes
    idf: Column
    digits: NDArray[np.bool_]
    han: float


def matching(asked: Asked, texts: Texts) -> dict[str, Column]:
    """float32 (n,) each, NaN where a feature has no meaning (no term, no title, no digit):

    coverage_*      share of the query's distinct terms that the title, the text or either holds
    weighted_*      the same, each term weighted by its idf
    bm25_*          BM25 of the field, lengths relative to the candidates'
    bigrams         share of the query's neighbouring pairs that stand as neighbours somewhere
    phrase          1 if the whole query stands somewhere as it is
    proximity       distinct terms found, by the length of the shortest stretch that holds them all
    earliness       1 / (1 + terms before the first match)
    title_exact     1 if the title is the query
    digits          share of the terms with a digit that are held
    length_*        log(1 + terms) of title and text
    script          how far apart query and candidate are in their shares of Chinese
    """
    distinct, first, order = np.unique(asked.terms, return_index=True, return_inverse=True)
    idf, digits = asked.idf[first].astype(np.float64), asked.digits[first]
    found = _Matches.of(distinct, texts)
    title, whole = found.counts(in_title=True), found.counts()
    body = whole - title
    held = whole > 0
    lengths = np.diff(texts.starts)
    columns = {
        "coverage_title": _share(title > 0, np.ones(len(distinct))),
        "coverage_text": _share(body > 0, np.ones(len(distinct))),
        "coverage": _share(held, np.ones(len(distinct))),
        "weighted_title": _share(title > 0, idf),
        "weighted_text": _share(body > 0, idf),
        "weighted": _share(held, idf),
        "bm25_title": _bm25(title, idf, texts.titles),
        "bm25_text": _bm25(body, idf, lengths - texts.titles),
        "bigrams": found.bigrams(order),
        "phrase": _phrase(asked.terms, texts),
        "proximity": found.proximity(held.sum(axis=1)),
        "earliness": 1 / (1 + found.first()),
        "title_exact": _phrase(asked.terms, texts, whole_title=True),
        "digits": _share(held[:, digits], np.ones(int(digits.sum()))),
        "length_title": np.log1p(texts.titles),
        "length_text": np.log1p(lengths - texts.titles),
        "script": np.abs(texts.han - asked.han),
    }
    return {name: np.asarray(column, np.float32) for name, column in columns.items()}


FEATURES: Final = (
    *("coverage_title", "coverage_text", "coverage", "weighted_title", "weighted_text", "weighted"),
    *("bm25_title", "bm25_text", "bigrams", "phrase", "proximity", "earliness", "title_exact", "digits"),
    *("length_title", "length_text", "script"),
)


@dataclass(frozen=True)
class _Matches:
    """Where query terms stand, in order: ``owner`` (which candidate), ``place`` (in ``Texts.terms``),
    ``term`` (which distinct term)."""

    texts: Texts
    width: int
    owner: NDArray[np.int64]
    place: NDArray[np.int64]
    term: NDArray[np.int64]

    @classmethod
    def of(cls, distinct: Hashes, texts: Texts) -> _Matches:
        # A table of the hashes' last bits first: nearly all terms are none of the query's.
        likely = np.zeros(_LAST + 1, np.bool_)
        likely[distinct & _LAST] = True
        place = np.flatnonzero(likely[texts.terms & _LAST])
        term = np.searchsorted(distinct, texts.terms[place])
        same = np.append(distinct, 0)[term] == texts.terms[place]
        same &= term < len(distinct)
        place, term = place[same], term[same]
        owner = np.searchsorted(texts.starts, place, "right") - 1
        return cls(texts, len(distinct), owner, place, term)

    def counts(self, in_title: bool = False) -> NDArray[np.int64]:
        """(n, terms): how often each term stands in the candidate, or in its title."""
        within = self.place - self.texts.starts[self.owner] < self.texts.titles[self.owner]
        part = within if in_title else slice(None)
        cells = self.owner[part] * self.width + self.term[part]
        found = np.bincount(cells, minlength=len(self.texts) * self.width)
        return found.reshape(len(self.texts), self.width)

    def first(self) -> NDArray[np.float64]:
        """(n,): how many terms stand before the first match; infinity without one."""
        found = np.full(len(self.texts), np.inf)
        np.minimum.at(found, self.owner, (self.place - self.texts.starts[self.owner]).astype(np.float64))
        return found

    def proximity(self, held: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,): ``held`` distinct terms by the length of the shortest stretch with all of them; 0: none.

        The stretch that ends at a match begins at the earliest of the terms' latest places before it.
        """
        best = np.full(len(self.texts), np.inf)
        if len(self.place) and self.width:
            latest = np.full((len(self.place), self.width), -1, np.int64)
            latest[np.arange(len(self.place)), self.term] = self.place
            latest = np.maximum.accumulate(latest, axis=0)  # also of candidates before: told apart below
            latest = np.where(latest < self.texts.starts[self.owner][:, None], -1, latest)
            complete = (latest >= 0).sum(axis=1) == held[self.owner]
            begin = np.where(latest >= 0, latest, np.iinfo(np.int64).max).min(axis=1)
            np.minimum.at(best, self.owner[complete], (self.place - begin + 1)[complete].astype(np.float64))
        return np.where(held > 0, held / best, 0.0)

    def bigrams(self, asked: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,): the share of neighbouring pairs of the query (``asked``, its distinct terms in order) that
        stand as neighbours somewhere; NaN for a query without a pair."""
        pairs = np.unique(asked[:-1] * self.width + asked[1:])
        if not len(pairs):
            return np.full(len(self.texts), np.nan)
        both = np.flatnonzero(self.place[1:] == self.place[:-1] + 1)
        both = both[_inside(self.texts, self.place[both], self.owner[both], 2)]
        here = self.term[both] * self.width + self.term[both + 1]
        wanted = np.isin(here, pairs)
        cells = np.unique(self.owner[both[wanted]] * len(pairs) + np.searchsorted(pairs, here[wanted]))
        return np.bincount(cells // len(pairs), minlength=len(self.texts)) / len(pairs)


def _share(held: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) of (n, terms): the weight that is held of all there is; NaN where there is none."""
    total = weights.sum()
    return held @ weights / total if total > 0 else np.full(len(held), np.nan)


def _bm25(
    counts: NDArray[np.int64], idf: NDArray[np.float64], lengths: NDArray[np.int64]
) -> NDArray[np.float64]:
    usual = lengths.mean() if len(lengths) and lengths.any() else 1.0
    norms = _K1 * (1 - _B + _B * lengths / usual)
    return np.asarray(counts * (_K1 + 1) / (counts + norms[:, None]) @ idf)


def _phrase(asked: Hashes, texts: Texts, whole_title: bool = False) -> NDArray[np.float64]:
    """(n,): 1 where the query stands as it is, anywhere or as the title; NaN for a query without terms."""
    m = len(asked)
    if not m:
        return np.full(len(texts), np.nan)
    found = np.zeros(len(texts))
    if whole_title:
        rows = np.flatnonzero(texts.titles == m)
        places = texts.starts[rows]
    else:
        places = np.flatnonzero(texts.terms[: len(texts.terms) - m + 1] == asked[0])
        rows = np.searchsorted(texts.starts, places, "right") - 1
        inside = _inside(texts, places, rows, m)
        places, rows = places[inside], rows[inside]
    same = (texts.terms[places[:, None] + np.arange(m)] == asked).all(axis=1)
    found[rows[same]] = 1
    return found


def _inside(
    texts: Texts, place: NDArray[np.int64], owner: NDArray[np.int64], width: int
) -> NDArray[np.bool_]:
    """Which stretches of ``width`` terms lie in one field of their candidate."""
    border = texts.starts[owner] + texts.titles[owner]
    end = np.where(place < border, border, texts.starts[owner + 1])
    return np.asarray(place + width <= end)
