"""Calibration: known truths are recovered, what is unknown is said to be, hostile input is refused."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid.errors import InputError, SettingsError
from hybrid.learn.reliability import reliability
from hybrid.rerank.calibration import (
    FEWEST,
    FOLDS,
    SIGNALS,
    Calibration,
    Logistic,
    Signals,
    fit,
    out_of_fold,
    signals,
)
from hybrid.types import Candidates

Floats = NDArray[np.float32]
HITS = np.array([7, 3, 9], np.int64)


def floats(*values: float) -> Floats:
    return np.array(values, np.float32)


def ranked(*pairs: tuple[int, float]) -> Candidates:
    ordinals, scores = zip(*pairs, strict=True)
    return Candidates.ranked(np.array(ordinals, np.int64), floats(*scores))


def judged(
    queries: int = 400, hits: int = 10, seed: int = 0
) -> tuple[Signals, NDArray[np.bool_], NDArray[np.int64], Floats]:
    """Hits whose probability is 1 / (1 + exp(-(-2 + 3 a + 1 b))): columns, labels, groups, the truth."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=queries * hits).astype(np.float32) for name in ("a", "b")}
    truth = 1 / (1 + np.exp(2 - 3 * columns["a"] - columns["b"]))
    labels = rng.random(queries * hits) < truth
    return columns, labels, np.repeat(np.arange(queries), hits), truth


# Signals


def test_signals_by_hand() -> None:
    lexical, vector = ranked((3, 4.0), (9, 1.0)), ranked((7, 0.9), (3, 0.6), (9, 0.5))
    found = signals(HITS, floats(0.9, 0.6, 0.5), floats(0.0, 4.0, 1.0), (lexical, vector), [1, 4, 4], 9)
    idf = math.log(1 + (9 - 1 + 0.5) / (1 + 0.5)) + 2 * math.log(1 + (9 - 4 + 0.5) / (4 + 0.5))
    most = 2.2 * idf
    assert tuple(found) == SIGNALS
    assert found["similarity"] == pytest.approx([0.9, 0.6, 0.5])
    assert found["similarity_margin"] == pytest.approx([0.9 - 0.6, 0.6 - 0.9, 0.5 - 0.9])
    assert found["bm25"] == pytest.approx([0, 4 / most, 1 / most])
    assert found["bm25_margin"] == pytest.approx([-4 / most, (4 - 1) / most, (1 - 4) / most])
    assert found["query_idf"] == pytest.approx([math.log(1 + idf)] * 3)
    assert {column.dtype for column in found.values()} == {np.dtype(np.float32)}


def test_signals_of_a_hit_are_the_same_on_every_page() -> None:
    legs = ranked((3, 4.0), (9, 1.0)), ranked((7, 0.9), (3, 0.6), (9, 0.5))
    similarities, bm25 = floats(0.9, 0.6, 0.5), floats(0.0, 4.0, 1.0)
    first = signals(HITS, similarities, bm25, legs, [1, 4], 9)
    second_page = signals(HITS[2:], similarities[2:], bm25[2:], legs, [1, 4], 9)
    for name in SIGNALS:
        assert second_page[name][0] == first[name][2]


def test_a_leg_that_was_not_asked_is_unknown() -> None:
    nothing, nan = Candidates.none(), np.full(3, np.nan, np.float32)
    vector = ranked((7, 0.9), (3, 0.6))
    found = signals(HITS, floats(0.9, 0.6, 0.5), nan, (nothing, vector), [], 9)
    assert {name for name in SIGNALS if np.isnan(found[name]).all()} == {"bm25", "bm25_margin", "query_idf"}
    found = signals(HITS, nan, floats(0, 4, 1), (ranked((3, 4.0), (9, 1.0)), nothing), [1], 9)
    assert {name for name in SIGNALS if np.isnan(found[name]).all()} == {"similarity", "similarity_margin"}
    assert not np.isnan(found["query_idf"]).any()


def test_the_only_document_of_a_leg_has_no_rival() -> None:
    hit, leg = HITS[:1], ranked((7, 0.5))
    found = signals(hit, floats(0.5), floats(0.5), (leg, leg), [1], 1)
    assert found["similarity_margin"] == [0]
    assert found["bm25_margin"] == found["bm25"]  # every other document has a BM25 of 0


def test_a_query_without_a_known_term_has_a_share_of_nothing() -> None:
    found = signals(
        HITS, floats(0.9, 0.6, 0.5), floats(0, 0, 0), (Candidates.none(), ranked((7, 0.9))), [0], 9
    )
    assert found["bm25"].tolist() == found["bm25_margin"].tolist() == [0, 0, 0]


def test_dead_documents_may_outnumber_the_living() -> None:
    found = signals(HITS, floats(0, 0, 0), floats(0, 0, 0), (Candidates.none(), ranked((7, 0.9))), [50], 3)
    assert np.isnan(found["bm25"]).all()


# What is learned


