"""Score fusion: a convex combination of normalised scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hybrid.errors import QueryError
from hybrid.fusion._merge import Terms, best, merge
from hybrid.fusion._weights import Weights, check_count, checked, counting
from hybrid.fusion.complete import complete
from hybrid.fusion.evidence import Evidence
from hybrid.fusion.normalize import ROUNDING, Normalizer, TheoreticalMinMax, normalizer, standardized
from hybrid.fusion.parts import Parts, by_leg
from hybrid.limits import shown
from hybrid.numbers import check_share
from hybrid.types import Candidates, Mask, Ordinals, Scores

_CLEAR: Final = 9.0
"""Standard deviations by which the best score stands out of its list where it is certainly no chance."""


@dataclass(frozen=True, slots=True, init=False)
class Linear:
    """Convex combination: score(d) = sum over lists of w * normalised score of d; a list that lacks d
    adds 0.

    ``weights``: one per list, in the order (lexical, vector), or a mapping with these two names. Only
    their proportions count: they are divided by their sum, so (3, 1) ranks and scores as (.75, .25). If
    only lists of weight 0 have candidates, all lists count alike. ``normalize`` is a normaliser or its
    name: "min-max", "theoretical-min-max", "z-score", "softplus" or "distribution". With ``complete``,
    each list's documents are scored by the other leg as well before scores are normalised
    (``hybrid.fusion.complete``), so no document is judged by one leg alone.

    ``coverage``, from 0 to 1: if the best lexical score is below this share of what the query's rarest
    words can give (``QueryTerms.most``), the lexical weight falls to (share / ``coverage``)^2 of itself: no
    document has what the query asks for in its words, and the first candidates may match by chance. So it
    is for a question in another language, of which a year alone matches, and for one that is asked in other
    words. It falls no lower than z / 9, where the best score stands out of its list by z standard
    deviations. The plain call has no evidence of it, and always uses ``weights``.

    Raises QueryError if a weight is negative or not finite, if all are 0, if ``coverage`` is not from 0 to
    1, and if called with another number of lists. Bruch, Gai and Ingber, "An Analysis of Fusion Functions
    for Hybrid Retrieval", TOIS 2023.
    """

    weights: tuple[float, ...]
    normalize: Normalizer
    complete: bool
    coverage: float

    def __init__(
        self,
        weights: Weights = (0.5, 0.5),
        normalize: Normalizer | str = TheoreticalMinMax(),  # noqa: B008 - frozen, so it can be shared
        complete: bool = False,
        coverage: float = 0.0,
    ) -> None:
        object.__setattr__(self, "weights", checked("Linear", weights))
        object.__setattr__(self, "normalize", normalizer("Linear", normalize))
        if not isinstance(complete, bool):
            raise QueryError(f"Linear: complete is {shown(complete)}; it must be True or False")
        object.__setattr__(self, "complete", complete)
        object.__setattr__(self, "coverage", check_share("Linear: coverage", coverage))

    def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence) -> Candidates:
        weights, _ = self._damped(legs, evidence)
        if not self.complete or not all(map(len, legs)):
            return merge(legs, self._listed(legs, weights), limit)
        ordinals, words, near, known = self._completed(legs, evidence, weights)
        words[known] += near
        return best(ordinals, words, limit)

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return merge(legs, self._listed(legs, self.weights), limit)

    def parts(self, legs: Sequence[Candidates], evidence: Evidence) -> Parts:
        weights, notes = self._damped(legs, evidence)
        if not self.complete or not all(map(len, legs)):
            return by_leg(legs, self._listed(legs, weights))._replace(notes=notes)
        ordinals, words, near, known = self._completed(legs, evidence, weights)
        vector = np.zeros(len(ordinals))
        vector[known] = near
        return Parts(ordinals, {"lexical": words, "vector": vector}, notes)

    def _damped(
        self, legs: Sequence[Candidates], evidence: Evidence
    ) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """The weights, the lexical one as it fits the coverage of this query, and a note of that if it is
        another."""
        if not self.coverage or not all(map(len, legs)) or not any(self.weights[1:]):
            return self.weights, ()
        lexical, most = legs[0].scores, evidence.terms().most
        covered = max(0.0, float(lexical[0])) / most if most else 1.0
        if covered >= self.coverage or (clear := _outstanding(lexical) / _CLEAR) >= 1.0:
            return self.weights, ()
        share = max((covered / self.coverage) ** 2, clear)
        note = f"the best keyword match covers {covered:.0%} of the query: lexical weight x {share:.2f}"
        words, *others = self.weights
        return (share * words, *others), (note,)

    def _completed(
        self, legs: Sequence[Candidates], evidence: Evidence, weights: Sequence[float]
    ) -> tuple[Ordinals, Terms, Terms, Mask]:
        """All candidates, what the lexical leg adds to each, what the vector leg adds to those that have a
        vector, and which these are."""
        check_count(self, self.weights, legs)
        lexical, vector = legs
        both = complete(lexical, vector, evidence)
        known = ~np.isnan(both.vector)
        words, near = self._weighed([both.lexical, both.vector[known]], legs, weights)
        return both.ordinals, words, near, known

    def _listed(self, legs: Sequence[Candidates], weights: Sequence[float]) -> list[Terms]:
        """What each list adds to its documents."""
        check_count(self, self.weights, legs)
        return self._weighed([leg.scores for leg in legs], legs, weights)

    def _weighed(
        self, scores: Sequence[Scores], legs: Sequence[Candidates], weights: Sequence[float]
    ) -> list[Terms]:
        """Weigh the normalised ``scores`` of each list's documents, in any order."""
        weights = counting(weights, legs)
        total = sum(weights)
        return [
            weight / total * self.normalize(some, leg.floor)
            for weight, some, leg in zip(weights, scores, legs, strict=True)
        ]


def _outstanding(scores: Scores) -> float:
    """The z-score of the first of ``scores``, descending; 0 where all are equal."""
    wide = scores.astype(np.float64)
    return float(standardized(wide, noise=ROUNDING * float(wide[0]))[0])
