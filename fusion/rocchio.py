"""Pseudo-relevance feedback among the candidates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.fusion._merge import best
from hybrid.fusion.evidence import Evidence
from hybrid.fusion.linear import Linear
from hybrid.fusion.normalize import ROUNDING, Softplus, standardized
from hybrid.fusion.parts import Parts
from hybrid.limits import MAX_HITS, shown
from hybrid.types import Candidates, Fusion, Ordinals

_STEEPNESS: Final = 2.0
"""How fast a candidate's weight falls with its fused score, per standard deviation."""


@dataclass(frozen=True, slots=True)
class Rocchio:
    """Rank by ``first``, then move up candidates that are similar to the best ones.

    score(d) = z(first(d)) + share * z(v(d) . (t - m)): t is the mean vector of the best ``top``
    documents, weighted by exp(2 z(first)), m the mean of all candidates, z the z-score over the
    candidates; shifted so that the lowest is 0. The set of candidates stays the same and no leg is
    searched again. If a leg has no candidates, or none of the candidates has a vector, the result is that
    of ``first``. Raises QueryError if ``share`` is negative or not finite, or ``top`` is not an integer
    above 0. Rocchio 1971; over dense vectors: Li, Mourad, Zhuang, Koopman and Zuccon, "Pseudo Relevance
    Feedback with Deep Language Models and Dense Retrievers", TOIS 2023.
    """

    first: Fusion = field(
        default_factory=lambda: Linear((0.5, 0.5), Softplus(), complete=True, coverage=0.5)
    )
    share: float = 0.5
    top: int = 10

    def __post_init__(self) -> None:
        if not callable(self.first) or isinstance(self.first, type):
            raise QueryError(f"Rocchio: first is {shown(self.first)}; give a fusion, such as RRF()")
        if isinstance(self.share, bool) or not isinstance(self.share, (int, float)):
            raise QueryError(f"Rocchio: share is {shown(self.share)}; it must be a number")
        if not 0 <= self.share < math.inf:
            raise QueryError(f"Rocchio: share is {shown(self.share)}; it must be finite and 0 or more")
        if isinstance(self.top, bool) or not isinstance(self.top, int) or not 1 <= self.top <= MAX_HITS:
            raise QueryError(f"Rocchio: top is {shown(self.top)}; it must be an integer above 0")

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        return self.first(legs, limit)

    def informed(self, legs: Sequence[Candidates], limit: int, evidence: Evidence) -> Candidates:
        ranked = self._first(legs, evidence)
        if (moved := self._moved(legs, ranked, evidence)) is None:
            return ranked.top(limit)
        ordinals, scores, feedback = moved
        scores += feedback
        return best(ordinals, scores - scores.min(), limit)

    def parts(self, legs: Sequence[Candidates], evidence: Evidence) -> Parts:
        ranked = self._first(legs, evidence)
        first = self._first_parts(legs, ranked, evidence)
        if (moved := self._moved(legs, ranked, evidence)) is None:
            return first
        _, scores, feedback = moved
        # z(first) is the parts of ``first`` on another scale, and shifted.
        wide = ranked.scores.astype(np.float64)
        scale = 1 / wide.std() if scores.any() else 0.0
        shift = np.full(len(first.ordinals), -scale * wide.mean() - (scores + feedback).min())
        scaled = {name: scale * part for name, part in first.adds.items()}
        return Parts(first.ordinals, {**scaled, "like the best": feedback, "shift": shift}, first.notes)

    def _first(self, legs: Sequence[Candidates], evidence: Evidence) -> Candidates:
        everyone = sum(map(len, legs))
        # Not isinstance: checking a runtime protocol costs as much as the feedback itself.
        informed = getattr(self.first, "informed", None)
        ranked: Candidates = (
            self.first(legs, everyone) if informed is None else informed(legs, everyone, evidence)
        )
        return ranked

    def _first_parts(self, legs: Sequence[Candidates], ranked: Candidates, evidence: Evidence) -> Parts:
        if (parts := getattr(self.first, "parts", None)) is not None:
            found: Parts = parts(legs, evidence)
            return found
        order = ranked.ordinals.argsort()
        return Parts(ranked.ordinals[order], {"first": ranked.scores[order].astype(np.float64)})

    def _moved(
        self, legs: Sequence[Candidates], ranked: Candidates, evidence: Evidence
    ) -> tuple[Ordinals, NDArray[np.float64], NDArray[np.float64]] | None:
        """All candidates, ascending, their z-scores in ``ranked``, and what feedback adds to each; None
        where there is none."""
        if not all(map(len, legs)):
            return None
        order = ranked.ordinals.argsort()
        ordinals = ranked.ordinals[order]
        known = ~np.isnan(evidence.scores(ordinals))
        if not known.any():
            return None
        vectors = evidence.vectors(ordinals)
        scores = standardized(ranked.scores.astype(np.float64), noise=ROUNDING * float(ranked.scores[0]))
        scores = scores[order]
        added = np.zeros(len(ordinals))
        feedback = self._feedback(vectors, scores, known)[known]
        added[known] = self.share * standardized(feedback, noise=ROUNDING)
        return ordinals, scores, added

    def _feedback(
        self, vectors: NDArray[np.float32], scores: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the similarity of each of ``vectors`` to the best ones among those that are ``known``."""
        ranked = np.argsort(-scores, kind="stable")
        first = ranked[known[ranked]][: self.top]
        trust = np.exp(_STEEPNESS * (scores[first] - scores[first[0]]))
        weights = known * (-1.0 / np.count_nonzero(known))
        weights[first] += trust / trust.sum()
        return np.asarray(vectors @ (weights.astype(np.float32) @ vectors), np.float64)
