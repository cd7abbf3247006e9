"""Calibrated scores: the probability that a hit is relevant, learned from judged queries.

A fused score only orders one list. `signals` computes columns for each hit that do not depend on the list,
page or `k` in which it was shown; `fit` learns a `Calibration` from such columns and judgments; the
`Calibration` turns the columns of any hit into a probability. The model is a logistic regression: Platt
scaling with more than one input ("Probabilistic Outputs for Support Vector Machines", 1999).

The inputs were chosen on the training queries of five collections, two of them with two encoders: fitted on
half of the queries, compared on the other half. With the two plain scores alone, the probabilities of first
hits are far too low (a calibration error of .17), because nothing distinguishes a first hit that stands out
from one with equally good rivals; with the margins the error is .06. An isotonic regression on top did not
help.

Unjudged documents count as not relevant, as in every measure, so where judgments are sparse the
probabilities are lower bounds. Also, all judged queries have an answer, but users' queries may not: fitted
on judged queries alone, a calibration trusts the best hit of a list of noise. So give `fit` some queries a
second time, one list in five, with their relevant documents removed from hits and legs. Then fewer queries
without an answer get a first hit above .5 (10 % instead of 26 on one collection, 15 instead of 18 on
another), while first hits of the other queries get a slightly lower probability than they should.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid import okapi
from hybrid.errors import FormatTooNew, InputError, QueryError, SettingsError
from hybrid.limits import shown
from hybrid.okapi import K1
from hybrid.types import Candidates, Ordinals, Scores

Signals: TypeAlias = dict[str, NDArray[np.float32]]
_Floats: TypeAlias = NDArray[np.float64]
_Mask: TypeAlias = NDArray[np.bool_]

VERSION: Final = 1
"""The version of the stored form and of the meaning of `signals`; an older calibration must be refitted."""
SIGNALS: Final = ("similarity", "similarity_margin", "bm25", "bm25_margin", "query_idf")
FEWEST: Final = 10
"""The smallest number of judged queries for a model."""
FOLDS: Final = 5
_EITHER_WAY: Final = frozenset({"query_idf"})
"""Inputs whose slope may be negative; a larger value of any other never makes relevance less likely."""
_RIDGE: Final = 1.0
_SATURATED: Final = K1 + 1  # a term's largest contribution, in units of its idf


def uncalibrated(option: str) -> QueryError:
    """The error of an ``option`` of a search that needs a calibration."""
    return QueryError(
        f"{option} needs a calibration, and this index has none of the way it ranks now; make one "
        "from judged queries: hybrid calibrate DIR --queries F --qrels F"
    )


# -- inputs


def signals(
    hits: Ordinals,
    similarities: Scores,
    bm25: Scores,
    legs: Sequence[Candidates],
    frequencies: Sequence[int],
    documents: int,
) -> Signals:
    """Compute the inputs of a calibration, float32 (n,) each, for ``hits``, int64 (n,), of one query.

    ``similarities`` (n,): the vector leg's score of each hit, including hits that it did not find; NaN
    for a document without a vector, and everywhere if the leg was not searched. ``bm25`` (n,): the same
    for the lexical leg; 0 for a document without a term of the query. ``legs``: the (lexical, vector)
    lists from rank 1 on, `Candidates.none` for a leg that was not searched; only the first two candidates
    of each are read. ``frequencies``: the document frequency of each term of the query, repeats included,
    among ``documents``.

        similarity          as given
        similarity_margin   similarity - that of the best other document
        bm25                BM25 / the most that the query can give: (k1 + 1) * sum of the terms' idf
        bm25_margin         bm25 - that of the best other document
        query_idf           log(1 + sum of the terms' idf): how specific the query is

    The columns of a leg that was not searched are NaN. The best other document is the leg's first, or its
    second for the first itself: a margin is positive for the leg's first document only.
    """
    lexical, vector = legs
    # n may exceed N: it counts deleted documents, N does not.
    idf = sum(max(0.0, okapi.idf(n, documents)) for n in frequencies)
    # Without terms the lexical leg is not searched.
    share = bm25.astype(np.float64) / (_SATURATED * idf) if idf > 0 else np.full(len(hits), np.nan)
    rival = _rivals(hits, lexical, 0.0) / (_SATURATED * idf) if idf > 0 else share
    nearest = similarities.astype(np.float64)
    ahead = nearest - _rivals(hits, vector, np.nan)
    alone = np.isnan(ahead) & ~np.isnan(nearest)  # there is no other document to compare with
    columns = {
        "similarity": nearest,
        "similarity_margin": np.where(alone, 0.0, ahead),
        "bm25": share,
        "bm25_margin": share - rival,
        "query_idf": np.where(np.isnan(share), np.nan, math.log1p(idf)),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


def _rivals(hits: Ordinals, leg: Candidates, nobody: float) -> _Floats:
    """Return, for each hit, the score of the leg's best other document."""
    best = [*leg.scores[:2].tolist(), nobody, nobody]
    return np.where(hits == leg.ordinals[0], best[1], best[0]) if len(leg) else np.full(len(hits), nobody)


# -- the model


@dataclass(frozen=True, slots=True)
class Logistic:
    """p = 1 / (1 + exp(-(intercept + sum of slope * input))), each input clipped to [``low``, ``high``],
    the range of the data it was fitted on: nothing is known outside."""

    inputs: tuple[str, ...]
    intercept: float
    slopes: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __call__(self, values: _Floats) -> _Floats:
        """(n, inputs) -> (n,)."""
        return _sigmoid(self.intercept + np.clip(values, self.low, self.high) @ np.array(self.slopes))

    def __str__(self) -> str:
        terms = (f" {slope:+.4g} {name}" for name, slope in zip(self.inputs, self.slopes, strict=True))
        return f"logit p = {self.intercept:.4g}" + "".join(terms)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps signals to probabilities of relevance. ``models``: one for each set of inputs that are known
    together (those of hybrid, lexical and vector searches), most inputs first. ``base_rate``: the share of
    relevant hits in the data it was fitted on."""

    inputs: tuple[str, ...]
    models: tuple[Logistic, ...]
    base_rate: float

    def __call__(self, columns: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the probability that each hit is relevant, float32 (n,) in [0, 1].

        ``columns``: (n,) for each of ``inputs`` and no others; NaN means unknown. Each hit uses the first
        model all of whose inputs are known, or else the base rate. Raises SettingsError for other names,
        InputError if the columns do not share one shape (n,).
        """
        if columns.keys() != set(self.inputs):
            raise SettingsError(
                f"this calibration reads {', '.join(self.inputs)}; it was given "
                f"{', '.join(columns) or 'nothing'}: fit it again on what the index answers now"
            )
        values = _matrix(self.inputs, columns)
        left = np.ones(len(values), np.bool_)
        found = np.full(len(values), self.base_rate)
        for model in self.models:
            part = values[:, [self.inputs.index(name) for name in model.inputs]]
            mine = left & ~np.isnan(part).any(axis=1)
            found[mine] = model(part[mine])
            left &= ~mine
        return found.astype(np.float32)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.models), f"otherwise p = {self.base_rate:.4g}"])

    def to_json(self) -> dict[str, Any]:
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Calibration:
        """Read what ``to_json`` wrote. Raises FormatTooNew if a newer version of this package wrote it,
        SettingsError for anything else."""
        version = stored.get("version") if isinstance(stored, Mapping) else None
        if isinstance(version, int) and version > VERSION:
            raise FormatTooNew(
                f"stored calibration: version {shown(version)}, this package reads {VERSION}; "
                "upgrade hybrid-retrieval, or fit it again"
            )
        if version != VERSION or isinstance(version, bool):
            raise SettingsError(f"stored calibration: {shown(stored)} is not a calibration; fit it again")
        try:
            return _read(stored)
        except (KeyError, TypeError, ValueError, OverflowError) as cause:
            raise SettingsError(f"stored calibration: {shown(str(cause))}; fit it again") from cause


