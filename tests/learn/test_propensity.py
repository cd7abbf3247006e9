"""Propensities: those of a simulation are found again, three estimators agree, and little data says so."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from hybrid.errors import InputError
from hybrid.learn.clicks.exposures import Exposures, count
from hybrid.learn.clicks.judgments import Impression, Propensities, propensities
from hybrid.learn.clicks.propensity import EXPONENT_SD, LEAST_PROPENSITY, STEP_SD
from hybrid.ledger.impressions import MAX_RANK
from tests.click_model import (
    DEPTH,
    INVERSE,
    SERVED,
    Floats,
    clicks_on,
    impression,
    position_based,
    served_log,
    world,
)

SHAPES = {
    "1/rank": INVERSE,
    "1/sqrt(rank)": INVERSE**0.5,
    "a fold, and a look at the end": np.array([1, 0.8, 0.65, 0.55, 0.5, 0.2, 0.17, 0.15, 0.14, 0.3]),
    "everything is looked at": np.ones(DEPTH),
}


def error(found: Floats, p: Floats) -> float:
    """The root mean square of the logarithms' differences, at the ranks from 2."""
    return float(np.sqrt(np.mean(np.log(found / p)[1:] ** 2)))


# With enough swaps


@pytest.mark.parametrize("shape", SHAPES)
def test_propensities_are_found_again(shape: str) -> None:
    found = propensities(served_log(1, SHAPES[shape], 30_000))
    assert error(found.values, SHAPES[shape]) < 0.08
    assert (found.identified[1:] > 0.95).all()
    assert 50 < found.effective_pairs < found.pairs


def test_the_deviations_are_honest() -> None:
    off = []
    for seed in range(6):
        for p in (SHAPES["1/rank"], SHAPES["1/sqrt(rank)"]):
            found = propensities(served_log(seed, p, 2_000))
            off.append(np.log(found.values / p)[1:] / found.deviation[1:])
    assert np.mean(np.abs(off) < 2) > 0.93
    assert np.sqrt(np.mean(np.square(off))) > 0.4  # nor so wide that they say nothing


def fixed_effects(seen: Exposures) -> Floats:
    """The same maximum by another road: Poisson counts with a parameter for each pair, and no prior."""
    shown, clicks = seen.shown.toarray(), seen.clicks.toarray()
    p = np.ones(seen.ranks)
    for _ in range(2_000):
        attraction = clicks.sum(axis=1) / (shown @ p)
        p = clicks.sum(axis=0) / (attraction @ shown)
    return np.asarray(p / p[0])


def all_pairs(seen: Exposures) -> Floats:
    """AllPairs as its paper has it: the click rates of what was shown at two ranks, for any two ranks."""
    shown, clicks = seen.shown.toarray(), seen.clicks.toarray()
    rates = np.divide(clicks, shown, out=np.zeros_like(clicks), where=shown > 0)
    at = (shown > 0).astype(float)
    hits, misses = rates.T @ at, (at - rates).T @ at  # [r, s]: at rank r, of what was at rank s too
    above, elsewhere = np.triu_indices(seen.ranks, 1), ~np.eye(seen.ranks, dtype=bool)

    def loss(x: Floats) -> float:
        likely = 1 / (1 + np.exp(-x))
        relevance = np.zeros_like(hits)
        relevance[above] = likely[seen.ranks :]
        click = (likely[: seen.ranks, None] * (relevance + relevance.T))[elsewhere]
        return -float(hits[elsewhere] @ np.log(click) + misses[elsewhere] @ np.log1p(-click))

    x = minimize(loss, np.zeros(seen.ranks + len(above[0])), method="L-BFGS-B").x[: seen.ranks]
    return np.asarray((1 + np.exp(-x[0])) / (1 + np.exp(-x)))


def test_three_estimators_agree_where_there_is_much_to_see() -> None:
    rng = np.random.default_rng(3)
    here = world(rng, queries=30, documents=8)
    rankings = [here.ranked(weights, depth=5) for weights in SERVED]
    log = clicks_on(rng, here.attraction, rankings, position_based(INVERSE), 40_000)
    found, seen = propensities(log), count(log)
    np.testing.assert_allclose(found.values, fixed_effects(seen), rtol=0.01)
    np.testing.assert_allclose(found.values, all_pairs(seen), rtol=0.1)
    assert (np.abs(np.log(found.values / INVERSE[:5])) <= 3 * found.deviation).all()


def test_allpairs_errs_more() -> None:
    ours, theirs = [], []
    for seed in range(4):
        log = served_log(seed, SHAPES["1/sqrt(rank)"], 3_000)
        ours.append(error(propensities(log).values, SHAPES["1/sqrt(rank)"]))
        theirs.append(error(all_pairs(count(log)), SHAPES["1/sqrt(rank)"]))
    assert np.mean(ours) < 0.8 * np.mean(theirs)


def test_neither_the_order_of_the_log_nor_the_names_matter() -> None:
    log = served_log(5, INVERSE, 500)
    name = {f"d{number}": f"x{97 * number % 20}" for number in range(20)}.__getitem__
    renamed = [
        Impression(one.query, tuple(map(name, one.shown)), frozenset(map(name, one.clicked)), 7, 0)
        for one in sorted(log, key=lambda one: (one.shown, one.time))
    ]
    expected, found = propensities(log), propensities(renamed)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5)
    assert found.pairs == expected.pairs
    assert found.effective_pairs == pytest.approx(expected.effective_pairs, rel=1e-4)