def test_a_known_model_is_recovered() -> None:
    columns, labels, groups, truth = judged(queries=3000)
    calibration = fit(columns, labels, groups)
    [model] = calibration.models
    assert model.intercept == pytest.approx(-2, abs=0.1)
    assert model.slopes == pytest.approx((3, 1), abs=0.1)
    assert np.abs(calibration(columns) - truth).max() < 0.03


def test_probabilities_of_unseen_queries_are_calibrated() -> None:
    columns, labels, groups, _ = judged()
    found = reliability(out_of_fold(columns, labels, groups), labels)
    assert found.ece < found.by_chance
    assert found.skill > 0.4


def test_noise_has_no_skill() -> None:
    columns, _, groups, _ = judged()
    labels = np.random.default_rng(9).random(len(groups)) < 0.3
    found = out_of_fold(columns, labels, groups)
    assert reliability(found, labels).skill < 0.01
    assert found == pytest.approx(labels.mean(), abs=0.1)


def test_more_of_an_input_never_lowers_a_probability() -> None:
    columns, labels, groups, _ = judged()
    against = fit(columns, ~labels, groups)  # the data say: the more, the less relevant
    assert against.models[0].slopes == (0, 0)
    rising = fit(columns, labels, groups)
    line = np.linspace(-9, 9, 500, dtype=np.float32)
    for name in columns:
        moved = {other: np.zeros_like(line) for other in columns} | {name: line}
        assert (np.diff(rising(moved)) >= 0).all()


def test_only_the_query_s_own_input_may_count_against() -> None:
    columns, labels, groups, _ = judged()
    found = fit({"similarity": columns["b"], "query_idf": -columns["a"]}, labels, groups)
    similarity, query_idf = found.models[0].slopes
    assert similarity > 0 > query_idf


def test_beyond_what_was_fitted_on_nothing_changes() -> None:
    columns, labels, groups, _ = judged()
    calibration = fit(columns, labels, groups)
    edge = {name: floats(column.max(), np.inf, 1e30) for name, column in columns.items()}
    assert np.ptp(calibration(edge)) == 0


def test_each_set_of_known_inputs_has_its_own_model() -> None:
    columns, labels, groups, _ = judged()
    unknown = np.full_like(columns["a"], np.nan)
    modes = [columns, {"a": columns["a"], "b": unknown}, {"a": unknown, "b": columns["b"]}]
    stacked = {name: np.concatenate([mode[name] for mode in modes]) for name in columns}
    calibration = fit(stacked, np.tile(labels, 3), np.tile(groups, 3))
    assert [model.inputs for model in calibration.models] == [("a", "b"), ("a",), ("b",)]
    for mode in modes:
        found = reliability(calibration(mode), labels)
        assert found.ece < 1.5 * found.by_chance


def test_an_unknown_set_of_inputs_falls_back() -> None:
    columns, labels, groups, _ = judged()
    alone = fit({"a": columns["a"], "b": np.full_like(columns["b"], np.nan)}, labels, groups)
    one = {"a": floats(1.0, 1.0, np.nan), "b": floats(np.nan, 2.0, 2.0)}
    less, more, neither = alone(one)
    assert less == more  # what the model does not read does not count
    assert neither == pytest.approx(alone.base_rate)
    assert alone.base_rate == pytest.approx((labels.sum() + 1) / (len(labels) + 2))


def test_a_set_that_few_queries_show_gets_no_model() -> None:
    columns, labels, groups, _ = judged(queries=FEWEST)
    assert len(fit(columns, labels, groups).models) == 1
    few = groups < FEWEST - 1
    found = fit({name: column[few] for name, column in columns.items()}, labels[few], groups[few])
    assert found.models == ()
    assert (found(columns) == np.float32(found.base_rate)).all()


@pytest.mark.parametrize("relevant", [True, False])
def test_hits_that_are_all_alike_get_no_certainty(relevant: bool) -> None:
    columns, labels, groups, _ = judged(queries=20)
    found = fit(columns, np.full_like(labels, relevant), groups)(columns)
    expected = 201 / 202 if relevant else 1 / 202
    assert found == pytest.approx(expected, abs=1e-3)


def test_one_query_gives_its_base_rate() -> None:
    columns, labels, groups, _ = judged(queries=1)
    assert (fit(columns, labels, groups)(columns) == np.float32((labels.sum() + 1) / 12)).all()


def test_a_perfectly_separating_input_stays_finite() -> None:
    labels = np.tile([True] + [False] * 9, 50)
    calibration = fit({"a": labels.astype(np.float32)}, labels, np.repeat(np.arange(50), 10))
    high, low = calibration({"a": floats(1, 0)})
    assert 0.9 < high < 1
    assert 0 < low < 0.1


def test_a_constant_input_and_a_copied_one_do_no_harm() -> None:
    columns, labels, groups, _ = judged()
    padded = columns | {"constant": np.full_like(columns["a"], 0.1), "copy": columns["a"]}
    found = fit(padded, labels, groups)
    assert found.models[0].slopes[2] == 0
    assert np.abs(found(padded) - fit(columns, labels, groups)(columns)).max() < 0.01