def fit(columns: Mapping[str, NDArray[np.float32]], labels: ArrayLike, groups: ArrayLike) -> Calibration:
    """Fit a calibration to judged hits.

    ``columns``: the signals of each hit, (n,) per name, NaN if unknown. ``labels`` (n,): 1 relevant, 0
    not relevant or not judged. ``groups`` (n,): the query of each hit. Best pass the first ten hits of
    each query in each of the modes: the deeper the lists, the less the model is about the hits that users
    see.

    Each set of inputs that are known together gets its own model if it occurs in at least `FEWEST`
    queries. A model maximises the likelihood of Platt's smoothed labels, so that even hits that are all
    relevant get a probability below 1, minus half the squared slopes of the standardised inputs; slopes
    of all inputs but ``query_idf`` are 0 or more. All hits have equal weight. Same input, same output.
    Raises InputError if the arrays do not fit together, hold infinities or labels other than 0 and 1, or
    are empty.
    """
    names, values, relevant, queries = _checked(columns, labels, groups)
    known = ~np.isnan(values)
    models = []
    for pattern in np.unique(known, axis=0):
        rows = (known == pattern).all(axis=1)
        if pattern.any() and len(np.unique(queries[rows])) >= FEWEST:
            inputs = tuple(name for name, has in zip(names, pattern, strict=True) if has)
            models.append(_logistic(inputs, values[rows][:, pattern], relevant[rows]))
    models.sort(key=lambda model: (-len(model.inputs), model.inputs))
    return Calibration(names, tuple(models), (float(relevant.sum()) + 1) / (len(relevant) + 2))


