"""Score normalisers: one list's scores onto a scale that can be added to another list's.

A document that a list lacks counts 0 there, so each of these maps onto values of 0 and more, where 0
is the worst. If all scores of a list are equal, each gives 1: there is no spread to divide by, and a
document that was found is better than one that was not. All compute in float64, where no float32 score
can overflow.
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

_ROUNDING: Final = 5e-7  # a few units in the last place of a float32
Normalized: TypeAlias = NDArray[np.float64]


class Normalizer(Protocol):
    """A value: frozen, comparable, readable as text (``ZScore()``)."""

    def __call__(self, scores: Scores, floor: float | None, /) -> Normalized:
        """Finite float64 (n,), 0 or more, aligned with ``scores`` (n,), which stand in any order; ``floor``
        is the lowest score that the leg could ever give, or None (see ``hybrid.types.Candidates``)."""
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
    """(s - floor) / (max - floor), where the floor is the lowest score that the leg could ever give.

    Steadier than the observed minimum, which depends on how deep the list is. A list whose floor
    theory does not know uses its minimum. Bruch, Gai and Ingber, "An Analysis of Fusion Functions for
    Hybrid Retrieval", TOIS 2023.
    """

    def __call__(self, scores: Scores, floor: float | None) -> Normalized:
        worst, best = _range(scores)
        if _flat(worst, best):
            return np.ones(len(scores))
        # A computed cosine may be -1.0000001: the floor is never above what was observed.
        low = worst if floor is None else min(floor, worst)
        return _scale(scores, low, best - low)


@dataclass(frozen=True, slots=True)
class ZScore:
    """(s - mean) / sd, shifted so that the lowest is 0: (s - min) / sd, sd of the population.

    The shift adds one constant to a whole list, so it changes no order among the documents that the
    list has; without it an absent document (0) would beat all that are below the mean.
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

    Added up over lists this ranks by 1 - product of (1 - sigmoid(z)), a noisy or: standing low in one list
    costs little, standing high in one already counts.
    """

    def __call__(self, scores: Scores, _floor: float | None) -> Normalized:
        if _flat(*_range(scores)):
            return np.ones(len(scores))
        return np.logaddexp(0, standardized(scores.astype(np.float64), noise=0))


@dataclass(frozen=True, slots=True)
class Distribution:
    """Distribution-based: (s - low) / (high - low), low and high = mean -+ 3 sd of the population.

    A score below low becomes 0, like an absent document. One above high passes 1 and is not cut:
    cutting would tie the best documents of a list that has outliers, the very ones it is sure of.
    Mazzeschi, "Distribution-Based Score Fusion", 2023.
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
    """A normaliser from itself or its name; QueryError, in the name of ``owner``, for anything else."""
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
    """Whether all scores are equal, up to what float32 rounds. Without the tolerance, equal documents
    scored in another order of summation would be spread over the whole scale."""
    return best - worst <= _ROUNDING * max(abs(best), abs(worst))


def standardized(scores: Normalized, noise: float) -> Normalized:
    """z-scores over the population; 0 where the scores differ by no more than ``noise``."""
    from_mean = scores - _mean(scores)
    deviation = _deviation(from_mean)
    return from_mean / deviation if deviation > noise else np.zeros(len(scores))


def _scale(scores: Scores, low: float, width: float) -> Normalized:
    return (scores.astype(np.float64) - low) / width


def _mean(scores: Normalized) -> float:
    return float(scores.sum()) / len(scores)  # a third of the time of ``np.mean``


def _deviation(from_mean: Normalized) -> float:
    """The standard deviation of the population; a fifth of the time of ``np.std``."""
    return math.sqrt(from_mean @ from_mean / len(from_mean))
