"""Measure whether probabilities of relevance mean what they say, and when to give no answer.

`reliability` holds probabilities against what happened. `abstention` asks what a program that answers only
where it is sure gets right, and from which score on it gets enough right. Both know nothing of searching:
they see one number and one outcome a hit, or a query.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid.errors import InputError
from hybrid.evaluate.comparison import CONFIDENCE, Values
from hybrid.limits import shown

BINS: Final = 10
DRAWS: Final = 500
RESAMPLES: Final = 2_000
PRECISION: Final = 0.9
_CELLS_AT_ONCE: Final = 1_000_000
_Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """Hits of like probability: the ``low``est and the ``high``est, how many ``hits``, the mean of what was
    ``predicted`` and the share of relevant ones that was ``observed``."""

    low: float
    high: float
    hits: int
    predicted: float
    observed: float


@dataclass(frozen=True)
class Reliability:
    """The result of `reliability`.

    ``ece``: the expected calibration error, the mean over hits of |predicted - observed| of their bin. Even
    perfect probabilities have one above 0, since labels are drawn: ``by_chance`` is what 95 % of such
    draws stay below (Broecker and Smith, "Increasing the Reliability of Reliability Diagrams", Weather and
    Forecasting 2007), if hits were drawn each by itself. ``brier``: the mean squared error, which is
    ``calibration`` - ``resolution`` + ``uncertainty`` + ``within``: how far the bins are off (less is
    better), how far they are apart (more is better), the variance of the labels, and what varies inside the
    bins. Murphy, "A New Vector Partition of the Probability Score", 1973; the last after Stephenson, Coelho
    and Jolliffe, "Two Extra Components in the Brier Score Decomposition", Weather and Forecasting 2008.
    """

    hits: int
    bins: tuple[Bin, ...]
    ece: float
    by_chance: float
    brier: float
    calibration: float
    resolution: float
    uncertainty: float
    within: float

    @property
    def skill(self) -> float:
        """1 - brier / uncertainty: 1 knows everything, 0 is worth what the base rate is worth. 0 where the
        labels do not vary."""
        return 1 - self.brier / self.uncertainty if self.uncertainty else 0.0

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "skill": self.skill}


def reliability(
    probabilities: ArrayLike, labels: ArrayLike, *, bins: int = BINS, seed: int = 0
) -> Reliability:
    """Hold ``probabilities`` (n,) against ``labels`` (n,), 1 relevant, 0 not.

    The ``bins`` hold about equally many hits; equal probabilities stay together, so there may be fewer.
    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
    2015; Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017. InputError
    if there is nothing, if the shapes differ, for a probability outside [0, 1] and a label not 0 or 1.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise InputError(f"bins is {shown(bins)}; it must be an integer above 0")
    p, y = _pairs(probabilities, labels)
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"probabilities lie from {p.min():.4g} to {p.max():.4g}, not in [0, 1]")
    order = np.argsort(p, kind="stable")
    p, y = p[order], y[order]
    starts = _starts(p, bins)
    hits = np.diff([*starts, len(p)])
    share = hits / len(p)
    predicted, observed = np.add.reduceat(p, starts) / hits, np.add.reduceat(y, starts) / hits
    off, apart = share @ (predicted - observed) ** 2, share @ (observed - y.mean()) ** 2
    brier, uncertainty = float(np.mean((p - y) ** 2)), float(y.mean() * (1 - y.mean()))
    last = starts + hits - 1
    table = zip(p[starts], p[last], hits, predicted, observed, strict=True)
    return Reliability(
        hits=len(p),
        bins=tuple(Bin(float(a), float(b), int(n), float(c), float(d)) for a, b, n, c, d in table),
        ece=float(share @ np.abs(predicted - observed)),
        by_chance=_by_chance(p, starts, predicted, np.random.default_rng(seed)),
        brier=brier,
        calibration=float(off),
        resolution=float(apart),
        uncertainty=uncertainty,
        within=float(brier - off + apart - uncertainty),
    )


def _starts(p: Values, bins: int) -> _Counts:
    """The first places of the bins of sorted probabilities: a cut among equals moves to their nearer
    end."""
    cuts = np.arange(bins) * len(p) // bins
    first, behind = np.searchsorted(p, p[cuts], "left"), np.searchsorted(p, p[cuts], "right")
    starts = np.unique(np.where(behind - cuts < cuts - first, behind, first))
    return starts[starts < len(p)]


def _by_chance(p: Values, starts: _Counts, predicted: Values, rng: np.random.Generator) -> float:
    """The value that 95 % of the calibration errors stay below if the probabilities are true."""
    hits = np.diff([*starts, len(p)])
    relevant = (np.add.reduceat(rng.random(len(p)) < p, starts, dtype=np.int64) for _ in range(DRAWS))
    errors = [float(hits @ np.abs(predicted - n / hits)) / len(p) for n in relevant]
    return float(np.quantile(errors, CONFIDENCE))