def out_of_fold(
    columns: Mapping[str, NDArray[np.float32]], labels: ArrayLike, groups: ArrayLike, *, seed: int = 0
) -> NDArray[np.float32]:
    """Return the probability of each hit, float32 (n,), from a calibration fitted without its query.
    Compare with ``labels`` to evaluate `fit`. Raises InputError as `fit` does, and for fewer than `FOLDS`
    queries."""
    names, values, relevant, queries = _checked(columns, labels, groups)
    distinct, query = np.unique(queries, return_inverse=True)
    if len(distinct) < FOLDS:
        raise InputError(
            f"{len(distinct)} judged queries cannot be split into {FOLDS} folds; judge {FOLDS} or more"
        )
    fold = (np.random.default_rng(seed).permutation(len(distinct)) % FOLDS)[query]
    found = np.empty(len(values), np.float32)
    for number in range(FOLDS):
        mine = fold == number
        others = {name: column[~mine] for name, column in zip(names, values.T, strict=True)}
        calibration = fit(others, relevant[~mine], query[~mine])
        found[mine] = calibration(dict(zip(names, values[mine].T, strict=True)))
    return found


def _logistic(inputs: tuple[str, ...], values: _Floats, relevant: _Mask) -> Logistic:
    from scipy.optimize import minimize

    mean, deviation = values.mean(axis=0), values.std(axis=0)
    deviation[deviation <= 1e-9 * np.abs(mean)] = 1.0  # a constant, up to rounding
    design = np.column_stack([np.ones(len(values)), (values - mean) / deviation])
    targets = _smoothed(relevant)
    ridge = np.array([0.0] + [_RIDGE] * len(inputs))

    def loss(weights: _Floats) -> tuple[float, _Floats]:
        logits = design @ weights
        value = np.logaddexp(0, logits).sum() - targets @ logits + ridge @ weights**2 / 2
        return float(value), design.T @ (_sigmoid(logits) - targets) + ridge * weights

    free, rising = (None, None), (0, None)
    bounds = [free, *(free if name in _EITHER_WAY else rising for name in inputs)]
    start = np.zeros(len(bounds))
    # Go as close to the optimum as the arithmetic allows: no figure should depend on where it stops.
    precise = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    weights = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=precise).x
    slopes = weights[1:] / deviation
    return Logistic(
        inputs,
        float(weights[0] - slopes @ mean),
        tuple(slopes.tolist()),
        tuple(values.min(axis=0).tolist()),
        tuple(values.max(axis=0).tolist()),
    )


