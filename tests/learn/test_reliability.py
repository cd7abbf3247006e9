"""Reliability and abstention: worked examples, known truths, agreement with the textbook's sums."""

from __future__ import annotations

import json
import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.errors import InputError
from hybrid.learn.reliability import Bin, Point, abstention, reliability

RIGHT_OR_WRONG = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30)


# Reliability


def test_reliability_by_hand() -> None:
    found = reliability([0.9, 0.1, 0.3, 0.7], [1, 0, 1, 1], bins=2)
    assert [(one.low, one.high, one.hits) for one in found.bins] == [(0.1, 0.3, 2), (0.7, 0.9, 2)]
    assert [one.predicted for one in found.bins] == pytest.approx([(0.1 + 0.3) / 2, (0.7 + 0.9) / 2])
    assert [one.observed for one in found.bins] == [1 / 2, 2 / 2]
    assert found.ece == pytest.approx((2 * (0.5 - 0.2) + 2 * (1 - 0.8)) / 4)
    assert found.brier == pytest.approx((0.1**2 + 0.1**2 + 0.7**2 + 0.3**2) / 4)
    assert found.calibration == pytest.approx((2 * 0.3**2 + 2 * 0.2**2) / 4)
    assert found.resolution == pytest.approx((2 * (0.5 - 0.75) ** 2 + 2 * (1 - 0.75) ** 2) / 4)
    assert found.uncertainty == pytest.approx(0.75 * 0.25)
    assert found.skill == pytest.approx(1 - found.brier / (0.75 * 0.25))


def test_true_probabilities_have_an_error_of_nearly_nothing() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(100_000)
    found = reliability(truth, rng.random(100_000) < truth)
    assert found.ece < 0.006
    assert len(found.bins) == 10
    assert {one.hits for one in found.bins} == {10_000}


def test_perfect_probabilities_are_within_what_chance_allows() -> None:
    rng = np.random.default_rng(1)
    within = 0
    for seed in range(40):
        truth = rng.random(200)
        found = reliability(truth, rng.random(200) < truth, seed=seed)
        within += found.ece <= found.by_chance
    assert 33 <= within <= 40  # 95 % of 40 are 38


def test_overconfidence_is_beyond_what_chance_allows() -> None:
    rng = np.random.default_rng(2)
    truth = rng.random(500)
    found = reliability(truth**0.3, rng.random(500) < truth)
    assert found.ece > 2 * found.by_chance


@pytest.mark.parametrize("label", [0, 1])
def test_labels_that_do_not_vary(label: int) -> None:
    found = reliability([label] * 5, [label] * 5)
    assert (found.ece, found.brier, found.by_chance, found.skill) == (0, 0, 0, 0)
    assert found.bins == (Bin(label, label, 5, label, label),)


def test_equal_probabilities_share_a_bin() -> None:
    found = reliability([0.5] * 7 + [0.9], [1, 0] * 4, bins=4)
    assert [(one.low, one.high, one.hits) for one in found.bins] == [(0.5, 0.5, 7), (0.9, 0.9, 1)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 12),
    st.randoms(),
)
def test_the_parts_add_up_in_any_order(pairs: list[tuple[float, bool]], bins: int, random: Any) -> None:
    found = reliability(*zip(*pairs, strict=True), bins=bins)
    parts = found.calibration - found.resolution + found.uncertainty + found.within
    assert parts == pytest.approx(found.brier)
    assert sum(one.hits for one in found.bins) == len(pairs)
    assert all(a.high < b.low for a, b in zip(found.bins, found.bins[1:], strict=False))
    random.shuffle(pairs)
    shuffled = reliability(*zip(*pairs, strict=True), bins=bins)
    assert shuffled.ece == pytest.approx(found.ece, abs=1e-12)


def test_forecasts_that_are_constant_in_their_bins_leave_nothing_within() -> None:
    found = reliability([0.2] * 5 + [0.8] * 5, [0, 0, 0, 1, 0, 1, 1, 0, 1, 1])
    assert found.within == pytest.approx(0, abs=1e-12)


# Abstention


