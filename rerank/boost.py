"""Boosts: rank recent or popular documents higher than their fused scores alone would."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.limits import shown
from hybrid.rerank.features import METADATA, column
from hybrid.rerank.ordering import Values, standard
from hybrid.types import Candidates

_DAY: Final = 86_400.0


@dataclass(frozen=True)
class Recency:
    """score = z(fused score) + ``weight`` * 2 ** (-age / ``half_life``): a boost that halves every
    ``half_life`` days. z standardises within the query.

    ``field`` is the metadata path of a date (ISO 8601) or of seconds since 1970; the age is measured from
    it to ``now`` (seconds since 1970; None: the time of the query) and is 0 for dates in the future. A
    document without a date gets no boost. Raises QueryError for a ``half_life`` that is not above 0 and
    for a ``weight`` below 0. The exponential prior is from Li and Croft, "Time-Based Language Models",
    CIKM 2003.
    """

    field: str
    half_life: float
    weight: float = 1.0
    now: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.half_life) or self.half_life <= 0:
            raise QueryError(
                f"Recency: half_life is {shown(self.half_life)}; it must be a number of days above 0"
            )
        _check_weight("Recency", self.weight)

    @property
    def features(self) -> tuple[str, ...]:
        return (METADATA + self.field,)

    def __call__(
        self, _query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]]
    ) -> Candidates:
        dates = column(features, METADATA + self.field, self).astype(np.float64)
        now = time.time() if self.now is None else self.now
        ages = np.maximum(now - dates, 0) / _DAY
        return _boosted(candidates, self.weight * 2 ** (-ages / self.half_life))


@dataclass(frozen=True)
class Popularity:
    """score = z(fused score) + ``weight`` * log(1 + n), where n is the number under the metadata path
    ``field``: sales, links, readers. z standardises within the query.

    A document without a number, or with one below 0, gets no boost. Raises QueryError for a ``weight``
    below 0.
    """

    field: str
    weight: float = 0.1

    def __post_init__(self) -> None:
        _check_weight("Popularity", self.weight)

    @property
    def features(self) -> tuple[str, ...]:
        return (METADATA + self.field,)

    def __call__(
        self, _query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]]
    ) -> Candidates:
        counts = column(features, METADATA + self.field, self).astype(np.float64)
        # A number too large for float32 arrives as infinity; log1p of the largest float32 is 89.
        counts = np.clip(counts, 0, np.finfo(np.float32).max)
        return _boosted(candidates, self.weight * np.log1p(counts))


def _check_weight(name: str, weight: float) -> None:
    if not math.isfinite(weight) or weight < 0:
        raise QueryError(f"{name}: weight is {shown(weight)}; it must be a number of 0 or more")


def _boosted(candidates: Candidates, boosts: Values) -> Candidates:
    scores = standard(candidates.scores) + np.nan_to_num(boosts, nan=0.0)
    return Candidates.ranked(candidates.ordinals, scores.astype(np.float32))
