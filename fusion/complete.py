"""Both lists over all candidates: what a score fusion may ask for before it standardises."""

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
    """Each list, neither of them empty, with the other's documents.

    A document that only the lexical leg found gets its similarity, which costs one product of vectors. One
    that only the vector leg found gets BM25's floor of 0: it contains no term of the query, or its score
    lies below the list's last.
    """
    ordinals, places = pooled((lexical, vector))
    words = np.zeros(len(ordinals), np.float32)
    words[places[: len(lexical)]] = lexical.scores
    near = np.array(evidence.scores(ordinals))
    near[places[len(lexical) :]] = vector.scores
    return Complete(ordinals, words, near)
