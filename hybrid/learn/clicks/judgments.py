"""Clicks to judgments: graded qrels from a log of impressions, corrected for the ranks that were shown.

`propensities` says how likely each rank is to be looked at, `judgments` divides the clicks by the looks.

Corrected: position bias, as the position-based model has it (`propensities`). Clicks on bad
documents, at one rate whenever they are looked at, raise every rate alike and leave the order alone.

Not corrected:

- Trust bias: people click what stands on top because it stands on top. The part of it in proportion to a
  document's attraction goes into the propensities and is corrected with them. The part that falls on bad
  documents too is not, and favours what was ranked high (Vardasbi, Oosterhuis and de Rijke, "When Inverse
  Propensity Scoring does not Work", CIKM 2020).
- Users who stop at the first good document: what stands below it is looked at less than its rank says
  (cascade models), and so rated too low. Simulated users of either kind left most of the gain.
- Snippets that promise what the document does not hold: attraction is not relevance.
- Documents that were never shown: they get no judgment, which is not a grade of 0.
- Robots, and one user's hundred clicks: take them out of the log first.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError
from hybrid.learn.clicks.exposures import Exposures, count, same
from hybrid.learn.clicks.propensity import Propensities, estimate, propensities
from hybrid.ledger.impressions import Impression
from hybrid.limits import shown as quoted
from hybrid.types import Qrels

__all__ = ["Impression", "Judgments", "Propensities", "judgments", "propensities"]

Values: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]

HIGHEST_GRADE: Final = 3
LEAST_LOOKS: Final = 1.0
_MOST_PRIOR_LOOKS: Final = 100.0
"""Where all documents seem alike, enough clicks still outweigh the prior."""
_LEAST_PRIOR_LOOKS: Final = 1.0
"""Rates cannot vary more than if each document were clicked at every look or at none."""
_ROUNDS: Final = 20


@dataclass(frozen=True)
class Judgments:
    """The judgments that a log gives of the documents it showed.

    ``queries``: query id -> text, and ``qrels``: query id -> {document id: grade 0 to 3}, as `tune` and
    `evaluate` read them; an id is a hash of the text, so that one query has one id in any log. ``rates``:
    of the same documents, the estimated probability of a click at rank 1. ``rate`` and ``looks``: the
    prior that rates are drawn towards, and how many looks it weighs.
    """

    queries: dict[str, str]
    qrels: Qrels
    rates: dict[str, dict[str, float]]
    propensities: Propensities
    rate: float
    looks: float


def judgments(
    log: Iterable[Impression], propensities: Propensities | None = None, *, least_looks: float = LEAST_LOOKS
) -> Judgments:
    """Grade the documents of ``log`` by how often they are clicked when they are looked at.

    A document's looks are expected ones: the sum of the ``propensities``, estimated from the log where
    None, of the ranks where it was shown. Clicks over looks is the inverse-propensity-weighted click rate
    of least variance: weighting each click by 1 / p is as unbiased, and noisier where clicks are rare.

    The rate is drawn towards the mean of all documents, since a few looks prove little (empirical Bayes):
    (rate x looks + clicks) / (looks + the document's looks), the mean of a gamma distribution after
    Poisson clicks; the prior's mean and weight follow from the log's first two moments. The grade is the
    share of the way from the mean to that query's best rate, in thirds, rounded: 0 is no better than the
    average, as is whatever was looked at and never clicked. The best counts as one standard deviation of
    all rates above the mean at least, so that a query without a good answer does not get one.

    A document is judged if its expected looks reach ``least_looks``: judging others because they were
    clicked would favour the lucky. The rest stays unjudged, and queries without a judged document are left
    out. Measures take unjudged documents for 0, here the average, which costs part of the gain, since they
    stood low; a trainer had better leave them out. InputError for an empty log, or propensities that lack
    ranks of it.
    """
    _check_least(least_looks)
    seen = count(log)
    found = estimate(seen) if propensities is None else propensities
    values = _for_ranks(found, seen.ranks)
    clicks, looks = seen.clicks.sum(axis=1), seen.shown @ values
    prior = _prior(seen, clicks, looks, values)
    rates = prior.posterior_mean(clicks, looks)
    judged = np.flatnonzero(looks >= least_looks)
    grades = _grades(rates[judged], seen.query[judged], prior)
    return _named(seen, judged, grades, rates[judged], found, prior)


def _check_least(least_looks: float) -> None:
    if isinstance(least_looks, bool) or not isinstance(least_looks, (int, float)) or not least_looks > 0:
        raise InputError(f"least_looks is {quoted(least_looks)}; it must be a number above 0")


def _for_ranks(found: Propensities, ranks: int) -> Values:
    if len(found.values) < ranks:
        raise InputError(
            f"the log goes down to rank {ranks}; propensities are given for {len(found.values)}"
        )
    return found.values[:ranks]


@dataclass(frozen=True)
class _Prior:
    """A gamma distribution of click rates, by its mean and by the looks it weighs."""

    rate: float
    looks: float

    @property
    def deviation(self) -> float:
        return math.sqrt(self.rate / self.looks)

    def posterior_mean(self, clicks: Values, looks: Values) -> Values:
        return (self.rate * self.looks + clicks) / (self.looks + looks)


def _prior(seen: Exposures, clicks: Values, looks: Values, values: Values) -> _Prior:
    """The mean and the weight of the true rates' distribution, by the method of moments.

    Two impressions of one document, at p and q, are both clicked with probability p q a^2; so clicks
    (clicks - 1) over the sum of p q over ordered pairs of impressions estimates a^2, free of the noise of
    the clicks themselves. Documents count by their credibility, looks / (looks + the prior's), as in
    Buehlmann and Straub (ASTIN Bulletin 5(1), 1970), squared, since the square bounds what a document
    adds that was hardly looked at.
    """
    twice = np.flatnonzero(seen.shown.sum(axis=1) > 1)
    if not len(twice):
        return _Prior(float(clicks.sum() / looks.sum()), _MOST_PRIOR_LOOKS)
    both = (looks**2 - seen.shown @ values**2)[twice]
    clicks, looks = clicks[twice], looks[twice]
    prior = _Prior(0.0, _LEAST_PRIOR_LOOKS)
    for _ in range(_ROUNDS):
        credibility = (looks / (looks + prior.looks)) ** 2
        rate = np.average(clicks / looks, weights=credibility)
        variance = np.average(clicks * (clicks - 1) / both, weights=credibility) - rate**2
        weight = rate / variance if variance > 0 else _MOST_PRIOR_LOOKS
        prior = _Prior(float(rate), float(np.clip(weight, _LEAST_PRIOR_LOOKS, _MOST_PRIOR_LOOKS)))
    return prior


def _grades(rates: Values, queries: Rows, prior: _Prior) -> Rows:
    """The grade of each of ``rates``; ``queries``: their queries, equal ones side by side."""
    if not len(rates) or not prior.rate:
        return np.zeros(len(rates), np.int64)
    starts = np.flatnonzero(np.diff(queries, prepend=-1))
    best = np.maximum.reduceat(rates, starts) - prior.rate
    ways = np.repeat(np.maximum(best, prior.deviation), np.diff(starts, append=len(queries)))
    return np.asarray(np.rint(HIGHEST_GRADE * np.maximum((rates - prior.rate) / ways, 0)), np.int64)


def _named(
    seen: Exposures, judged: Rows, grades: Rows, rates: Values, found: Propensities, prior: _Prior
) -> Judgments:
    asked = np.unique(seen.query[judged]).tolist()
    ids = {number: query_id(seen.queries[number]) for number in asked}
    qrels: Qrels = {id: {} for id in ids.values()}
    rated: dict[str, dict[str, float]] = {id: {} for id in ids.values()}
    columns = (seen.query[judged], seen.document[judged], grades, rates)
    for query, number, grade, rate in zip(*(column.tolist() for column in columns), strict=True):
        document = seen.documents[number]
        qrels[ids[query]][document] = grade
        rated[ids[query]][document] = rate
    queries = {ids[number]: seen.queries[number] for number in asked}
    return Judgments(queries, qrels, rated, found, prior.rate, prior.looks)


def query_id(text: str) -> str:
    """The id of a query in `Judgments`: a hash of its text."""
    return hashlib.sha256(same(text).encode(errors="surrogatepass")).hexdigest()[:16]