def test_abstention_by_hand() -> None:
    found = abstention([0.9, 0.8, 0.4, 0.3], [1, 0, 1, 0], wanted=0.6)
    assert found.curve == (
        Point(0.9, 1 / 4, 1 / 1),
        Point(0.8, 2 / 4, 1 / 2),
        Point(0.4, 3 / 4, 2 / 3),
        Point(0.3, 4 / 4, 2 / 4),
    )
    assert found.aurc.value == pytest.approx((0 / 1 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    assert found.best == pytest.approx((0 / 1 + 0 / 2 + 1 / 3 + 2 / 4) / 4)
    assert (found.queries, found.precision) == (4, 0.5)
    assert found.operating is not None
    assert found.operating.threshold == 0.4
    assert found.operating.answered.value == 3 / 4
    assert found.operating.precision.value == 2 / 3


def test_equal_scores_are_answered_together_in_any_order() -> None:
    outcomes = [1, 0, 0]
    found = abstention([0.5, 0.5, 0.5], outcomes)
    assert found.curve == (Point(0.5, 3 / 3, 1 / 3),)
    sums = [np.mean(np.cumsum(1 - np.array(order)) / [1, 2, 3]) for order in permutations(outcomes)]
    assert found.aurc.value == pytest.approx(np.mean(sums))


@settings(max_examples=40, deadline=None)
@given(RIGHT_OR_WRONG)
def test_the_area_agrees_with_the_mean_over_random_orders(pairs: list[tuple[int, bool]]) -> None:
    scores, right = map(np.array, zip(*pairs, strict=True))
    found = abstention(scores, right)
    steps, before, errors = [], 0, 0.0
    for score in sorted(set(scores), reverse=True):
        among = right[scores == score]
        each = 1 - among.mean()
        steps += [(errors + each * j) / (before + j) for j in range(1, len(among) + 1)]
        before, errors = before + len(among), errors + each * len(among)
    assert found.aurc.value == pytest.approx(np.mean(steps))
    assert found.best <= found.aurc.value + 1e-12
    assert found.curve[-1].answered == 1
    assert found.curve[-1].precision == pytest.approx(found.precision)


def test_a_score_that_knows_nothing_has_the_error_of_all() -> None:
    rng = np.random.default_rng(3)
    found = abstention(rng.random(5000), rng.random(5000) < 0.7)
    assert found.aurc.value == pytest.approx(0.3, abs=0.03)
    assert found.aurc.low < 0.3 < found.aurc.high


def test_intervals_cover_the_truth() -> None:
    """The precision from .6 on is the mean of a uniform probability above it: .8."""
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        truth = rng.random(300)
        found = abstention(np.where(truth >= 0.6, 0.6, 0.0), rng.random(300) < truth, wanted=0.5)
        assert found.operating is not None
        if found.operating.threshold == 0.6:
            covered += found.operating.precision.low <= 0.8 <= found.operating.precision.high
        else:  # all are answered
            covered += found.operating.precision.low <= 0.5 <= found.operating.precision.high
    assert covered >= 34


def test_the_most_queries_are_answered_at_the_wanted_precision() -> None:
    found = abstention([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 1, 1, 0], wanted=0.75)
    assert found.operating is not None
    assert found.operating.threshold == 0.6
    best = max(point.answered for point in found.curve if point.precision >= 0.75)
    assert found.operating.answered.value == best


def test_a_precision_that_no_threshold_has() -> None:
    assert abstention([0.9, 0.8], [0, 1], wanted=0.9).operating is None
    assert abstention([0.9, 0.8], [0, 0]).operating is None


def test_shares_that_are_just_enough_are_enough() -> None:
    found = abstention([0.5] * 10, [1] * 7 + [0] * 3, wanted=0.7)
    assert found.operating is not None


@pytest.mark.parametrize("right", [0, 1])
def test_all_right_or_all_wrong(right: int) -> None:
    found = abstention([0.2, 0.1, 0.7], [right] * 3)
    assert found.aurc.value == found.aurc.low == found.aurc.high == found.best == 1 - right


def test_one_query() -> None:
    found = abstention([0.3], [1])
    assert found.curve == (Point(0.3, 1.0, 1.0),)
    assert found.aurc.value == 0


def test_the_scale_of_the_score_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    score, right = rng.normal(size=50), rng.random(50) < 0.5
    assert abstention(score, right).aurc == abstention(100 * score - 7, right).aurc


def test_results_are_repeatable_and_go_into_json() -> None:
    rng = np.random.default_rng(5)
    score, right = rng.random(60), rng.random(60) < 0.8
    found = abstention(score, right)
    assert found == abstention(score, right)
    assert found.aurc != abstention(score, right, seed=1).aurc
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["aurc"]["low"] <= told["aurc"]["value"] <= told["aurc"]["high"]
    assert len(told["curve"]) == 60
    reliable = json.loads(json.dumps(reliability(score, right).to_json(), allow_nan=False))
    assert reliable["skill"] == reliability(score, right).skill
    assert len(reliable["bins"]) == 10


# Refused


@pytest.mark.parametrize(
    ("scores", "outcomes"),
    [
        ([], []),
        ([0.5], [1, 0]),
        ([[0.5]], [[1]]),
        ([math.nan], [1]),
        ([math.inf], [1]),
        ([0.5], [2]),
        ([0.5], [math.nan]),
        (["high"], [1]),
        ([0.5], ["yes"]),
        (0.5, 1),
    ],
)
def test_what_cannot_be_judged_is_refused(scores: Any, outcomes: Any) -> None:
    with pytest.raises(InputError):
        reliability(scores, outcomes)
    with pytest.raises(InputError):
        abstention(scores, outcomes)


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        reliability([probability, 0.5], [1, 0])


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, None])
def test_bins_are_a_number_above_0(bins: Any) -> None:
    with pytest.raises(InputError, match="bins"):
        reliability([0.5], [1], bins=bins)


@pytest.mark.parametrize("wanted", [0, 1.5, -1, math.nan, True, "high"])
def test_a_wanted_precision_is_a_share(wanted: Any) -> None:
    with pytest.raises(InputError, match="wanted"):
        abstention([0.5], [1], wanted=wanted)
