"""Signals: cheap hints, from the two lists and the query, about which leg to trust.

Each is a number from -1 to 1. Signals of the lists are positive where the vector leg looks more certain,
except `overlap`, which favours neither; they need lists that are not empty, do not depend on the scale of
the scores, and are 0 for lists that look alike. Signals of the query are 0 if its terms are not known. The
constants are round figures close to those of collections of questions and of keywords; none is fitted to
judgments. Clarity (Cronen-Townsend, Zhou and Croft, SIGIR 2002) is left out: it has to read the documents.
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
_USUAL_OVERLAP: Final = 3  # shared documents among the first ten
_USUAL_LENGTH: Final = 6  # terms
_WIDE_GAP: Final = 4.0  # standard deviations; the difference is rarely more
_Z: Final = ZScore()
_han: Final = regex.compile(r"\p{Han}")


def gap(lexical: Candidates, vector: Candidates) -> float:
    """tanh((z(first of vector) - z(first of lexical)) / 4): which list's first candidate stands out more.

    z is the z-score within the list. That widely spread scores are a good sign is the idea of NQC: Shtok,
    Kurland, Carmel, Raiber and Markovits, "Predicting Query Performance by Query-Drift Estimation", TOIS
    2012.
    """
    return math.tanh((_lead(vector) - _lead(lexical)) / _WIDE_GAP)


def entropy(lexical: Candidates, vector: Candidates) -> float:
    """H(lexical) - H(vector): H is the entropy of softmax(z), divided by its largest value, log n.

    H is 1 for a flat list and for a list of one candidate, which says nothing; it is near 0 if one
    candidate dominates.
    """
    return _flatness(lexical) - _flatness(vector)


def overlap(lexical: Candidates, vector: Candidates) -> float:
    """(n - 3) / (n + 3), n the number of documents that the first ten of both lists share.

    Lists that agree are mostly right: Yom-Tov, Fine, Carmel and Darlow, "Learning to Estimate Query
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
    """2 s - 1, s the share of rare terms: those in at least one document and at most sqrt(N) of N.

    A term that is in no document does not help the lexical leg, so it is not counted as rare.
    """
    most = math.sqrt(query.documents)
    return _side(sum(0 < n <= most for n in query.frequencies), len(query.frequencies))


def han(query: QueryTerms) -> float:
    """2 s - 1, s the share of Chinese characters in the terms: 1 if all are Chinese, -1 if none is."""
    text = "".join(query.terms)
    return _side(len(_han.findall(text)), len(text))


OF_LISTS: Final[Mapping[str, Callable[[Candidates, Candidates], float]]] = MappingProxyType(
    {"gap": gap, "entropy": entropy, "overlap": overlap}
)
"""The signals computed from the lists alone, by name."""

OF_QUERY: Final[Mapping[str, Callable[[QueryTerms], float]]] = MappingProxyType(
    {"length": length, "rarity": rarity, "han": han}
)
"""The signals of the query, by name."""


def _lead(leg: Candidates) -> float:
    """Return the z-score of the first candidate; 0 for a flat list."""
    z = _Z(leg.scores, leg.floor)  # shifted so that the lowest is 0
    return float(z[0] - z.sum() / len(z))


def _flatness(leg: Candidates) -> float:
    """Return the entropy of softmax(z), divided by its largest value."""
    if len(leg) < 2:
        return 1.0
    z = _Z(leg.scores, leg.floor)
    behind = z - z[0]  # the first is the largest: nothing overflows
    odds = np.exp(behind)
    total = float(odds.sum())
    return (math.log(total) - float(odds @ behind) / total) / math.log(len(leg))


def _beside(count: int, usual: int) -> float:
    """Compare a count with the usual one: -1 for 0, 0 for the usual, 1/3 for twice that, approaching 1."""
    return (count - usual) / (count + usual)


def _side(some: int, of: int) -> float:
    return 2 * some / of - 1 if of else 0.0
