"""Complete both lists, so that every candidate has a score from each leg before scores are normalised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hybrid.fusion._merge import pooled
from hybrid.fusion.evidence import Evidence
from hybrid.types import Candidates, Ordinals, Scores


class Complete(NamedTuple):
    """Every candidate of two lists with its score in both: ``ordinals`` int64 (n,), ascending; ``lexical``
    and ``vector`` float32 (n,), the latter NaN for a document without a vector."""

    ordinals: Ordinals
    lexical: Scores
    vector: Scores


def complete(lexical: Candidates, vector: Candidates, evidence: Evidence) -> Complete:
    """Complete each list with the other's documents. Neither may be empty.

    A document found only by the lexical leg gets its similarity, at the cost of one inner product. A
    document found only by the vector leg gets BM25's floor of 0: it contains no term of the query, or it
    scores lower than the last of the list.
    """
    ordinals, places = pooled((lexical, vector))
    words = np.zeros(len(ordinals), np.float32)
    words[places[: len(lexical)]] = lexical.scores
    near = np.array(evidence.scores(ordinals))
    near[places[len(lexical) :]] = vector.scores
    return Complete(ordinals, words, near)
