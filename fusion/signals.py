"""Signals: what the two lists and the query say, free of charge, about which leg to trust.

Each is one number from -1 to 1. Those of the lists are positive where the vector leg looks the surer one,
except `overlap`, which takes no side; they want lists that are not empty, do not depend on the scale of the
scores, and are 0 for lists that look alike. Those of the query are 0 where its terms are not known. The
constants are round figures near what collections of questions and of keywords show; none is fitted to
judgments. Clarity (Cronen-Townsend, Zhou and Croft, SIGIR 2002) is not here: it reads the documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import regex

from hybrid.fusion.evidence import QueryTerms
from hybrid.fusion.normalize import ZScore
from hybrid.types import Candidates

_TOP: Final = 10
_USUAL_OVERLAP: Final = 3  # documents of the first ten
_USUAL_LENGTH: Final = 6  # terms
_WIDE_GAP: Final = 4.0  # standard deviations; the difference is rarely more
_Z: Final = ZScore()
_han: Final = regex.compile(r"\p{Han}")


def gap(lexical: Candidates, vector: Candidates) -> float:
    """tanh((z(first of vector) - z(first of lexical)) / 4): whose first candidate stands out further.

    z is the z-score within the list. That scattered scores are a good sign is the idea of NQC: Shtok,
    Kurland, Carmel, Raiber and Markovits, "Predicting Query Performance by Query-Drift Estimation", TOIS
    2012.
    """
    return math.tanh((_lead(vector) - _lead(lexical)) / _WIDE_GAP)


def entropy(lexical: Candidates, vector: Candidates) -> float:
    """H(lexical) - H(vector): H is the entropy of softmax(z), divided by its largest value, log n.

    1 is a flat list, and one of a single candidate, which says nothing; near 0 one candidate has it all.
    """
    return _flatness(lexical) - _flatness(vector)


def overlap(lexical: Candidates, vector: Candidates) -> float:
    """(n - 3) / (n + 3), n how many documents the first ten of both lists share.

    Where lists agree they are mostly right: Yom-Tov, Fine, Carmel and Darlow, "Learning to Estimate Query
    Difficulty", SIGIR 2005.
    """
    shared = set(lexical.ordinals[:_TOP].tolist()) & set(vector.ordinals[:_TOP].tolist())
    return _beside(len(shared), _USUAL_OVERLAP)


def length(query: QueryTerms) -> float:
    """(n - 6) / (n + 6), n the number of terms: -0.7 for one, 0 for six, 1/3 for a dozen.

    He and Ounis, "Inferring Query Performance Using Pre-retrieval Predictors", SPIRE 2004.
    """
    return _beside(len(query.terms), _USUAL_LENGTH) if query.terms else 0.0


def rarity(query: QueryTerms) -> float:
    """2 s - 1, s the share of terms that are rare: in some document, but in at most sqrt(N) of N.

    A term that is in no document gives the lexical leg nothing to go by, so it is not among the rare.
    """
    most = math.sqrt(query.documents)
    return _side(sum(0 < n <= most for n in query.frequencies), len(query.frequencies))


def han(query: QueryTerms) -> float:
    """2 s - 1, s the share of Han among the characters of the terms: 1 all Chinese, -1 none."""
    text = "".join(query.terms)
    return _side(len(_han.findall(text)), len(text))


OF_LISTS: Final[Mapping[str, Callable[[Candidates, Candidates], float]]] = MappingProxyType(
    {"gap": gap, "entropy": entropy, "overlap": overlap}
)
"""The signals that need nothing but the lists, by name."""

OF_QUERY: Final[Mapping[str, Callable[[QueryTerms], float]]] = MappingProxyType(
    {"length": length, "rarity": rarity, "han": han}
)
"""The signals of the query, by name."""


def _lead(leg: Candidates) -> float:
    """The z-score of the first candidate; 0 in a flat list."""
    z = _Z(leg.scores, leg.floor)  # shifted to a lowest of 0
    return float(z[0] - z.sum() / len(z))


def _flatness(leg: Candidates) -> float:
    """The entropy of softmax(z) by its largest value."""
    if len(leg) < 2:
        return 1.0
    z = _Z(leg.scores, leg.floor)
    behind = z - z[0]  # the first is the largest: nothing overflows
    odds = np.exp(behind)
    total = float(odds.sum())
    return (math.log(total) - float(odds @ behind) / total) / math.log(len(leg))


def _beside(count: int, usual: int) -> float:
    """-1 for none, 0 for as many as usual, 1/3 for twice as many, towards 1 beyond."""
    return (count - usual) / (count + usual)


def _side(some: int, of: int) -> float:
    return 2 * some / of - 1 if of else 0.0