# With few


def no_swaps() -> list[Impression]:
    rng = np.random.default_rng(0)
    here = world(rng)
    return clicks_on(rng, here.attraction, [here.ranked(SERVED[0])], position_based(INVERSE**2), 3_000)


def test_without_swaps_it_is_the_prior_and_says_so() -> None:
    found = propensities(no_swaps())
    np.testing.assert_allclose(found.values, INVERSE)
    assert (found.pairs, found.effective_pairs) == (0, 0)
    np.testing.assert_allclose(found.identified[1:], 0, atol=1e-9)
    ranks = np.arange(1, DEPTH + 1)
    variance = (EXPONENT_SD * np.log(ranks)) ** 2 + STEP_SD**2 * (ranks - 1)
    np.testing.assert_allclose(found.deviation, np.sqrt(variance), atol=1e-9)


def swapped(times: int, names: str = "a") -> list[Impression]:
    """One document at rank 1 and at rank 2, clicked as often at both: looks do not fall off."""
    return [
        impression(shown=shown, clicked=[name])
        for name in names
        for shown in ([name, "x"], ["y", name])
        for _ in range(times)
    ]


def test_the_prior_yields_click_by_click() -> None:
    at_rank_2 = [float(propensities(swapped(times)).values[1]) for times in (1, 10, 100, 10_000)]
    assert 0.5 < at_rank_2[0] < 0.55
    assert at_rank_2 == sorted(at_rank_2)
    assert at_rank_2[-1] == pytest.approx(1, abs=1e-3)


def test_log_and_prior_weigh_by_their_information() -> None:
    """A click on what two ranks show alike tells p (1 - p) = 1/4 of log p; 64 of them weigh like a step."""
    assert 1 / STEP_SD**2 == 64 / 4
    information, variance = 1000 / 4, (EXPONENT_SD * np.log(2)) ** 2 + STEP_SD**2
    found = propensities(swapped(500))
    assert found.deviation[1] == pytest.approx((information + 1 / variance) ** -0.5, rel=0.01)
    assert found.identified[1] == pytest.approx(information / (information + 1 / variance), rel=0.01)


def test_a_head_query_does_not_pass_for_many_pairs() -> None:
    even, uneven = swapped(5, names="abcdef"), swapped(200, names="a") + swapped(1, names="bcdef")
    assert propensities(even).pairs == propensities(uneven).pairs == 6
    assert propensities(even).effective_pairs == pytest.approx(6)
    assert propensities(uneven).effective_pairs < 1.1


def test_ranks_that_no_swap_links_keep_the_priors_step_between_them() -> None:
    """Second pages swap among themselves: what is learned of their ranks is relative."""
    pages = [
        impression(shown=shown, clicked=["a"], first=11)
        for shown in (["a", "x"], ["y", "a"])
        for _ in range(2000)
    ]
    found = propensities(pages)
    assert found.values[11] == pytest.approx(found.values[10], rel=0.01)
    assert found.values[10] == pytest.approx(1 / 11, rel=0.3)
    assert found.identified[10] < 0.1


def test_values_are_clipped() -> None:
    only_on_top = [impression(shown=["a", "x"], clicked=["a"]), impression(shown=["y", "a"])] * 20_000
    assert propensities(only_on_top).values[1] == LEAST_PROPENSITY
    longest = [impression(shown=[f"d{rank}" for rank in range(MAX_RANK)])]
    assert propensities(longest).values[-1] == LEAST_PROPENSITY


def test_one_rank_is_looked_at() -> None:
    found = propensities([impression(shown=["a"], clicked=["a"]), impression(shown=["b"])])
    assert (found.values.tolist(), found.pairs) == ([1.0], 0)


# From elsewhere


def test_known_propensities_are_relative_to_the_first() -> None:
    known = Propensities.known([0.8, 0.4, 1e-9])
    assert known.values.tolist() == [1.0, pytest.approx(0.5), pytest.approx(LEAST_PROPENSITY)]
    assert known.deviation.tolist() == [0.0] * 3
    assert Propensities.known([1e-300, 1e300]).values[1] == pytest.approx(1 / LEAST_PROPENSITY)


@pytest.mark.parametrize(
    "values",
    [
        [],
        1.0,
        [[1.0]],
        [1, 0],
        [1, -1],
        [1, float("nan")],
        [1, float("inf")],
        "ab",
        [1, None],
        [1, [2]],
        [1.0] * 201,
    ],
)
def test_known_propensities_are_positive_numbers(values: Any) -> None:
    with pytest.raises(InputError, match="propensities"):
        Propensities.known(values)


# At scale


def test_a_million_impressions_take_less_than_a_minute(whole: bool) -> None:
    """Or a fifth of them a fifth of it."""
    times = 10 if whole else 2
    log = served_log(1, INVERSE, 100_000) * times
    start = time.process_time()
    found = propensities(log)
    assert time.process_time() - start < 6 * times
    assert error(found.values, INVERSE) < 0.08
