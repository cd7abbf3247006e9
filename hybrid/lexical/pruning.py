"""Find the best k of a disjunction without reading the whole posting lists of its commonest terms: MaxScore
(Turtle and Flood, Information Processing & Management, 1995).

tantivy itself can prune, but its Python binding collects through a MultiCollector and so reads every list
to the end. Here the query is split instead: a document must contain one of the *essential* terms, the
rarest, and the other terms only add to its score. A document without an essential term scores less than
the sum of the other terms' bounds; if the k-th hit scores more than that, the best k are found. Otherwise
its score tells how many terms must be essential.

Seeking a document in a list costs more than reading on to it, so this is faster only with words that
occur in a tenth of all documents or more. Otherwise, and for short lists, the query is run as a whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, NamedTuple

LEAST_POSTINGS: Final = 100_000
"""Lists shorter than this in total are read in two milliseconds, so no plan is made."""
_SEEK: Final = 2.0  # postings read sequentially in the time of one seek
_WORTH: Final = 0.5  # a plan must take less than this share of the time of reading all lists
_MORE: Final = 0.08  # each further term adds at least this share of a term's score to the k-th best
_MOST_SOUGHT: Final = 64  # nested clauses


class Term(NamedTuple):
    """A term of a query: the total length of its lists, an upper bound of its score in any document, and
    its score in a document of average length that contains it once."""

    text: str
    repeats: float
    postings: int
    bound: float
    once: float


class Plan:
    """Plans the number of essential terms of a query: smaller numbers are tried before larger ones; None
    means to run the query as a whole."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = sorted(terms, key=lambda term: term.postings)
        self._postings = list(accumulate((term.postings for term in self.terms), initial=0))
        rounding = 1.0 + 1e-6 * len(terms)  # of float32 sums, in any order
        bounds = accumulate((rounding * term.bound for term in reversed(self.terms)), initial=0.0)
        self._rest = list(bounds)[::-1]

    def rest(self, essential: int) -> float:
        """Return an upper bound of the score of all but the ``essential`` rarest terms together."""
        return self._rest[essential]

    def first(self, wanted: float) -> int | None:
        """Return the number to start with: enough if ``wanted`` documents reach the score that is likely
        for documents with one of the rarest terms."""
        rare = max(bisect_left(self._postings, wanted), 1)
        if rare >= len(self.terms):
            return None
        return self.next(0, self.terms[rare - 1].once * (1.0 + _MORE * len(self.terms)))

    def next(self, essential: int, score: float) -> int | None:
        """Return the next number above ``essential``, given that the k-th best has ``score``."""
        more = range(essential + 1, len(self.terms))
        return next((self._if_worth(number) for number in more if self._rest[number] < score), None)

    def _if_worth(self, essential: int) -> int | None:
        met, others = self._postings[essential], self.terms[essential:]
        cost = met + _SEEK * sum(min(met, term.postings) for term in others)
        worth = cost < _WORTH * self._postings[-1] and len(others) <= _MOST_SOUGHT
        return essential if worth else None
