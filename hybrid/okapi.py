"""The parameters and the idf of Okapi BM25, in Lucene's form, which is also tantivy's."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Final

K1: Final = 1.2
B: Final = 0.75


def idf(frequency: int, documents: int) -> float:
    """Return log(1 + (N - n + 0.5) / (n + 0.5)) for a term in n of N documents. Negative if n exceeds N."""
    return log(1.0 + (documents - frequency + 0.5) / (frequency + 0.5))


@dataclass(frozen=True)
class TermScore:
    """What one term of a query ``adds`` to a passage's score in one field:

        weight * idf * (K1 + 1) * tf / (tf + K1 * (1 - B + B * length / average))

    ``weight``: how often the query has it, times the title boost if that is the field. ``length``: the
    number of terms in the field, rounded as the index keeps it, which has ``average`` many; ``frequency``
    of the index's passages have the term.
    """

    term: str
    field: str
    weight: float
    tf: int
    idf: float
    length: int
    average: float
    frequency: int
    adds: float
