"""The parameters and the idf of Okapi BM25, in Lucene's form, which is also tantivy's."""

from __future__ import annotations

from math import log
from typing import Final

K1: Final = 1.2
B: Final = 0.75


def idf(frequency: int, documents: int) -> float:
    """Return log(1 + (N - n + 0.5) / (n + 0.5)) for a term in n of N documents. Negative if n exceeds N."""
    return log(1.0 + (documents - frequency + 0.5) / (frequency + 0.5))
