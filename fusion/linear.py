"""Score fusion: a convex combination of normalised scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hybrid.errors import QueryError
from hybrid.fusion._merge import merge
from hybrid.fusion.normalize import NORMALIZERS, Normalizer, TheoreticalMinMax
from hybrid.limits import shown
from hybrid.types import Candidates

_LEGS: Final = ("lexical", "vector")


@dataclass(frozen=True, slots=True, init=False)
class Linear:
    """Convex combination: score(d) = sum over lists of w * normalised score of d, absent counts 0.

    ``weights`` are one a list, in the order (lexical, vector), or a mapping with these two names. Only
    their proportions count: they are divided by their sum, so (3, 1) ranks and scores as (.75, .25).
    ``normalize`` is a normaliser or its name: "min-max", "theoretical-min-max", "z-score" or
    "distribution". ``complete`` has the engine score each list's documents by the other leg, too, before
    it calls this (``hybrid.fusion.complete``): no document is judged by one leg alone. QueryError if a
    weight is negative or not finite, if all are 0, and when called with another number of lists. Bruch,
    Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
    """

    weights: tuple[float, ...]
    normalize: Normalizer
    complete: bool

    def __init__(
        self,
        weights: Sequence[float] | Mapping[str, float] = (0.5, 0.5),
        normalize: Normalizer | str = TheoreticalMinMax(),  # noqa: B008 - frozen, so one will do for all
        complete: bool = False,
    ) -> None:
        object.__setattr__(self, "weights", _weights(weights))
        object.__setattr__(self, "normalize", _normalizer(normalize))
        if not isinstance(complete, bool):
            raise QueryError(f"Linear: complete is {shown(complete)}; it must be True or False")
        object.__setattr__(self, "complete", complete)

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        if len(legs) != len(self.weights):
            raise QueryError(
                f"{self!r} has {len(self.weights)} weights for {len(legs)} lists; give one a list"
            )
        total = sum(self.weights)
        terms = [w / total * self.normalize(leg) for w, leg in zip(self.weights, legs, strict=True)]
        return merge(legs, terms, limit)


def _weights(given: Sequence[float] | Mapping[str, float]) -> tuple[float, ...]:
    if isinstance(given, Mapping):
        if set(given) != set(_LEGS):
            raise QueryError(f"Linear: weights name {shown(list(given))}; name {' and '.join(_LEGS)}")
        given = [given[leg] for leg in _LEGS]
    try:
        if isinstance(given, (str, bytes)):
            raise TypeError
        weights = tuple(float(weight) for weight in given)
    except (TypeError, ValueError, OverflowError) as cause:
        raise QueryError(
            f"Linear: weights are {shown(given)}; give one number a list, (0.5, 0.5)"
        ) from cause
    # NaN fails the first comparison, infinity the last.
    if not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < math.inf:
        raise QueryError(
            f"Linear: weights are {shown(weights)}; they must be finite, 0 or more, and not all 0"
        )
    return weights


def _normalizer(given: Normalizer | str) -> Normalizer:
    if isinstance(given, str):
        if given not in NORMALIZERS:
            raise QueryError(
                f"Linear: normalize is {shown(given)}; it must be one of {', '.join(NORMALIZERS)}"
            )
        return NORMALIZERS[given]()
    if not callable(given) or isinstance(given, type):
        raise QueryError(f"Linear: normalize is {shown(given)}; give a normaliser, such as MinMax()")
    return given