def test_the_scale_of_an_input_does_not_matter() -> None:
    columns, labels, groups, _ = judged()
    scaled = {"a": columns["a"] * np.float32(1e-6), "b": columns["b"] * np.float32(1e6) + np.float32(1e6)}
    difference = fit(scaled, labels, groups)(scaled) - fit(columns, labels, groups)(columns)
    assert np.abs(difference).max() < 1e-3


def test_the_same_input_gives_the_same_output() -> None:
    columns, labels, groups, _ = judged()
    assert fit(columns, labels, groups) == fit(columns, labels, groups)
    assert np.array_equal(out_of_fold(columns, labels, groups), out_of_fold(columns, labels, groups))
    other = out_of_fold(columns, labels, groups, seed=1)
    assert not np.array_equal(other, out_of_fold(columns, labels, groups))


def test_no_hit_is_judged_by_its_own_query() -> None:
    columns, labels, groups, _ = judged(queries=50)
    mine = groups == 0
    flipped = np.where(mine, ~labels, labels)
    before, after = out_of_fold(columns, labels, groups), out_of_fold(columns, flipped, groups)
    assert np.array_equal(before[mine], after[mine])
    assert not np.array_equal(before[~mine], after[~mine])


def test_queries_go_by_any_name() -> None:
    columns, labels, groups, _ = judged(queries=30)
    named = np.array([f"q{group:03}" for group in groups])
    assert fit(columns, labels, named) == fit(columns, labels, groups)
    assert np.array_equal(out_of_fold(columns, labels, named), out_of_fold(columns, labels, groups))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.floats(width=32, allow_infinity=True, allow_nan=True)] * 2), max_size=8))
def test_every_answer_is_a_probability(rows: list[tuple[float, float]]) -> None:
    calibration = Calibration(
        ("a", "b"),
        (
            Logistic(("a", "b"), -1.0, (2.0, 3.0), (-1.0, -1.0), (1.0, 1.0)),
            Logistic(("b",), 0.5, (4.0,), (0.0,), (1.0,)),
        ),
        0.25,
    )
    values = np.array(rows, np.float32).reshape(-1, 2)
    found = calibration({"a": values[:, 0], "b": values[:, 1]})
    assert found.shape == (len(rows),)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()


def test_an_answer_by_hand() -> None:
    calibration = Calibration(("a",), (Logistic(("a",), -1.0, (2.0,), (0.0,), (1.5,)),), 0.25)
    found = calibration({"a": floats(1, 0, -5, 9, np.nan)})
    expected = [1 / (1 + math.exp(1 - 2)), 1 / (1 + math.e), 1 / (1 + math.e), 1 / (1 + math.exp(-2)), 0.25]
    assert found == pytest.approx(expected)


def test_no_hits_have_no_probabilities() -> None:
    columns, labels, groups, _ = judged()
    assert fit(columns, labels, groups)({"a": floats(), "b": floats()}).shape == (0,)


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b", "c"), ("a", "c")])
def test_other_inputs_are_refused(names: tuple[str, ...]) -> None:
    columns, labels, groups, _ = judged()
    with pytest.raises(SettingsError, match="reads a, b"):
        fit(columns, labels, groups)(dict.fromkeys(names, floats(1.0)))


def test_the_order_of_the_columns_does_not_matter() -> None:
    columns, labels, groups, _ = judged()
    calibration = fit(columns, labels, groups)
    assert np.array_equal(calibration(dict(reversed(columns.items()))), calibration(columns))


@pytest.mark.parametrize(
    ("columns", "labels", "groups", "complaint"),
    [
        ({}, [], [], "no column"),
        ({"a": []}, [], [], "no judged hit"),
        ({"a": [1.0]}, [1, 0], [1], "labels of shape"),
        ({"a": [1.0]}, [1], [1, 2], "groups of shape"),
        ({"a": [1.0], "b": [1.0, 2.0]}, [1], [1], "one shape"),
        ({"a": [[1.0]]}, [1], [1], "one shape"),
        ({"a": [math.inf]}, [1], [1], "infinite"),
        ({"a": [1.0]}, [2], [1], "label is"),
        ({"a": [1.0]}, [math.nan], [1], "label is"),
        ({"a": [1.0]}, ["yes"], [1], "label is"),
        ({"a": ["x"]}, [1], [1], "not numbers"),
    ],
)
def test_what_cannot_be_fitted_is_refused(columns: Any, labels: Any, groups: Any, complaint: str) -> None:
    arrays = {name: np.array(column) for name, column in columns.items()}
    with pytest.raises(InputError, match=complaint):
        fit(arrays, labels, groups)


def test_too_few_queries_cannot_be_cross_validated() -> None:
    columns, labels, groups, _ = judged(queries=FOLDS - 1)
    with pytest.raises(InputError, match="folds"):
        out_of_fold(columns, labels, groups)


def test_serving_needs_no_scipy() -> None:
    code = (
        "import sys, numpy as np; from hybrid.rerank.calibration import Calibration, Logistic\n"
        "Calibration(('a',), (Logistic(('a',), 0, (1,), (0,), (1,)),), .5)({'a': np.ones(2, np.float32)})\n"
        "sys.exit('scipy.optimize' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
