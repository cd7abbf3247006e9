"""Score normalisers: map one list's scores to a scale on which they can be added to another list's.

A list adds 0 for a document that it lacks, so each normaliser maps to values of 0 or more, where 0 is the
worst. If all scores of a list are equal, all become 1: there is no spread to divide by, and a document that
was found is better than one that was not. All compute in float64, where no float32 score can overflow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.limits import shown
from hybrid.types import Scores

ROUNDING: Final = 5e-7  # a few units in the last place of a float32
Normalized: TypeAlias = NDArray[np.float64]


class Normalizer(Protocol):
    """A value: frozen, comparable, readable as text (``ZScore()``)."""

    def __call__(self, scores: Scores, floor: float | None, /) -> Normalized:
        """Return finite float64 (n,), 0 or more, aligned with ``scores`` (n,), which may be in any order;
        ``floor`` is the lowest score that the leg can give, or None (see ``hybrid.types.Candidates``)."""
        ...


@dataclass(frozen=True, slots=True)
class MinMax:
    """(s - min) / (max - min): the worst of the list becomes 0, the best 1."""

    def __call__(self, scores: Scores, _floor: float | None) -> Normalized:
        worst, best = _range(scores)
        if _flat(worst, best):
            return np.ones(len(scores))
        return _scale(scores, worst, best - worst)


@dataclass(frozen=True, slots=True)
class TheoreticalMinMax:
    """(s - floor) / (max - floor), where the floor is the lowest score that the leg can give.

    More stable than the observed minimum, which depends on the depth of the list. A list without a known
    floor uses its minimum. Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval",
    TOIS 2023.
    """

    def __call__(self, scores: Scores, floor: float | None) -> Normalized:
        worst, best = _range(scores)
        if _flat(worst, best):
            return np.ones(len(scores))
        # A computed cosine may be -1.0000001, so keep the floor at or below the minimum.
        low = worst if floor is None else min(floor, worst)
        return _scale(scores, low, best - low)


@dataclass(frozen=True, slots=True)
class ZScore:
    """(s - mean) / sd, shifted so that the lowest is 0: (s - min) / sd, sd of the population.

    The shift adds one constant to a whole list, so it does not change the order of the list's documents;
    without it a document that the list lacks (0) would beat every document below the mean.
    """

    def __call__(self, scores: Scores, _floor: float | None) -> Normalized:
        worst, best = _range(scores)
        if _flat(worst, best):
            return np.ones(len(scores))
        wide = scores.astype(np.float64)
        return (wide - worst) / _deviation(wide - _mean(wide))


@dataclass(frozen=True, slots=True)
class Softplus:
    """log(1 + exp(z)), z the z-score of the list.

    Summed over lists this ranks by 1 - product of (1 - sigmoid(z)), a noisy or: a low rank in one list
    costs little, a high rank in one is enough to count.
    """

    def __call__(self, scores: Scores, _floor: float | None) -> Normalized:
        if _flat(*_range(scores)):
            return np.ones(len(scores))
        return np.logaddexp(0, standardized(scores.astype(np.float64), noise=0))


@dataclass(frozen=True, slots=True)
class Distribution:
    """Distribution-based: (s - low) / (high - low), low and high = mean -+ 3 sd of the population.

    A score below low becomes 0, like a document that the list lacks. One above high exceeds 1 and is not
    clipped: clipping would tie a list's outliers, the documents that it is surest of. Mazzeschi,
    "Distribution-Based Score Fusion", 2023.
    """

    def __call__(self, scores: Scores, _floor: float | None) -> Normalized:
        if _flat(*_range(scores)):
            return np.ones(len(scores))
        from_mean = scores.astype(np.float64)
        from_mean -= _mean(from_mean)
        deviation = _deviation(from_mean)
        return np.maximum((from_mean + 3 * deviation) / (6 * deviation), 0)


NORMALIZERS: Final[Mapping[str, type[Normalizer]]] = MappingProxyType(
    {
        "min-max": MinMax,
        "theoretical-min-max": TheoreticalMinMax,
        "z-score": ZScore,
        "softplus": Softplus,
        "distribution": Distribution,
    }
)
"""The names that stand for a normaliser in text."""


def normalizer(owner: str, given: Normalizer | str) -> Normalizer:
    """Return a normaliser, given it or its name. Raises QueryError, naming ``owner``, for anything else."""
    if isinstance(given, str):
        if given not in NORMALIZERS:
            raise QueryError(
                f"{owner}: normalize is {shown(given)}; it must be one of {', '.join(NORMALIZERS)}"
            )
        return NORMALIZERS[given]()
    if not callable(given) or isinstance(given, type):
        raise QueryError(f"{owner}: normalize is {shown(given)}; give a normaliser, such as MinMax()")
    return given


def _range(scores: Scores) -> tuple[float, float]:
    return (float(scores.min()), float(scores.max())) if len(scores) else (0.0, 0.0)


def _flat(worst: float, best: float) -> bool:
    """Whether all scores are equal, up to rounding in float32. Without this tolerance, equal documents
    whose scores were summed in a different order would be spread over the whole scale."""
    return best - worst <= ROUNDING * max(abs(best), abs(worst))


def standardized(scores: Normalized, noise: float) -> Normalized:
    """Return z-scores (population); all 0 if the standard deviation is at most ``noise``."""
    from_mean = scores - _mean(scores)
    deviation = _deviation(from_mean)
    return from_mean / deviation if deviation > noise else np.zeros(len(scores))


def _scale(scores: Scores, low: float, width: float) -> Normalized:
    return (scores.astype(np.float64) - low) / width


def _mean(scores: Normalized) -> float:
    return float(scores.sum()) / len(scores)  # a third of the time of ``np.mean``


def _deviation(from_mean: Normalized) -> float:
    """Return the standard deviation of the population, in a fifth of the time of ``np.std``."""
    return math.sqrt(from_mean @ from_mean / len(from_mean))
