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
from hybrid.fusion.normalize import ROUNDING, standardized
from hybrid.fusion.parts import Parts
from hybrid.limits import shown
from hybrid.order import among, distinct
from hybrid.types import Candidates, Mask, Ordinals, Scores

NEAREST: Final = 20
"""The number of judged past queries that vote."""
CLICKED: Final = 200
"""The number of clicked ones: each is of one user."""
_USERS: Final = 3  # distinct ones that must have clicked a document
_DOUBT: Final = 5  # users more, who would have clicked none
_CLICKED_CAP: Final = 0.75
NEWCOMERS: Final = 20
"""The number of documents that may enter by votes."""


class Answers(NamedTuple):
    """The answers of some past queries, one after the other: distinct ``ordinals`` of each, int64; -1 is an
    answer that the index does not have. ``sizes`` int64 (n,): how many each has."""

    ordinals: Ordinals
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, answers: Sequence[Ordinals]) -> Self:
        """Join the answers of each."""
        sizes = np.array([len(own) for own in answers], np.int64)
        return cls(np.concatenate([np.empty(0, np.int64), *answers]), sizes)


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

    def plus(self, other: Votes) -> Votes:
        """Return the sums of both."""
        if not len(other.ordinals):
            return self
        both, places = distinct(np.concatenate([self.ordinals, other.ordinals]))
        strengths = np.concatenate([self.strengths, other.strengths])
        return Votes(both, np.bincount(places, strengths).astype(np.float64))

    def newcomers(self, known: Ordinals, least: float) -> Ordinals:
        """Return the documents, strongest first, that have votes enough to enter, at ``least`` that many,
        and are not among ``known``."""
        enter = np.flatnonzero(self.strengths >= least)
        enter = enter[~among(self.ordinals[enter], known)]
        return self.ordinals[enter[np.argsort(-self.strengths[enter], kind="stable")][:NEWCOMERS]]


@dataclass(frozen=True, slots=True)
class Voting:
    """Move up the answers of similar past queries.

    A past query's vote is max(0, cos - threshold) / (1 - threshold) / sqrt(number of answers); k(d) =
    min(cap, sum of the votes) over those of the 20 nearest past queries that d is an answer of; score(d) =
    z(fused(d)) + weight * k(d), z the z-score over the candidates; shifted so that the lowest is 0. Without
    a vote for a candidate the result is the fused list. A document that is no candidate becomes one from
    k(d) = ``least`` on. Raises QueryError if ``weight`` or ``least`` is negative or not finite,
    ``threshold`` is not from 0 below 1, or ``cap`` is not above 0 and finite. A nearest-neighbour
    classifier over queries, weighted by similarity: Dudani, "The Distance-Weighted k-Nearest-Neighbor
    Rule", IEEE SMC 1976.

    Clicks add to k(d) apart, since anybody can click: .75 * the sum of the votes of distinct users / (the
    sum of what these could give + 5), from 3 users on, of each user the largest vote for d. So a group adds
    no more than its share of the users who asked about the same.
    """

    weight: float
    threshold: float
    cap: float = 1.5
    least: float = 0.05

    def __post_init__(self) -> None:
        for name in _RANGES:
            value, high = getattr(self, name), 1.0 if name == "threshold" else math.inf
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 0 <= value < high) or (name == "cap" and value == 0):
                raise QueryError(f"Voting: {name} is {shown(value)}; it must be {_RANGES[name]}")

    def votes(self, cosines: Scores, answers: Answers, allowed: Mask | None = None) -> Votes:
        """Count the votes of the nearest judged past queries, given their ``cosines`` (n,) and their
        ``answers``. Only documents that are ``allowed``, bool over ordinals, get votes; None for all."""
        _, shares = self._shares(cosines, answers)
        ordinals = answers.ordinals
        here = _there(ordinals, allowed) & (shares > 0)
        documents, places = distinct(ordinals[here])
        return Votes(documents, np.minimum(np.bincount(places, shares[here]), self.cap))

    def clicked(
        self,
        cosines: Scores,
        answers: Answers,
        users: NDArray[np.int64],
        allowed: Mask | None = None,
    ) -> Votes:
        """Count the votes of the nearest clicked past queries, each of one of ``users`` (n,), numbers from
        0; the rest as in ``votes``."""
        trust, shares = self._shares(cosines, answers)
        ordinals, owners = answers.ordinals, np.repeat(users, answers.sizes)
        here = _there(ordinals, allowed) & (shares > 0)
        documents, places = distinct(ordinals[here])
        # One cell for each user and document; the largest share stays.
        cells, owned = distinct(places * (int(users.max(initial=0)) + 1) + owners[here])
        largest = np.zeros(len(cells))
        np.maximum.at(largest, owned, shares[here])
        at = cells // (int(users.max(initial=0)) + 1)
        sums, voters = np.bincount(at, largest), np.bincount(at)
        everyone = np.zeros(int(users.max(initial=0)) + 1)
        np.maximum.at(everyone, users, trust)
        enough = voters >= _USERS
        strengths = _CLICKED_CAP * sums / (everyone.sum() + _DOUBT)
        return Votes(documents[enough], strengths[enough])

    def _shares(self, cosines: Scores, answers: Answers) -> tuple[Terms, Terms]:
        """How much each past query counts, and the vote for each of all answers."""
        trust = np.maximum((cosines.astype(np.float64) - self.threshold) / (1 - self.threshold), 0)
        return trust, np.repeat(trust / np.sqrt(np.maximum(answers.sizes, 1)), answers.sizes)

    def raised(self, fused: Candidates, strengths: Terms, limit: int) -> Candidates:
        """Rank the candidates of ``fused`` anew and keep the best ``limit``. ``strengths``: the votes for
        each of them, float64 (n,), see ``Votes.of``."""
        if not strengths.any():
            return fused.top(limit)
        noise = ROUNDING * float(np.abs(fused.scores).max())
        scores = standardized(fused.scores.astype(np.float64), noise) + self.weight * strengths
        order = fused.ordinals.argsort()
        return best(fused.ordinals[order], (scores - scores.min())[order], limit)

    def parts(self, fused: Parts, strengths: Terms) -> Parts:
        """Return of what the scores are sums: the parts of the fused scores on the scale of z-scores, the
        votes, and a shift. ``strengths`` is aligned with the documents of ``fused``."""
        if not strengths.any():
            return fused
        sums = np.sum(list(fused.adds.values()), axis=0)
        flat = not standardized(sums, ROUNDING * float(np.abs(sums).max())).any()
        scale, added = 0.0 if flat else 1 / float(sums.std()), self.weight * strengths
        scaled = {name: scale * part for name, part in fused.adds.items()}
        shift = scaled.pop("shift", np.zeros(len(sums))) - (scale * sums + added).min()
        return fused._replace(adds={**scaled, "past queries": added, "shift": shift})


def _there(ordinals: Ordinals, allowed: Mask | None) -> Mask:
    """Which of ``ordinals`` stand for documents that are ``allowed``."""
    here = ordinals >= 0
    if allowed is not None:
        here[here] = allowed[ordinals[here]]
    return here


_RANGES: Final = {
    "weight": "finite and 0 or more",
    "least": "finite and 0 or more",
    "threshold": "from 0 below 1",
    "cap": "finite and above 0",
}
