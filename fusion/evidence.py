"""Evidence: information about candidates, beyond the lists, that a fusion may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hybrid.types import Candidates, Matrix, Ordinals, Scores


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """The ``terms`` of a query in order, repeats included, their document ``frequencies``, aligned, the
    number of ``documents`` in the index, and the ``most``: a bound on the BM25 score that the eight rarest
    of the query's own words can give, 0 if it has none. Without arguments: a query without text, or an
    unknown one."""

    terms: Sequence[str] = ()
    frequencies: Sequence[int] = ()
    documents: int = 0
    most: float = 0.0


class Evidence(Protocol):
    """The vector leg's scores and vectors of all candidates, including those that it did not find, and the
    query's terms from the lexical leg."""

    def scores(self, ordinals: Ordinals, /) -> Scores:
        """Return the vector leg's scores, float32 (n,); NaN for a document without a vector."""
        ...

    def vectors(self, ordinals: Ordinals, /) -> Matrix:
        """Return the unit vector of each document's window nearest to the query, float32 (n, dim); zeros
        for a document without one."""
        ...

    def terms(self) -> QueryTerms:
        """Return the query's terms in the lexical leg."""
        ...


class Informed(Protocol):
    """A fusion that uses evidence. The engine calls ``informed`` instead of the fusion itself."""

    def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence, /) -> Candidates:
        """Fuse ``legs`` (lexical, vector) and keep the best ``limit``."""
        ...
