"""Score fusion: a convex combination of normalised scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybrid.errors import QueryError
from hybrid.fusion._merge import Terms, best, merge
from hybrid.fusion._weights import Weights, check_count, checked, counting
from hybrid.fusion.complete import complete
from hybrid.fusion.evidence import Evidence
from hybrid.fusion.normalize import Normalizer, TheoreticalMinMax, normalizer
from hybrid.fusion.parts import Parts, by_leg
from hybrid.limits import shown
from hybrid.types import Candidates, Mask, Ordinals, Scores


@dataclass(frozen=True, slots=True, init=False)
class Linear:
    """Convex combination: score(d) = sum over lists of w * normalised score of d; a list that lacks d
    adds 0.

    ``weights``: one per list, in the order (lexical, vector), or a mapping with these two names. Only
    their proportions count: they are divided by their sum, so (3, 1) ranks and scores as (.75, .25). If
    only lists of weight 0 have candidates, all lists count alike. ``normalize`` is a normaliser or its
    name: "min-max", "theoretical-min-max", "z-score", "softplus" or "distribution". With ``complete``,
    each list's documents are scored by the other leg as well before scores are normalised
    (``hybrid.fusion.complete``), so no document is judged by one leg alone. Raises QueryError if a weight
    is negative or not finite, if all are 0, and if called with another number of lists. Bruch, Gai and
    Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023.
    """

    weights: tuple[float, ...]
    normalize: Normalizer
    complete: bool

    def __init__(
        self,
        weights: Weights = (0.5, 0.5),
        normalize: Normalizer | str = TheoreticalMinMax(),  # noqa: B008 - frozen, so it can be shared
        complete: bool = False,
    ) -> None:
        object.__setattr__(self, "weights", checked("Linear", weights))
        object.__setattr__(self, "normalize", normalizer("Linear", normalize))
        if not isinstance(complete, bool):
            raise QueryError(f"Linear: complete is {shown(complete)}; it must be True or False")
        object.__setattr__(self, "complete", complete)

    def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence) -> Candidates:
        if not self.complete or not all(map(len, legs)):
            return self(legs, limit)
        ordinals, words, near, known = self._completed(legs, evidence)
        words[known] += near
        return best(ordinals, words, limit)

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        check_count(self, self.weights, legs)
        return merge(legs, self._weighed([leg.scores for leg in legs], legs), limit)

    def parts(self, legs: Sequence[Candidates], evidence: Evidence) -> Parts:
        if not self.complete or not all(map(len, legs)):
            check_count(self, self.weights, legs)
            return by_leg(legs, self._weighed([leg.scores for leg in legs], legs))
        ordinals, words, near, known = self._completed(legs, evidence)
        vector = np.zeros(len(ordinals))
        vector[known] = near
        return Parts(ordinals, {"lexical": words, "vector": vector})

    def _completed(
        self, legs: Sequence[Candidates], evidence: Evidence
    ) -> tuple[Ordinals, Terms, Terms, Mask]:
        """All candidates, what the lexical leg adds to each, what the vector leg adds to those that have a
        vector, and which these are."""
        check_count(self, self.weights, legs)
        lexical, vector = legs
        both = complete(lexical, vector, evidence)
        known = ~np.isnan(both.vector)
        words, near = self._weighed([both.lexical, both.vector[known]], legs)
        return both.ordinals, words, near, known

    def _weighed(self, scores: Sequence[Scores], legs: Sequence[Candidates]) -> list[Terms]:
        """Weigh the normalised ``scores`` of each list's documents, in any order."""
        weights = counting(self.weights, legs)
        total = sum(weights)
        return [
            weight / total * self.normalize(some, leg.floor)
            for weight, some, leg in zip(weights, scores, legs, strict=True)
        ]
