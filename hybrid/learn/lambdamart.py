"""Training LambdaMART by cross-validation over queries."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError
from hybrid.learn.families import FOLDS, Rows, into_folds
from hybrid.rerank.lambdamart import FeatureColumns, LambdaMART, matrix
from hybrid.rerank.ordering import Values, standard
from hybrid.types import Steps

if TYPE_CHECKING:
    from lightgbm import Booster

CUTOFF: Final = 10
_STEP: Final = 10
_ROUNDS: Final = 200
_PATIENCE: Final = 60
_BINS: Final = 63
_LEAVES_OF_ROWS: Final = 20  # however few there are
_LEAST_QUERIES: Final = 2 * FOLDS
_MOST_ROWS: Final = 10_000  # a query; LightGBM raises for more
_STARTING: Final = threading.Lock()
"""LightGBM has one table of label gains for the whole process, from which each model is started."""

# What a reader of the result would call wrong if it fell as the feature rises.
_RISING: Final = frozenset(
    {
        *("fused_score", "lexical_score", "similarity", "bm25_title", "bm25_text", "bigrams", "phrase"),
        *("coverage", "coverage_title", "coverage_text", "weighted", "weighted_title", "weighted_text"),
        *("proximity", "title_exact", "digits", "votes_judged", "votes_clicked"),
    }
)


@dataclass(frozen=True)
class Judged:
    """The candidates of one judged query: their features, ``grades`` float (n,), 0 for an unjudged one, and
    the best DCG that the query allows (``ideal``), documents that no leg found included. Models learn from
    those that ``trains``, bool (n,), at most the first 10,000, and are measured on all. No model judges a
    query of a ``family`` that it learned from; a query without one is its own.
    """

    columns: FeatureColumns
    grades: Values
    ideal: float
    trains: NDArray[np.bool_]
    family: str = ""

    @classmethod
    def of(
        cls,
        columns: FeatureColumns,
        grades: Values,
        all_grades: Sequence[float],
        trains: NDArray[np.bool_] | None = None,
        family: str = "",
    ) -> Judged:
        best = np.sort(np.maximum(np.asarray(all_grades, np.float64), 0))[::-1]
        chosen = np.ones(len(grades), np.bool_) if trains is None else trains
        chosen = chosen & (chosen.cumsum() <= _MOST_ROWS)
        return cls(columns, np.maximum(grades, 0), dcg(best), chosen, family)

    @property
    def useful(self) -> bool:
        """True if there are two candidates of different grades to learn from."""
        return len(np.unique(self.grades[self.trains])) > 1


@dataclass(frozen=True)
class Choice:
    """One setting to try: leaves a tree, the least documents a leaf holds (fewer where there are only few),
    the weight of the fused score."""

    leaves: int
    least: int
    base: float


# Without any of the fused score the many documents that no tree tells apart would tie.
CHOICES: Final = (
    Choice(31, 100, 0.01),
    Choice(16, 300, 0.01),
    Choice(8, 200, 1.0),
    Choice(16, 100, 3.0),
)


@dataclass(frozen=True)
class Trained:
    """``model`` is trained on all queries, ``rounds`` trees as ``choice`` says. ``scores``: for each query
    float64 (n,) by models that did not see it. ``ndcg``: their mean nDCG@10, ``before`` that of the fused
    order. ``tried``: choice -> its nDCG@10."""

    model: LambdaMART
    choice: Choice
    rounds: int
    scores: list[Values]
    ndcg: float
    before: float
    tried: dict[Choice, float]


def train(
    queries: Sequence[Judged],
    names: Sequence[str],
    *,
    seed: int = 0,
    choices: Sequence[Choice] = CHOICES,
    progress: Steps = lambda _done, _total: None,
) -> Trained:
    """Choose among ``choices``, and how many trees, by cross-validated nDCG@10 over ``queries``, then train
    on all of them. ``names`` are the features to use. The same ``seed`` gives the same model. InputError
    where fewer than ten queries have a relevant document among their candidates."""
    useful = sum(query.useful for query in queries)
    if useful < _LEAST_QUERIES:
        raise InputError(
            f"{useful} judged queries have a relevant document among their candidates, and another one; "
            f"training needs {_LEAST_QUERIES} at least"
        )
    folds = _folds(queries, seed)
    best: tuple[float, Choice, int, list[Values]] | None = None
    tried: dict[Choice, float] = {}
    for number, choice in enumerate(choices):
        rounds, scores = _validated(queries, names, choice, folds, seed)
        tried[choice] = reached = mean_ndcg(queries, scores)
        if best is None or reached > best[0]:
            best = reached, choice, rounds, scores
        progress(number + 1, len(choices) + 1)
    assert best is not None
    reached, choice, rounds, scores = best
    trees = _planted(queries, names, choice, seed)
    _grow(trees, rounds)
    progress(len(choices) + 1, len(choices) + 1)
    model = LambdaMART(tuple(names), trees.model_to_string(), choice.base)
    before = mean_ndcg(queries, [standard(query.columns["fused_score"]) for query in queries])
    return Trained(model, choice, rounds, scores, reached, before, tried)


def cross_validated(
    queries: Sequence[Judged], names: Sequence[str], choice: Choice, seed: int = 0
) -> float:
    """The mean nDCG@10 of ``choice`` with the features ``names``, of queries by models that did not see
    them nor any of their family."""
    _, scores = _validated(queries, names, choice, _folds(queries, seed), seed)
    return mean_ndcg(queries, scores)


def _folds(queries: Sequence[Judged], seed: int) -> list[Rows]:
    return into_folds([query.family or str(row) for row, query in enumerate(queries)], seed)


def dcg(grades: Values) -> float:
    """The DCG@10 of grades in the order of a ranking, with linear gains as in trec_eval."""
    top = grades[:CUTOFF]
    return float(top @ (1 / np.log2(np.arange(2, len(top) + 2))))


def ndcg(query: Judged, scores: Values) -> float:
    """nDCG@10 of the candidates by ``scores`` (n,); ties keep their order."""
    order = np.argsort(-scores, kind="stable")
    return dcg(query.grades[order]) / query.ideal if query.ideal else 0.0


def mean_ndcg(queries: Sequence[Judged], scores: Sequence[Values]) -> float:
    return float(np.mean([ndcg(query, own) for query, own in zip(queries, scores, strict=True)]))


def _validated(
    queries: Sequence[Judged], names: Sequence[str], choice: Choice, folds: Sequence[Rows], seed: int
) -> tuple[int, list[Values]]:
    """The best number of trees, and with it the scores of each query by the models that did not see it.
    Stops growing where the last ``_PATIENCE`` trees brought nothing."""
    order = [queries[i] for fold in folds for i in fold]
    best, rounds, scores = -1.0, 0, list[Values]()
    with ThreadPoolExecutor(min(os.cpu_count() or 1, FOLDS)) as pool:
        growing = list(pool.map(lambda fold: _Growing.without(fold, queries, names, choice, seed), folds))
        for done in range(_STEP, _ROUNDS + 1, _STEP):
            found = _parted(order, np.concatenate(list(pool.map(_Growing.further, growing))))
            reached = mean_ndcg(order, found)
            if reached > best:
                best, rounds, scores = reached, done, found
            elif done - rounds >= _PATIENCE:
                break
    place = np.argsort(np.concatenate(folds))
    return rounds, [scores[i] for i in place]


class _Growing:
    """A model as it grows, and its scores of the queries that it does not learn from."""

    def __init__(
        self, trees: Booster, queries: Sequence[Judged], names: Sequence[str], base: float
    ) -> None:
        self._trees, self._rows, self._scores = trees, _rows(queries, names), _bases(queries, base)
        self._done = 0

    @classmethod
    def without(
        cls, fold: Rows, queries: Sequence[Judged], names: Sequence[str], choice: Choice, seed: int
    ) -> _Growing:
        others = np.setdiff1d(np.arange(len(queries)), fold)
        trees = _planted([queries[i] for i in others], names, choice, seed)
        return cls(trees, [queries[i] for i in fold], names, choice.base)

    def further(self) -> Values:
        """The scores of all candidates, end to end, after the next trees."""
        _grow(self._trees, _STEP)
        more = self._trees.predict(
            self._rows, start_iteration=self._done, num_iteration=_STEP, num_threads=1
        )
        self._scores, self._done = self._scores + np.asarray(more, np.float64), self._done + _STEP
        return self._scores


def _grow(trees: Booster, rounds: int) -> None:
    for _ in range(rounds):
        if trees.update():  # nothing is left to split
            return


def _parted(queries: Sequence[Judged], scores: Values) -> list[Values]:
    """Scores end to end as those of each query."""
    return np.split(scores, np.cumsum([len(query.grades) for query in queries])[:-1])


def _rows(queries: Sequence[Judged], names: Sequence[str]) -> Values:
    return np.concatenate([matrix(names, query.columns) for query in queries])


def _bases(queries: Sequence[Judged], base: float) -> Values:
    return np.concatenate([base * standard(query.columns["fused_score"]) for query in queries])


def _planted(queries: Sequence[Judged], names: Sequence[str], choice: Choice, seed: int) -> Booster:
    """A model without trees that is to learn from ``queries``."""
    import lightgbm

    useful = [query for query in queries if query.useful]
    kept = np.concatenate([query.trains for query in useful])
    grades = np.concatenate([query.grades for query in useful])[kept]
    gains = np.unique(np.append(grades, 0))
    parameters = _parameters(len(grades), gains, names, choice, seed)
    data = lightgbm.Dataset(
        _rows(useful, names)[kept],
        np.searchsorted(gains, grades),
        group=[int(query.trains.sum()) for query in useful],
        init_score=_bases(useful, choice.base)[kept],
        params=parameters,
    ).construct()
    with _STARTING:
        return lightgbm.Booster(parameters, data)


def _parameters(
    rows: int, gains: Values, names: Sequence[str], choice: Choice, seed: int
) -> dict[str, Any]:
    return {
        "objective": "lambdarank",
        "label_gain": gains.tolist(),  # linear, as nDCG is measured
        "lambdarank_truncation_level": 2 * CUTOFF,
        "num_leaves": choice.leaves,
        "min_data_in_leaf": min(choice.least, rows // _LEAVES_OF_ROWS + 1),
        "learning_rate": 0.05,
        "feature_fraction": 0.4,  # of few queries each feature knows some by heart
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        "monotone_constraints": [int(name in _RISING) for name in names],
        "max_bin": _BINS,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,  # its threads wait for one another busily: on shared cores far slower than one
        "verbosity": -1,
    }
