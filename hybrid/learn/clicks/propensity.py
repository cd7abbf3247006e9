"""Estimate from the log alone how likely a rank is to be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid.errors import InputError
from hybrid.learn.clicks.exposures import Exposures, count
from hybrid.ledger.impressions import MAX_RANK, Impression

Values: TypeAlias = NDArray[np.float64]

LEAST_PROPENSITY: Final = 0.01
"""No rank counts as looked at less often than this, nor more often than its inverse, so that no click
weighs more than a hundred at rank 1."""
EXPONENT_SD: Final = 0.5
STEP_SD: Final = 0.25


@dataclass(frozen=True, eq=False)
class Propensities:
    """``values[r - 1]``: the probability that rank r is looked at over that of rank 1: float64 (ranks,).

    ``deviation``: float64 (ranks,), the standard deviation of each value's logarithm: values times or over
    exp(2 deviation) are about a 95 % interval. ``identified``: float64 (ranks,), the share of the prior's
    variance that the log removed: near 0 the value is the prior's, near 1 the log's. ``pairs``: how many
    (query, document) pairs tell ranks apart: shown at two or more and clicked. ``effective_pairs``: as
    many equally telling ones would do (Kish's effective size over each pair's information), so that a few
    head queries do not pass for many.
    """

    values: Values
    deviation: Values
    identified: Values
    pairs: int
    effective_pairs: float

    @classmethod
    def known(cls, values: ArrayLike) -> Propensities:
        """Propensities from elsewhere, such as an experiment that swapped results at random; taken as
        exact. InputError unless they are positive, finite numbers, one a rank."""
        try:
            given = np.array(values, np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("propensities must be numbers, one a rank") from error
        if given.ndim != 1 or not 0 < len(given) <= MAX_RANK:
            raise InputError(
                f"propensities have the shape {given.shape}; it must be (ranks,), 1 to {MAX_RANK:,}"
            )
        if not (np.isfinite(given).all() and (given > 0).all()):
            raise InputError("propensities must be positive, finite numbers")
        relative = _clipped(np.log(given[1:]) - np.log(given[0]))
        return cls(relative, np.zeros(len(given)), np.ones(len(given)), pairs=0, effective_pairs=0.0)


def propensities(log: Iterable[Impression]) -> Propensities:
    """Estimate from ``log`` how likely each rank is to be looked at, relative to rank 1.

    The position-based model: a document is clicked if it is looked at, which depends on its rank alone, and
    then attracts, which depends on query and document alone: P(click) = p(rank) a(query, document). Where
    one pair was shown at several ranks, by other serving profiles or on other pages, a cancels out
    (intervention harvesting: Agarwal, Zaitsev, Wang, Li, Najork and Joachims, "Estimating Position Bias
    without Intrusive Interventions", WSDM 2019). Given its total of clicks, they fall on the ranks r in
    proportion to n_r p_r, where n_r counts impressions. That is the conditional likelihood of Poisson
    counts with an effect for each pair (Hausman, Hall and Griliches, Econometrica 52(4), 1984), consistent
    for whatever counts have the mean n_r p_r a (Wooldridge, Journal of Econometrics 90(1), 1999), clicks
    of 0 and 1 among them. It is concave in log p and has one unknown a rank.

    The paper's own estimator, AllPairs, fits one more unknown for each pair of ranks; in simulations its
    error was 1.3 to 4 times as large. Regression EM (Wang, Golbandi, Bendersky, Metzler and Najork, WSDM
    2018) needs features that predict relevance; with an unknown for each document instead it is biased
    where documents are seen a few times.

    The prior, which is all there is where nothing was swapped: log p(r) = -e log r with e = 1 +- 0.5, and
    each step from one rank to the next departs from that by +- 0.25 (standard deviations), which weighs as
    much as 64 clicks on documents shown at both ranks. It prefers falling values and does not enforce
    them: eyes do jump to the end of a page. Values are kept between LEAST_PROPENSITY and its inverse.

    Assumed: that a document is no more attractive at the times when it is ranked higher. A log in which
    ranks follow earlier clicks on the same document, or tastes changed along with the profile, breaks
    that. A rank's value holds given that it was displayed: that of rank 11 for those who turned the page.
    """
    return estimate(count(log))


def estimate(log: Exposures) -> Propensities:
    """`propensities` of a log that is counted."""
    if log.ranks == 1:
        return Propensities(np.ones(1), np.zeros(1), np.ones(1), pairs=0, effective_pairs=0.0)
    swaps, prior = _Swaps.among(log), _Prior.of(log.ranks)
    found = _most_probable(swaps, prior)
    variance = np.diag(np.linalg.inv(swaps.information(found) + prior.precision))
    weights = swaps.weights(found)
    return Propensities(
        values=_clipped(found),
        deviation=_from_rank_1(np.sqrt(variance)),
        identified=np.concatenate([[1.0], np.clip(1 - variance / prior.variance, 0, 1)]),
        pairs=len(weights),
        effective_pairs=float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0,
    )


def _most_probable(swaps: _Swaps, prior: _Prior) -> Values:
    """log p of the ranks from 2."""
    from scipy.optimize import minimize

    def loss(log_p: Values) -> tuple[float, Values]:
        likelihood, slope = swaps.likelihood(log_p)
        off = prior.precision @ (log_p - prior.mean)
        return float(off @ (log_p - prior.mean)) / 2 - likelihood, off - slope

    found = minimize(
        loss,
        prior.mean,
        jac=True,
        hess=lambda log_p: prior.precision + swaps.information(log_p),
        method="trust-exact",
        options={"gtol": 1e-6 * max(1.0, swaps.clicks_of_rank.sum())},
    )
    return np.asarray(found.x)


@dataclass(frozen=True)
class _Prior:
    """Normal, over log p of the ranks from 2: the law -e log r and a random walk around it."""

    mean: Values
    variance: Values
    precision: Values

    @classmethod
    def of(cls, ranks: int) -> _Prior:
        law = np.log(np.arange(2, ranks + 1))
        steps = np.arange(1, ranks)
        covariance = EXPONENT_SD**2 * np.outer(law, law) + STEP_SD**2 * np.minimum.outer(steps, steps)
        return cls(-law, np.diag(covariance), np.asarray(np.linalg.inv(covariance), np.float64))


@dataclass(frozen=True)
class _Swaps:
    """The pairs that tell ranks apart. Functions of log p take that of the ranks from 2: rank 1 has 0."""

    shown: Any  # csr (pairs, ranks)
    clicks_of_pair: Values
    clicks_of_rank: Values

    @classmethod
    def among(cls, log: Exposures) -> _Swaps:
        at_ranks = np.diff(log.shown.indptr)
        telling = np.flatnonzero((at_ranks > 1) & (np.diff(log.clicks.indptr) > 0))
        clicks = log.clicks[telling]
        return cls(log.shown[telling], clicks.sum(axis=1), clicks.sum(axis=0))

    def likelihood(self, log_p: Values) -> tuple[float, Values]:
        """The log-likelihood of the clicks' ranks given each pair's total, up to a constant; and its
        slope."""
        p = np.exp(_from_rank_1(log_p))
        expected = self.shown @ p
        value = self.clicks_of_rank[1:] @ log_p - self.clicks_of_pair @ np.log(expected)
        slope = self.clicks_of_rank - p * (self.shown.T @ (self.clicks_of_pair / expected))
        return float(value), slope[1:]

    def information(self, log_p: Values) -> Values:
        """(ranks - 1, ranks - 1): the curvature of the likelihood, turned positive."""
        shares = self._shares(log_p)
        weighted = shares.multiply(self.clicks_of_pair[:, None]).tocsr()
        found = np.diag(weighted.sum(axis=0)) - (shares.T @ weighted).toarray()
        return np.asarray(found[1:, 1:])

    def weights(self, log_p: Values) -> Values:
        """The information on all ranks that each pair adds: its trace, (pairs,)."""
        shares = self._shares(log_p)
        return np.asarray(self.clicks_of_pair * (1 - shares.multiply(shares).sum(axis=1)))

    def _shares(self, log_p: Values) -> Any:
        """csr (pairs, ranks): where a click on the pair is expected."""
        looks = self.shown.multiply(np.exp(_from_rank_1(log_p))).tocsr()
        return looks.multiply(1 / looks.sum(axis=1)[:, None]).tocsr()


def _clipped(log_p: Values) -> Values:
    most = 1 / LEAST_PROPENSITY
    # Before the exponential too, which might overflow.
    return np.clip(np.exp(np.minimum(_from_rank_1(log_p), np.log(most))), LEAST_PROPENSITY, most)


def _from_rank_1(log_p: Values) -> Values:
    return np.concatenate([[0.0], log_p])