def _smoothed(relevant: _Mask) -> _Floats:
    """Return Platt's targets, (N1 + 1) / (N1 + 2) and 1 / (N0 + 2): a uniform prior on the labels."""
    ones = int(relevant.sum())
    return np.where(relevant, (ones + 1) / (ones + 2), 1 / (len(relevant) - ones + 2))


def _sigmoid(logits: _Floats) -> _Floats:
    return np.asarray((1 + np.tanh(logits / 2)) / 2)  # unlike exp, tanh cannot overflow


# -- checks of input


def _matrix(names: Sequence[str], columns: Mapping[str, NDArray[Any]]) -> _Floats:
    shapes = {np.shape(columns[name]) for name in names}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise InputError(f"columns of shapes {shown(sorted(shapes))}; all must have the one shape (n,)")
    try:
        return np.column_stack([np.asarray(columns[name], np.float64) for name in names])
    except (TypeError, ValueError) as cause:
        raise InputError(f"columns that are not numbers: {shown(str(cause))}") from cause


def _checked(
    columns: Mapping[str, NDArray[np.float32]], labels: ArrayLike, groups: ArrayLike
) -> tuple[tuple[str, ...], _Floats, _Mask, NDArray[Any]]:
    if not columns:
        raise InputError("nothing to fit: no column was given")
    names = tuple(columns)
    values, given, queries = _matrix(names, columns), np.asarray(labels), np.asarray(groups)
    if not (given.shape == queries.shape == (len(values),)):
        raise InputError(
            f"{len(values)} hits with labels of shape {given.shape} and groups of shape {queries.shape}; "
            f"both must be ({len(values)},)"
        )
    if not len(values):
        raise InputError("nothing to fit: no judged hit was given")
    if np.isinf(values).any():
        raise InputError("a column holds an infinite number; what is unknown is NaN")
    if not np.isin(given, (0, 1)).all():
        raise InputError(f"a label is {shown(given[~np.isin(given, (0, 1))][0])}; it must be 0 or 1")
    return names, values, given.astype(np.bool_), queries


def _read(stored: Mapping[str, Any]) -> Calibration:
    inputs = _names(stored["inputs"])
    models = tuple(_read_model(model, inputs) for model in stored["models"])
    if unknown := stored.keys() - {"version", *(field.name for field in fields(Calibration))}:
        raise ValueError(f"no field {min(unknown)}")
    [base_rate] = _numbers([stored["base_rate"]], 1)
    if not 0 <= base_rate <= 1:
        raise ValueError(f"base_rate is {base_rate}")
    return Calibration(inputs, models, base_rate)


def _read_model(stored: Mapping[str, Any], inputs: tuple[str, ...]) -> Logistic:
    names = _names(stored["inputs"])
    if not set(names) <= set(inputs):
        raise ValueError(f"a model reads {names}, the calibration {inputs}")
    [intercept] = _numbers([stored["intercept"]], 1)
    slopes, low, high = (_numbers(stored[key], len(names)) for key in ("slopes", "low", "high"))
    if any(a > b for a, b in zip(low, high, strict=True)):
        raise ValueError("a model's low is above its high")
    return Logistic(names, intercept, slopes, low, high)


def _names(stored: object) -> tuple[str, ...]:
    if not isinstance(stored, (list, tuple)) or not all(isinstance(name, str) for name in stored):
        raise TypeError("inputs are not a list of names")
    if not stored or len(set(stored)) < len(stored):
        raise ValueError("inputs are empty, or hold a name twice")
    return tuple(stored)


def _numbers(stored: object, length: int) -> tuple[float, ...]:
    if not isinstance(stored, (list, tuple)) or len(stored) != length:
        raise ValueError(f"not a list of {length} numbers")
    if any(isinstance(n, bool) or not isinstance(n, (int, float)) or not math.isfinite(n) for n in stored):
        raise ValueError("not a finite number")
    return tuple(map(float, stored))
