"""The weights of a fusion, one per list, as callers give them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from hybrid.errors import QueryError
from hybrid.limits import shown
from hybrid.types import Candidates

LEGS: Final = ("lexical", "vector")
Weights: TypeAlias = Sequence[float] | Mapping[str, float]


def checked(owner: str, given: Weights) -> tuple[float, ...]:
    """Check weights. Raises QueryError, naming ``owner``, if one is negative or not finite or all are 0."""
    if isinstance(given, Mapping):
        if set(given) != set(LEGS):
            raise QueryError(f"{owner}: weights name {shown(list(given))}; name {' and '.join(LEGS)}")
        given = [given[leg] for leg in LEGS]
    try:
        if isinstance(given, (str, bytes)):
            raise TypeError
        weights = tuple(float(weight) for weight in given)
    except (TypeError, ValueError, OverflowError) as cause:
        raise QueryError(
            f"{owner}: weights are {shown(given)}; give one number a list, (0.5, 0.5)"
        ) from cause
    # NaN fails the first comparison, infinity the last.
    if not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < math.inf:
        raise QueryError(
            f"{owner}: weights are {shown(weights)}; they must be finite, 0 or more, and not all 0"
        )
    return weights


def counting(weights: Sequence[float], legs: Sequence[Candidates]) -> Sequence[float]:
    """Return ``weights``, or 1 for each if every list with candidates has weight 0: otherwise all would
    tie, and the order of ties would decide the ranking."""
    answering = any(weight and len(leg) for weight, leg in zip(weights, legs, strict=True))
    return weights if answering else (1.0,) * len(weights)


def check_count(owner: object, weights: Sequence[float], legs: Sequence[Candidates]) -> None:
    """Raises QueryError unless there is one weight per list."""
    if len(legs) != len(weights):
        raise QueryError(f"{owner!r} has {len(weights)} weights for {len(legs)} lists; give one a list")
