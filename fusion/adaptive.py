"""Score fusion whose weights depend on a signal of each query."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hybrid.errors import QueryError
from hybrid.fusion.evidence import Evidence, QueryTerms
from hybrid.fusion.linear import Linear
from hybrid.fusion.normalize import Normalizer, Softplus, normalizer
from hybrid.fusion.parts import Parts
from hybrid.fusion.signals import OF_LISTS, OF_QUERY
from hybrid.limits import shown
from hybrid.types import Candidates

_SIGNALS: Final = (*OF_LISTS, *OF_QUERY)
_STEEPEST: Final = 100
"""With a steeper slope the weight is in effect a step from 0 to 1."""


@dataclass(frozen=True, slots=True, init=False)
class Adaptive:
    """`Linear` over completed lists, with a vector weight of sigmoid(bias + slope * signal) for each query.

    ``signal`` is a name: "gap", "entropy", "overlap", "length", "rarity" or "han"; see
    ``hybrid.fusion.signals``. All lie in [-1, 1], so with a ``slope`` of 1 and no ``bias`` the weight
    ranges from .27 to .73; the larger the signal, the more the vector leg counts (the less, if the slope
    is negative). The signal is 0 if a list is empty; signals of the query are 0 in the plain call, which
    has no evidence. Meant to be tuned on your own judgments: on collections that it was not fitted to, it
    was no better than equal weights. Raises QueryError for an unknown ``signal``, for a ``slope`` or
    ``bias`` that is not a number from -100 to 100, and if called with any number of lists but two.
    Compare Markovits, Shtok, Kurland and Carmel, "Predicting Query Performance for Fusion-Based
    Retrieval", CIKM 2012.
    """

    signal: str
    slope: float
    bias: float
    normalize: Normalizer

    def __init__(
        self,
        signal: str = "gap",
        slope: float = 1.0,
        bias: float = 0.0,
        normalize: Normalizer | str = Softplus(),  # noqa: B008 - frozen
    ) -> None:
        if not isinstance(signal, str) or signal not in _SIGNALS:
            raise QueryError(
                f"Adaptive: signal is {shown(signal)}; it must be one of {', '.join(_SIGNALS)}"
            )
        object.__setattr__(self, "signal", signal)
        object.__setattr__(self, "slope", _checked("slope", slope))
        object.__setattr__(self, "bias", _checked("bias", bias))
        object.__setattr__(self, "normalize", normalizer("Adaptive", normalize))

    def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence) -> Candidates:
        return self._linear(legs, evidence.terms).informed(legs, limit, evidence)

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return self._linear(legs, QueryTerms)(legs, limit)

    def parts(self, legs: Sequence[Candidates], evidence: Evidence) -> Parts:
        return self._linear(legs, evidence.terms).parts(legs, evidence)

    def _linear(self, legs: Sequence[Candidates], terms: Callable[[], QueryTerms]) -> Linear:
        """Return the combination for this query; ``terms`` is called only by signals that need it."""
        if len(legs) != 2:
            raise QueryError(f"{self!r} weighs 2 lists, lexical and vector; it was given {len(legs)}")
        leaning = self.bias + self.slope * self._measured(legs, terms)
        vector = (1 + math.tanh(leaning / 2)) / 2  # the sigmoid; unlike exp, tanh cannot overflow
        return Linear((1 - vector, vector), self.normalize, complete=True)

    def _measured(self, legs: Sequence[Candidates], terms: Callable[[], QueryTerms]) -> float:
        if not all(map(len, legs)):
            return 0.0
        if self.signal in OF_LISTS:
            return OF_LISTS[self.signal](*legs)
        return OF_QUERY[self.signal](terms())


def _checked(name: str, value: float) -> float:
    # NaN fails the comparison.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= _STEEPEST:
        raise QueryError(
            f"Adaptive: {name} is {shown(value)}; it must be a number from -{_STEEPEST} to {_STEEPEST}"
        )
    return float(value)
