"""Past queries with known answers vote for documents, beside the fused list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.fusion._merge import Terms, best
from hybrid.fusion.normalize import standardized
from hybrid.fusion.parts import Parts
from hybrid.limits import shown
from hybrid.order import distinct
from hybrid.types import Candidates, Mask, Ordinals, Scores

NEAREST: Final = 20
"""The number of past queries that vote."""
_LEAST: Final = 0.02  # of the votes for a document that enters
_ROUNDING: Final = 5e-7  # a few units in the last place of a float32


class Votes(NamedTuple):
    """The documents that past queries vote for: ``ordinals`` int64 (n,), ascending, and ``strengths``
    float64 (n,), above 0."""

    ordinals: Ordinals
    strengths: Terms

    def of(self, ordinals: Ordinals) -> Terms:
        """Return the votes for each of some documents, float64 (n,); 0 for one without."""
        found = np.zeros(len(ordinals))
        if len(self.ordinals):
            places = np.minimum(np.searchsorted(self.ordinals, ordinals), len(self.ordinals) - 1)
            voted = self.ordinals[places] == ordinals
            found[voted] = self.strengths[places[voted]]
        return found

    @classmethod
    def none(cls) -> Self:
        return cls(np.empty(0, np.int64), np.empty(0))

    def newcomers(self, known: Ordinals, most: int) -> Ordinals:
        """Return the documents, strongest first, that have enough votes to enter and are not among
        ``known``, at ``most`` so many."""
        enter = np.flatnonzero((self.strengths > _LEAST) & ~np.isin(self.ordinals, known))
        return self.ordinals[enter[np.argsort(-self.strengths[enter], kind="stable")][:most]]


@dataclass(frozen=True, slots=True)
class Voting:
    """Move up the answers of similar past queries.

    k(d) = min(cap, sum of max(0, cos - threshold) / (1 - threshold) / sqrt(number of answers)) over those
    of the 20 nearest past queries that d is an answer of; score(d) = z(fused(d)) + weight * k(d), z the
    z-score over the candidates; shifted so that the lowest is 0. Without a vote for a candidate the result
    is the fused list. Raises QueryError if ``weight`` is negative or not finite, ``threshold`` is not from
    0 below 1, or ``cap`` is not above 0 and finite. A nearest-neighbour classifier over queries, weighted
    by similarity: Dudani, "The Distance-Weighted k-Nearest-Neighbor Rule", IEEE SMC 1976.
    """

    weight: float
    threshold: float
    cap: float = 1.5

    def __post_init__(self) -> None:
        for name, low, high in (("weight", 0.0, math.inf), ("threshold", 0.0, 1.0), ("cap", 0.0, math.inf)):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and low <= value < high) or (name == "cap" and value == 0):
                raise QueryError(f"Voting: {name} is {shown(value)}; it must be {_RANGES[name]}")

    def nearest(self, cosines: Scores) -> NDArray[np.intp]:
        """Return the places of the past queries that vote, nearest first; of equally near ones the earlier.
        ``cosines``: float32 (n,), their similarity to the query; NaN for one without a vector."""
        near = np.flatnonzero(cosines > self.threshold)
        if len(near) > NEAREST:
            least = np.partition(cosines[near], -NEAREST)[-NEAREST]
            near = near[cosines[near] >= least]
        return near[np.argsort(-cosines[near], kind="stable")][:NEAREST]

    def votes(self, cosines: Scores, answers: Sequence[Ordinals], allowed: Mask | None = None) -> Votes:
        """Count the votes of the nearest past queries, given their ``cosines`` (n,) and the ``answers`` of
        each, distinct ordinals; -1 is an answer that the index does not have. Only documents that are
        ``allowed``, bool over ordinals, get votes; None for all."""
        sizes = np.array([len(own) for own in answers], np.int64)
        trust = (cosines.astype(np.float64) - self.threshold) / (1 - self.threshold)
        shares = np.repeat(trust / np.sqrt(np.maximum(sizes, 1)), sizes)
        ordinals = np.concatenate([np.empty(0, np.int64), *answers])
        here = ordinals >= 0
        if allowed is not None:
            here[here] = allowed[ordinals[here]]
        documents, places = distinct(ordinals[here])
        sums = np.bincount(places, shares[here], len(documents))
        return Votes(documents, np.minimum(sums, self.cap))

    def raised(self, fused: Candidates, strengths: Terms, limit: int) -> Candidates:
        """Rank the candidates of ``fused`` anew and keep the best ``limit``. ``strengths``: the votes for
        each of them, float64 (n,), see ``Votes.of``."""
        if not strengths.any():
            return fused.top(limit)
        noise = _ROUNDING * float(np.abs(fused.scores).max())
        scores = standardized(fused.scores.astype(np.float64), noise) + self.weight * strengths
        order = fused.ordinals.argsort()
        return best(fused.ordinals[order], (scores - scores.min())[order], limit)

    def parts(self, fused: Parts, strengths: Terms) -> Parts:
        """Return of what the scores are sums: the parts of the fused scores on the scale of z-scores, the
        votes, and a shift. ``strengths`` is aligned with the documents of ``fused``."""
        if not strengths.any():
            return fused
        sums = np.sum(list(fused.adds.values()), axis=0)
        flat = not standardized(sums, _ROUNDING * float(np.abs(sums).max())).any()
        scale, added = 0.0 if flat else 1 / float(sums.std()), self.weight * strengths
        scaled = {name: scale * part for name, part in fused.adds.items()}
        shift = scaled.pop("shift", np.zeros(len(sums))) - (scale * sums + added).min()
        return Parts(fused.ordinals, {**scaled, "past queries": added, "shift": shift})


_RANGES: Final = {
    "weight": "finite and 0 or more",
    "threshold": "from 0 below 1",
    "cap": "finite and above 0",
}
