"""CombSUM: the sum of normalised scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hybrid.fusion._merge import Terms, merge
from hybrid.fusion.evidence import Evidence
from hybrid.fusion.normalize import MinMax, Normalizer, normalizer
from hybrid.fusion.parts import Parts, by_leg
from hybrid.types import Candidates


@dataclass(frozen=True, slots=True, init=False)
class CombSUM:
    """score(d) = sum over any number of lists of the normalised score of d; a list that lacks d adds 0.

    ``normalize`` is a normaliser or its name; with "distribution" this is distribution-based score fusion
    (Mazzeschi 2023). Ranks as `Linear` does with equal weights. Fox and Shaw, "Combination of Multiple
    Searches", TREC-2, 1994.
    """

    normalize: Normalizer

    def __init__(self, normalize: Normalizer | str = MinMax()) -> None:  # noqa: B008 - frozen
        object.__setattr__(self, "normalize", normalizer("CombSUM", normalize))

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return merge(legs, self._terms(legs), limit)

    def parts(self, legs: Sequence[Candidates], _evidence: Evidence) -> Parts:
        return by_leg(legs, self._terms(legs))

    def _terms(self, legs: Sequence[Candidates]) -> list[Terms]:
        return [self.normalize(leg.scores, leg.floor) for leg in legs]