@dataclass(frozen=True)
class Interval:
    """A figure between the ends of its 95 % percentile bootstrap interval over queries."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """Answering from ``threshold`` on answers the share ``answered`` of the queries; the share
    ``precision`` of these answers is right."""

    threshold: float
    answered: float
    precision: float


@dataclass(frozen=True)
class Operating:
    """A `Point` with its intervals: as good as promised on average, not for certain, so look at the low."""

    threshold: float
    answered: Interval
    precision: Interval


@dataclass(frozen=True)
class Abstention:
    """The result of `abstention`.

    ``precision``: the share of queries whose first hit is right, if all are answered. ``curve``: what each
    threshold gives, the highest first. ``aurc``: the area under the risk-coverage curve, that is the
    error of the n surest answers, averaged over all n; ``best``: that of a score that puts every right
    answer before every wrong one. A score that knows nothing has 1 - ``precision``. ``operating``: where
    most queries are answered with the precision ``wanted``; None if no threshold has it.
    """

    queries: int
    precision: float
    aurc: Interval
    best: float
    wanted: float
    operating: Operating | None
    curve: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def abstention(
    confidence: ArrayLike, correct: ArrayLike, *, wanted: float = PRECISION, seed: int = 0
) -> Abstention:
    """Measure what answering only the sure queries gives.

    ``confidence`` (n,): one score a query, that of its first hit, larger is surer; any scale will do.
    ``correct`` (n,): 1 if that hit is relevant, 0 if not. A query without a hit: the least confidence, and
    not correct. Queries of equal confidence are answered together. Geifman and El-Yaniv, "Selective
    Classification for Deep Neural Networks", NIPS 2017. InputError if there is nothing, if the shapes
    differ, for a score that is not finite, another outcome than 0 or 1, or a ``wanted`` outside (0, 1].
    """
    if isinstance(wanted, bool) or not isinstance(wanted, (int, float)) or not 0 < wanted <= 1:
        raise InputError(f"the wanted precision is {shown(wanted)}; it must be in (0, 1]")
    score, right = _pairs(confidence, correct)
    thresholds, group = np.unique(-score, return_inverse=True)
    # Each threshold adds queries that are right and others that are wrong: (1, 2 * thresholds).
    cells = np.bincount(2 * group + (right == 0), minlength=2 * len(thresholds))[None]
    curve = _Curve.of(cells)
    precision, share = curve.precision[0], curve.answered[0] / len(score)
    enough = np.flatnonzero(precision >= wanted)
    at = int(enough[-1]) if len(enough) else 0
    aurcs, shares, precisions = _resampled(cells, at, np.random.default_rng(seed))
    operating = Operating(
        float(-thresholds[at]), _interval(share[at], shares), _interval(precision[at], precisions)
    )
    wrong = np.sort(1 - right)
    return Abstention(
        queries=len(score),
        precision=float(right.mean()),
        aurc=_interval(curve.aurc[0], aurcs),
        best=float(np.mean(np.cumsum(wrong) / np.arange(1, len(wrong) + 1))),
        wanted=float(wanted),
        operating=operating if len(enough) else None,
        curve=tuple(map(Point, (-thresholds).tolist(), share.tolist(), precision.tolist())),
    )


def _resampled(cells: _Counts, at: int, rng: np.random.Generator) -> tuple[Values, Values, Values]:
    """The area, and at one threshold the share answered and the precision, of resamples of the queries."""
    queries, parts = int(cells.sum()), []
    size = max(1, _CELLS_AT_ONCE // cells.shape[1])
    for start in range(0, RESAMPLES, size):
        drawn = rng.multinomial(queries, cells[0] / queries, min(size, RESAMPLES - start))
        curve = _Curve.of(drawn)
        parts.append(np.stack([curve.aurc, curve.answered[:, at] / queries, curve.precision[:, at]]))
    aurcs, shares, precisions = np.concatenate(parts, axis=1)
    return aurcs, shares, precisions


@dataclass(frozen=True)
class _Curve:
    """(samples, thresholds) each: how many queries a threshold adds and how many are ``answered`` from it
    on, and the wrong ones of both."""

    sizes: _Counts
    answered: _Counts
    wrong: _Counts
    errors: _Counts

    @classmethod
    def of(cls, cells: _Counts) -> _Curve:
        sizes, wrong = cells[:, ::2] + cells[:, 1::2], cells[:, 1::2]
        return cls(sizes, np.cumsum(sizes, axis=1), wrong, np.cumsum(wrong, axis=1))

    @property
    def precision(self) -> Values:
        """NaN where a sample has none of the surest queries."""
        with np.errstate(invalid="ignore"):
            return (self.answered - self.errors) / self.answered

    @property
    def aurc(self) -> Values:
        """(samples,). The order among equal scores is left to chance, so that their errors come evenly:
        with E errors among the A answers before them and r the share of wrong ones among them, the mean of
        (E + r j) / (A + j) over j = 1 .. size is r + (E - r A) (H(A + size) - H(A)) / size, H(n) the sum
        of 1 / i up to n."""
        before, errors = self.answered - self.sizes, self.errors - self.wrong
        rate = self.wrong / np.maximum(self.sizes, 1)
        queries = int(self.answered[0, -1])
        harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, queries + 1))])
        sums = rate * self.sizes
        sums += (errors - rate * before) * (harmonic[self.answered] - harmonic[before])
        return np.asarray(sums.sum(axis=1) / queries)


def _interval(value: float, resampled: Values) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))


def _pairs(scores: ArrayLike, outcomes: ArrayLike) -> tuple[Values, Values]:
    try:
        given, happened = np.asarray(scores, np.float64), np.asarray(outcomes, np.float64)
    except (TypeError, ValueError) as cause:
        raise InputError(f"scores or outcomes that are no numbers: {shown(str(cause))}") from cause
    if given.ndim != 1 or given.shape != happened.shape:
        raise InputError(f"scores of shape {given.shape} and outcomes of {happened.shape}, not one (n,)")
    if not len(given):
        raise InputError("nothing to judge: no score was given")
    if not np.isfinite(given).all():
        raise InputError("a score is NaN or infinite")
    if not np.isin(happened, (0, 1)).all():
        raise InputError("an outcome is neither 0 nor 1")
    return given, happened
