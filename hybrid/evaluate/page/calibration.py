"""Show what a score is worth: the share of relevant ones among the hits with such a score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Qrels, Run

Values: TypeAlias = NDArray[np.float64]

DEPTH: Final = 100  # the ranks at which users look; a run may be ten times deeper
QUANTILES: Final = 10


@dataclass(frozen=True)
class Bin:
    """The hits that score from ``low`` to ``high``: how many, how many relevant (grade above 0), how
    many not judged."""

    low: float
    high: float
    hits: int
    relevant: int
    unjudged: int

    @property
    def share(self) -> float:
        return self.relevant / self.hits

    @property
    def unjudged_share(self) -> float:
        return self.unjudged / self.hits


def bins(run: Run, qrels: Qrels) -> list[Bin]:
    """The first 100 hits of every judged query, all in one pool, cut at the deciles of their scores.

    Equal scores are never parted: with few different ones there are fewer bins. No hits, no bins.
    """
    hits = [(grades, run.get(query, [])[:DEPTH]) for query, grades in qrels.items()]
    scores = np.array([score for _, found in hits for _, score in found], np.float64)
    # Not a number where nobody judged: no comparison holds for it.
    grade = np.array([g.get(document, np.nan) for g, found in hits for document, _ in found], np.float64)
    finite = np.isfinite(scores)
    return _cut(scores[finite], grade[finite]) if finite.any() else []


def _cut(scores: Values, grades: Values) -> list[Bin]:
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, QUANTILES + 1)))
    places = np.searchsorted(edges[1:-1], scores, side="right")
    inside = [places == place for place in np.unique(places)]
    return [_bin(scores[hits], grades[hits]) for hits in inside]


def _bin(scores: Values, grades: Values) -> Bin:
    relevant, unjudged = int((grades > 0).sum()), int(np.isnan(grades).sum())
    return Bin(float(scores.min()), float(scores.max()), len(scores), relevant, unjudged)
