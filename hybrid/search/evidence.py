"""What the legs know of the candidates of a query, and of its words, beyond their lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hybrid.fusion import QueryTerms
from hybrid.lexical.terms import Weighted, field_of
from hybrid.okapi import idf
from hybrid.order import Pool
from hybrid.search.source import Source
from hybrid.search.steps import step
from hybrid.types import Matrix, Ordinals, Scores


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
        covered = _covered(self._words, frequencies, lexical.documents)
        return QueryTerms(self._words, frequencies, lexical.documents, covered)

    def scores(self, numbers: Ordinals) -> Scores:
        return self._known[0][self._part(numbers)]

    def vectors(self, numbers: Ordinals) -> Matrix:
        return self._known[1][self._part(numbers)]

    def terms(self) -> QueryTerms:
        return self._terms

    def _part(self, numbers: Ordinals) -> slice | Ordinals:
        """Mostly these are all, and nothing is copied."""
        return slice(None) if np.array_equal(numbers, np.arange(len(self._pool))) else numbers


def _covered(words: Sequence[str], frequencies: Sequence[int], documents: int) -> float:
    """The share of the idf of a query's own words that is of words in the index; 1 for a query without such
    words. Terms with weights, such as synonyms, are not counted: they stand for these words."""
    asked = zip(words, frequencies, strict=True)
    own = [n for word, n in asked if field_of(word) == "terms" and not isinstance(word, Weighted)]
    rarities = [max(0.0, idf(n, documents)) for n in own]
    known = sum(rarity for rarity, n in zip(rarities, own, strict=True) if n)
    return known / total if (total := sum(rarities)) else 1.0


def rarity(source: Source, words: Sequence[str]) -> dict[str, float]:
    """The idf of each of ``words``."""
    lexical = source.lexical
    frequencies = zip(words, lexical.frequencies(words), strict=True)
    return {word: max(0.0, idf(frequency, lexical.documents)) for word, frequency in frequencies}
