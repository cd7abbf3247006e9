"""What the legs know of the candidates of a query, and of its words, beyond their lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from hybrid.fusion import QueryTerms
from hybrid.lexical.terms import Weighted, field_of
from hybrid.okapi import K1, idf
from hybrid.order import Pool
from hybrid.search.source import Source, Words
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
        most = _most(lexical, self._words, frequencies)
        return QueryTerms(self._words, frequencies, lexical.documents, most)

    def scores(self, numbers: Ordinals) -> Scores:
        return self._known[0][self._part(numbers)]

    def vectors(self, numbers: Ordinals) -> Matrix:
        return self._known[1][self._part(numbers)]

    def terms(self) -> QueryTerms:
        return self._terms

    def _part(self, numbers: Ordinals) -> slice | Ordinals:
        """Mostly these are all, and nothing is copied."""
        return slice(None) if np.array_equal(numbers, np.arange(len(self._pool))) else numbers


def _most(lexical: Words, words: Sequence[str], frequencies: Sequence[int]) -> float:
    """The largest BM25 that a passage of average length can have of the query's own words: one of n terms
    has at most n of them, the rarest, and each gives up to (k1 + 1) * idf. Terms with weights, such as
    synonyms, are not counted: they stand for these words. 0 if none of these occurs."""
    asked = zip(words, frequencies, strict=True)
    own = [one for one in asked if field_of(one[0]) == "terms" and not isinstance(one[0], Weighted)]
    if not any(frequency for _, frequency in own):
        return 0.0
    counts = Counter(own).items()
    rarest = sorted((n * max(0.0, idf(f, lexical.documents)) for (_, f), n in counts), reverse=True)
    room = lexical.average([word for word, _ in own])
    return (K1 + 1) * sum(weight * min(1.0, max(0.0, room - n)) for n, weight in enumerate(rarest))


def rarity(source: Source, words: Sequence[str]) -> dict[str, float]:
    """The idf of each of ``words``."""
    lexical = source.lexical
    frequencies = zip(words, lexical.frequencies(words), strict=True)
    return {word: max(0.0, idf(frequency, lexical.documents)) for word, frequency in frequencies}
