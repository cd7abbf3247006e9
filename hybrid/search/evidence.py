"""What the legs know of the candidates of a query, and of its words, beyond their lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hybrid.fusion import QueryTerms
from hybrid.lexical.terms import Weighted, field_of
from hybrid.okapi import K1, idf
from hybrid.order import Pool
from hybrid.search.source import Source
from hybrid.search.steps import step
from hybrid.types import Matrix, Ordinals, Scores

_RAREST: Final = 8  # words of a query that one passage may be expected to hold


class Evidence:
    """What the legs know of a pool of candidates and of the query, worked out for all of it when first
    asked; see `hybrid.fusion.Evidence`."""

    def __init__(self, source: Source, vector: Scores | None, pool: Pool, words: Sequence[str]) -> None:
        self._source, self._vector, self._pool, self._words = source, vector, pool, words

    @step
    def _known(self) -> tuple[Scores, Matrix]:
        assert self._vector is not None  # or the vector leg would have answered nothing
        return self._source.vectors.nearest(self._vector, self._pool.ordinals)

    @step
    def _terms(self) -> QueryTerms:
        lexical = self._source.lexical
        frequencies = lexical.frequencies(self._words)
        most = _most(self._words, frequencies, lexical.documents)
        return QueryTerms(self._words, frequencies, lexical.documents, most)

    def scores(self, numbers: Ordinals) -> Scores:
        return self._known[0][self._part(numbers)]

    def vectors(self, numbers: Ordinals) -> Matrix:
        return self._known[1][self._part(numbers)]

    def terms(self) -> QueryTerms:
        return self._terms

    def _part(self, numbers: Ordinals) -> slice | Ordinals:
        """Mostly these are all, and nothing is copied."""
        everyone = self._everyone
        return slice(None) if len(numbers) == len(everyone) and (numbers == everyone).all() else numbers

    @step
    def _everyone(self) -> Ordinals:
        return np.arange(len(self._pool))


def _most(words: Sequence[str], frequencies: Sequence[int], documents: int) -> float:
    """The largest BM25 score that the rarest of a query's own words can give: (k1 + 1) * idf each. They are
    eight, since no passage has all words of a long question. Terms with weights, such as synonyms, are not
    counted: they stand for these words. 0 without such words."""
    asked = zip(words, frequencies, strict=True)
    own = [n for word, n in asked if field_of(word) == "terms" and not isinstance(word, Weighted)]
    rarities = sorted((max(0.0, idf(n, documents)) for n in own), reverse=True)
    return (K1 + 1) * sum(rarities[:_RAREST])


def rarity(source: Source, words: Sequence[str]) -> dict[str, float]:
    """The idf of each of ``words``."""
    lexical = source.lexical
    frequencies = zip(words, lexical.frequencies(words), strict=True)
    return {word: max(0.0, idf(frequency, lexical.documents)) for word, frequency in frequencies}
