"""The best k of a disjunction without the whole lists of its commonest terms, by MaxScore (Turtle and
Flood, Information Processing & Management, 1995).

tantivy would prune by itself, but its Python binding collects through a MultiCollector, and so reads every
list to its end. Here the question is put in two parts instead: a document must contain one of the
*essential* terms, the rarest, and the others only add to its score. Who contains no essential term scores
less than the bounds of the others together; if the k-th found scores more than that, the best k are found.
Otherwise its score says how many terms must be essential.

To seek a document in a list costs more than to meet it there, so this pays only beside words that stand in
a tenth of all documents or more. Elsewhere the question is put as a whole, as it is where lists are short.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import log
from typing import Final, NamedTuple

K1: Final = 1.2
LEAST_POSTINGS: Final = 100_000
"""Shorter lists than these, together, are read in two milliseconds, and no plan is made."""
_SEEK: Final = 2.0  # postings read in a row in the time that one document is sought
_WORTH: Final = 0.5  # of the time that all lists take
_MORE: Final = 0.08  # of a term's score is what each other term adds to the k-th best, or more
_MOST_SOUGHT: Final = 64  # one inside the other


class Term(NamedTuple):
    """A term of a query: how long its lists are in all, more than a document can score by it, and what a
    document of average length scores that has it once."""

    text: str
    repeats: int
    postings: int
    bound: float
    once: float


def idf(frequency: int, documents: int) -> float:
    """Lucene's, which grows with ``documents``."""
    return log(1.0 + (documents - frequency + 0.5) / (frequency + 0.5))


class Plan:
    """Which of a query's ``terms`` to look for: numbers of essential ones, of which a smaller is tried
    before a larger, and None says to look for all."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = sorted(terms, key=lambda term: term.postings)
        self._postings = list(accumulate((term.postings for term in self.terms), initial=0))
        rounding = 1.0 + 1e-6 * len(terms)  # of float32 sums, in whatever order
        bounds = accumulate((rounding * term.bound for term in reversed(self.terms)), initial=0.0)
        self._rest = list(bounds)[::-1]

    def rest(self, essential: int) -> float:
        """More than all but the ``essential`` rarest terms add together."""
        return self._rest[essential]

    def first(self, wanted: float) -> int | None:
        """The number to begin with: enough, if ``wanted`` documents score what those do, likely, that have
        one of the rarest terms."""
        rare = max(bisect_left(self._postings, wanted), 1)
        if rare >= len(self.terms):
            return None
        return self.next(0, self.terms[rare - 1].once * (1.0 + _MORE * len(self.terms)))

    def next(self, essential: int, score: float) -> int | None:
        """The number to go on with when the k-th best has ``score``, more than ``essential``."""
        more = range(essential + 1, len(self.terms))
        return next((self._if_worth(number) for number in more if self._rest[number] < score), None)

    def _if_worth(self, essential: int) -> int | None:
        met, others = self._postings[essential], self.terms[essential:]
        cost = met + _SEEK * sum(min(met, term.postings) for term in others)
        worth = cost < _WORTH * self._postings[-1] and len(others) <= _MOST_SOUGHT
        return essential if worth else None
