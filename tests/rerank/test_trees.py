"""Our walk of boosted trees against LightGBM's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.trees import Trees, read

NAMES = ("fused_score", "few", "missing", "flat")
LEAVES = (2, 8, 9, 31, 33, 64)


@cache
def booster(leaves: int = 16, **others: Any) -> lightgbm.Booster:
    """Trained on columns of which one has few values, one misses some, and one is the same throughout."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(2000, 4)).round(2)
    rows[:, 1] = random.integers(-1, 2, 2000)
    rows[random.random(2000) < 0.3, 2] = np.nan
    rows[:, 3] = 1
    grades = (rows[:, 0] + np.nan_to_num(rows[:, 2]) * rows[:, 1] + random.normal(size=2000) > 1).astype(
        int
    )
    data = lightgbm.Dataset(rows, grades, group=[20] * 100, params={"verbosity": -1})
    told = {"num_leaves": leaves, "min_data_in_leaf": 5, "min_sum_hessian_in_leaf": 0, "num_threads": 1}
    return lightgbm.train({"objective": "lambdarank", "verbosity": -1, **told, **others}, data, 12)


def walked(booster: lightgbm.Booster) -> Trees:
    trees = read(booster.model_to_string())
    assert trees is not None
    return trees


def agree(booster: lightgbm.Booster, rows: NDArray[np.float32]) -> None:
    theirs = booster.predict(rows.astype(np.float64), num_threads=1)
    np.testing.assert_allclose(walked(booster)(list(rows.T)), theirs, rtol=0, atol=1e-12)


NUMBERS = st.one_of(
    st.floats(-3, 3, width=32).map(lambda x: round(x, 2)),  # thresholds lie between such
    st.floats(width=32).filter(lambda x: not 0 < abs(x) < 1e-34),
)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.just(4)), elements=NUMBERS))
@pytest.mark.parametrize("leaves", LEAVES)
def test_it_comes_to_lightgbms_leaves(leaves: int, rows: NDArray[np.float32]) -> None:
    assert walked(booster(leaves)).leaves.shape[1] == leaves
    agree(booster(leaves), rows)


def test_a_value_that_is_a_threshold_goes_left() -> None:
    trees = walked(booster())
    rows = np.zeros((len(trees.cuts[0]), 4))
    rows[:, 0] = trees.cuts[0]
    np.testing.assert_allclose(trees(list(rows.T)), np.asarray(booster().predict(rows)), atol=1e-12)


def test_more_candidates_than_are_walked_at_a_time() -> None:
    agree(booster(), np.random.default_rng(1).normal(size=(1100, 4)).astype(np.float32))
    assert walked(booster())([np.zeros(0)] * 4).shape == (0,)


def test_what_never_missed_a_value_takes_none_for_0() -> None:
    trees, rows = walked(booster()), np.zeros((2, 4), np.float32)
    rows[1, :2] = np.nan
    assert len(set(trees(list(rows.T)).tolist())) == 1


def test_it_needs_no_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LambdaMART(NAMES, booster().model_to_string())
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    columns = {name: np.zeros(3, np.float32) for name in NAMES}
    assert len(model.scores(columns)) == 3
    with pytest.raises(ImportError):
        model.contributions(columns)


@pytest.mark.parametrize(
    "others",
    [
        {"objective": "binary"},  # whose predictions are probabilities
        {"leaves": 65},
        {"zero_as_missing": True},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},  # the mean of the trees
        {"linear_tree": True, "objective": "regression"},
    ],
)
def test_others_are_left_to_lightgbm(others: dict[str, Any]) -> None:
    theirs = booster(**others)
    assert read(theirs.model_to_string()) is None
    rows = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    model = LambdaMART(NAMES, theirs.model_to_string())
    found = model.scores(dict(zip(NAMES, rows.T, strict=True)))
    np.testing.assert_array_equal(found, theirs.predict(rows.astype(np.float64), num_threads=1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: "",
        lambda body: "trees",
        lambda body: body[: len(body) // 3],
        lambda body: body.replace("leaf_value=", "leaf="),
        lambda body: body.replace("left_child=", "left_child=x"),
        lambda body: body.replace("left_child=", "left_child=0 "),  # a circle
    ],
)
def test_what_cannot_be_read_is_none(damage: Callable[[str], str]) -> None:
    assert read(damage(booster().model_to_string())) is None
