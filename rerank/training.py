"""Training LambdaMART by cross-validation over queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError
from hybrid.rerank.lambdamart import Columns, LambdaMART, Values, matrix, standard

if TYPE_CHECKING:
    from lightgbm import Booster

Rows: TypeAlias = NDArray[np.int64]
Progress: TypeAlias = Callable[[int, int], None]
"""Told how many of how many models are trained."""

CUTOFF: Final = 10
FOLDS: Final = 5
_STEP: Final = 10
_ROUNDS: Final = 200
_LEAST_QUERIES: Final = 2 * FOLDS
_WORTH_THREADS: Final = 20_000  # rows

# What a reader of the result would call wrong if it fell as the feature rises.
_RISING: Final = frozenset(
    {
        *("fused_score", "lexical_score", "similarity", "bm25_title", "bm25_text", "bigrams", "phrase"),
        *("coverage", "coverage_title", "coverage_text", "weighted", "weighted_title", "weighted_text"),
        *("proximity", "title_exact", "digits"),
    }
)


@dataclass(frozen=True)
class Judged:
    """The candidates of one judged query: their features, ``grades`` float (n,), 0 for an unjudged one, and
    the best DCG that the query allows (``ideal``), documents that no leg found included."""

    columns: Columns
    grades: Values
    ideal: float

    @classmethod
    def of(cls, columns: Columns, grades: Values, all_grades: Sequence[float]) -> Judged:
        best = np.sort(np.maximum(np.asarray(all_grades, np.float64), 0))[::-1]
        return cls(columns, np.maximum(grades, 0), dcg(best))


@dataclass(frozen=True)
class Choice:
    """What is tried: leaves a tree, how few documents a leaf may hold, the weight of the fused score."""

    leaves: int
    least: int
    base: float


CHOICES: Final = tuple(Choice(*one) for one in product((4, 8, 16), (50,), (0.0, 1.0, 3.0)))


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
    progress: Progress = lambda _done, _total: None,
) -> Trained:
    """Choose among ``choices``, and how many trees, by cross-validated nDCG@10 over ``queries``, then train
    on all of them. ``names`` are the features to use. The same ``seed`` gives the same model. InputError
    where fewer than ten queries have a relevant document among their candidates."""
    useful = [query for query in queries if query.grades.any()]
    if len(useful) < _LEAST_QUERIES:
        raise InputError(
            f"{len(useful)} judged queries have a relevant document among their candidates; "
            f"training needs {_LEAST_QUERIES} at least"
        )
    folds = [
        np.sort(part)
        for part in np.array_split(np.random.default_rng(seed).permutation(len(queries)), FOLDS)
    ]
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
    trees = _grown(queries, names, choice, rounds, seed)
    progress(len(choices) + 1, len(choices) + 1)
    model = LambdaMART(tuple(names), trees.model_to_string(), choice.base)
    before = mean_ndcg(queries, [standard(query.columns) for query in queries])
    return Trained(model, choice, rounds, scores, reached, before, tried)


def dcg(grades: Values) -> float:
    """Of grades in the order of a ranking, gains linear, as trec_eval has it."""
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
    """How many trees did best, and with so many the scores of each query by the models without it."""
    steps = range(_STEP, _ROUNDS + 1, _STEP)
    scores: list[list[Values]] = [[] for _ in steps]  # step -> fold -> its candidates, end to end
    for fold in folds:
        others = np.setdiff1d(np.arange(len(queries)), fold)
        trees = _grown([queries[i] for i in others], names, choice, _ROUNDS, seed)
        own = [queries[i] for i in fold]
        for step, reached in enumerate(_staged(trees, own, names, choice.base, steps)):
            scores[step].append(reached)
    order = [queries[i] for fold in folds for i in fold]
    staged = [_parted(order, np.concatenate(parts)) for parts in scores]
    best = int(np.argmax([mean_ndcg(order, own) for own in staged]))
    place = np.argsort(np.concatenate(folds))
    return steps[best], [staged[best][i] for i in place]


def _staged(
    trees: Booster, queries: Sequence[Judged], names: Sequence[str], base: float, steps: Sequence[int]
) -> Iterator[Values]:
    """The scores of all candidates, end to end, after so many trees each."""
    rows, scores, done = _rows(queries, names), _bases(queries, base), 0
    for step in steps:
        more = trees.predict(rows, start_iteration=done, num_iteration=step - done, num_threads=1)
        scores, done = scores + np.asarray(more, np.float64), step
        yield scores


def _parted(queries: Sequence[Judged], scores: Values) -> list[Values]:
    """Scores end to end as those of each query."""
    return np.split(scores, np.cumsum([len(query.grades) for query in queries])[:-1])


def _rows(queries: Sequence[Judged], names: Sequence[str]) -> Values:
    return np.concatenate([matrix(names, query.columns) for query in queries])


def _bases(queries: Sequence[Judged], base: float) -> Values:
    return np.concatenate([base * standard(query.columns) for query in queries])


def _grown(
    queries: Sequence[Judged], names: Sequence[str], choice: Choice, rounds: int, seed: int
) -> Booster:
    import lightgbm

    useful = [query for query in queries if query.grades.any()]
    data = lightgbm.Dataset(
        _rows(useful, names),
        np.concatenate([query.grades for query in useful]),
        group=[len(query.grades) for query in useful],
        init_score=_bases(useful, choice.base),
        feature_name=list(names),
        params={"verbosity": -1},
    )
    return lightgbm.train(_parameters(useful, names, choice, seed), data, rounds)


def _parameters(
    queries: Sequence[Judged], names: Sequence[str], choice: Choice, seed: int
) -> dict[str, Any]:
    highest = int(max(query.grades.max() for query in queries))
    rows = sum(len(query.grades) for query in queries)
    return {
        "objective": "lambdarank",
        "label_gain": list(range(highest + 1)),  # linear, as nDCG is measured
        "lambdarank_truncation_level": 2 * CUTOFF,
        "num_leaves": choice.leaves,
        "min_data_in_leaf": choice.least,
        "learning_rate": 0.05,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 1.0,
        "monotone_constraints": [int(name in _RISING) for name in names],
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1 if rows < _WORTH_THREADS else 0,  # 0: all cores
        "verbosity": -1,
    }
