"""What a fusion may ask about candidates beyond the lists that it fuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hybrid.types import Candidates, Matrix, Ordinals, Scores


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """The ``terms`` of a query in order, repeats included, and their document ``frequencies``, aligned, in
    an index of so many ``documents``. Without arguments: no text, or a query that is not known."""

    terms: Sequence[str] = ()
    frequencies: Sequence[int] = ()
    documents: int = 0


class Evidence(Protocol):
    """What the vector leg knows of any candidate of either list, whether it ranked it or not, and the
    lexical leg of the query."""

    def scores(self, ordinals: Ordinals, /) -> Scores:
        """float32 (n,): the leg's score; NaN for a document without a vector."""
        ...

    def vectors(self, ordinals: Ordinals, /) -> Matrix:
        """float32 (n, dim), of unit length: the window nearest to the query; zeros where there is none."""
        ...

    def terms(self) -> QueryTerms:
        """The query as the lexical leg reads it."""
        ...


class Informed(Protocol):
    """A fusion that asks. The engine calls this in place of the plain call."""

    def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence, /) -> Candidates:
        """Fuse ``legs`` (lexical, vector) and keep the best ``limit``."""
        ...
