"""Comparisons: worked examples, agreement with scipy, what holds for any input, and how often it errs."""

from __future__ import annotations

import tracemalloc
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from hybrid.errors import InputError
from hybrid.evaluate import Paired, Report, changes, compare, evaluate, holm, paired, parse
from hybrid.evaluate.comparison import FEW, FLIPS
from hybrid.types import Qrels, Run

Values = NDArray[np.float64]

# Darwin's maize, crossed against self-fertilised, in eighths of an inch. Fisher, The Design of
# Experiments, 1935, section 21: of the 32,768 sums 863 are as large, by every one of them counted.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], np.float64)


def of(*differences: float) -> Paired:
    return paired(np.array(differences), np.zeros(len(differences)))


def by_scipy(differences: Values, resamples: int = 100_000) -> float:
    """The same test as scipy has it."""
    found: Any = stats.permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(1),
        batch=2000,
    )
    return float(found.pvalue)


def simulated(rng: np.random.Generator, n: int, shift: float = 0.0) -> Values:
    """Differences as measures give them: a third is 0, the others are skewed neither way."""
    return np.where(rng.random(n) < 1 / 3, 0.0, rng.normal(shift, 0.2, n)).round(3)


# The test


def test_fishers_exact_test_of_darwins_maize() -> None:
    assert of(*MAIZE).p == 2 * 863 / 2**15


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([0.5], 2 / 2),
        ([0.3, 0.1], 2 / 4),
        ([0.3, -0.1], 4 / 4),
        ([0.2, 0.2, 0.2], 2 / 8),
        ([0.2, 0.2, 0.2, 0.0, 0.0], 2 / 8),
        ([0.1, 0.2, 0.3, -0.1], 6 / 16),  # ±.7 in one way each, ±.5 in two ways each
        ([0.0, 0.0], 1.0),
        ([0.0], 1.0),
    ],
)
def test_p_counted_by_hand(differences: list[float], p: float) -> None:
    sums = [abs(sum(signs)) for signs in product(*([-d, d] for d in differences))]
    assert sum(s >= abs(sum(differences)) - 1e-9 for s in sums) / len(sums) == p
    assert of(*differences).p == p


@pytest.mark.parametrize("n", [2, 7, 13])
def test_the_exact_test_is_scipys(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.1, 0.2, n).round(2)
    assert of(*differences).p == pytest.approx(by_scipy(differences))


@pytest.mark.parametrize(("n", "shift"), [(30, 0.05), (200, 0.02), (500, 0.0)])
def test_the_random_test_is_scipys_up_to_chance(n: int, shift: float) -> None:
    differences = simulated(np.random.default_rng(n), n, shift)
    expected = by_scipy(differences, 20_000)
    error = np.sqrt(expected * (1 - expected) * (1 / 20_000 + 1 / FLIPS))
    assert abs(of(*differences).p - expected) < 4 * error + 1e-4


def test_random_and_exact_agree_where_both_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = of(*MAIZE).p
    monkeypatch.setattr("hybrid.evaluate.comparison.FEW", 3)
    drawn = of(*MAIZE).p
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * np.sqrt(exact / FLIPS))


def test_queries_that_tie_do_not_make_an_exact_test_random() -> None:
    assert of(*[0.1] * FEW, *[0.0] * 1000).p == 2 / 2**FEW


def test_a_random_p_is_never_0() -> None:
    assert of(*[0.1] * 100).p == 1 / (FLIPS + 1)


def test_equal_sums_count_as_equal_however_they_round() -> None:
    # Tenths, as P@10 gives them, do not add up to the same number in every order. It is a sign test here.
    wins = 15
    expected = stats.binomtest(wins, 20).pvalue
    assert of(*[0.1] * wins, *[-0.1] * (20 - wins)).p == pytest.approx(expected, abs=0.005)


# Interval and effect


@pytest.mark.parametrize("n", [10, 50, 300])
def test_the_interval_is_scipys_bca(n: int) -> None:
    differences = np.random.default_rng(n).lognormal(0, 1.5, n) - 1  # far from symmetric
    found = of(*differences)
    expected: Any = stats.bootstrap(
        (differences,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(2)
    )
    width = expected.confidence_interval.high - expected.confidence_interval.low
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.02 * width)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.03 * width)


def test_a_thousand_queries_of_normal_differences_have_students_interval() -> None:
    differences = stats.norm.ppf((np.arange(1000) + 0.5) / 1000, 0.01, 0.1)
    expected: Any = stats.ttest_1samp(differences, 0).confidence_interval()
    found = of(*differences)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=5e-4)


def test_figures_by_hand() -> None:
    found = paired(np.array([0.5, 0.4, 0.9, 0.2]), np.array([0.3, 0.4, 0.5, 0.4]))
    assert (found.queries, found.wins, found.ties, found.losses) == (4, 2, 1, 1)
    assert found.difference == pytest.approx((0.2 + 0 + 0.4 - 0.2) / 4)
    mean = 0.1
    sd = np.sqrt(((0.2 - mean) ** 2 + mean**2 + (0.4 - mean) ** 2 + (0.2 + mean) ** 2) / 3)
    assert found.effect == pytest.approx(mean / sd)


@pytest.mark.parametrize("n", [1, 2, 40])
@pytest.mark.parametrize("value", [0.0, 0.25, -0.25])
def test_differences_that_do_not_vary(n: int, value: float) -> None:
    found = of(*[value] * n)
    assert (found.difference, found.low, found.high, found.effect) == (value, value, value, 0.0)
    assert (found.ties == n, found.wins == n, found.losses == n) == (value == 0, value > 0, value < 0)


def test_what_rounding_leaves_is_a_tie() -> None:
    found = paired(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.5]))
    assert found == Paired(2, 2, 0.0, 0.0, 0.0, 0.0, 1.0, 0, 2, 0)


# What holds for any input

VALUES = st.lists(
    st.tuples(st.integers(0, 20).map(lambda i: i / 20), st.floats(0, 1)), min_size=1, max_size=40
)


def columns(pairs: list[tuple[float, float]]) -> tuple[Values, Values]:
    return np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_figures_are_what_they_can_be(pairs: list[tuple[float, float]]) -> None:
    a, b = columns(pairs)
    found = paired(a, b)
    assert found.wins + found.ties + found.losses == found.queries == len(pairs)
    assert 0 < found.p <= 1
    assert min(a - b) - 1e-9 <= found.low <= found.high <= max(a - b) + 1e-9
    assert found.difference == pytest.approx((a - b).mean(), abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(VALUES)
def test_the_other_way_round(pairs: list[tuple[float, float]]) -> None:
    a, b = columns(pairs)
    one, other = paired(a, b), paired(b, a)
    assert (one.p, one.wins, one.ties, one.losses) == (other.p, other.losses, other.ties, other.wins)
    assert one.difference == pytest.approx(-other.difference)
    assert one.effect == pytest.approx(-other.effect)


def test_the_interval_the_other_way_round() -> None:
    differences = simulated(np.random.default_rng(5), 200, 0.02)
    one, other = of(*differences), of(*-differences)
    width = one.high - one.low
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.04 * width)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_the_queries_does_not_matter(pairs: list[tuple[float, float]], random: Any) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    one, other = paired(*columns(pairs)), paired(*columns(shuffled))
    assert vars(one) == pytest.approx(vars(other), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(VALUES, st.integers(1, 50))
def test_queries_that_tie_do_not_change_p(pairs: list[tuple[float, float]], more: int) -> None:
    assert paired(*columns(pairs)).p == paired(*columns([*pairs, *[(0.5, 0.5)] * more])).p


def test_a_seed_is_a_figure() -> None:
    a, b = np.random.default_rng(8).random((2, 60))
    assert paired(a, b, seed=7) == paired(a, b, seed=7)
    assert paired(a, b, seed=7) != paired(a, b, seed=8)


def test_ten_thousand_queries_fit_in_bounded_memory() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.01, 0.2, 10_000)
    tracemalloc.start()
    try:
        found = of(*differences)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.p < 0.001
    assert most < 64e6


# How often it errs


def test_without_a_difference_p_is_uniform_exact() -> None:
    rng = np.random.default_rng(3)
    found = [of(*rng.normal(0, 0.2, 11)).p for _ in range(400)]
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_without_a_difference_p_is_uniform_random() -> None:
    rng = np.random.default_rng(4)
    found = [of(*simulated(rng, 40)).p for _ in range(120)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_a_difference_is_found() -> None:
    """The t-test's power for d = .5 and 50 queries is .93; this test's is about as much."""
    rng = np.random.default_rng(5)
    found = [of(*rng.normal(0.1, 0.2, 50)).p for _ in range(40)]
    assert np.mean(np.array(found) < 0.05) > 0.8


def test_the_interval_covers_the_true_difference() -> None:
    rng = np.random.default_rng(6)
    found = [of(*rng.normal(0.1, 0.2, 60)) for _ in range(100)]
    assert np.mean([one.low <= 0.1 <= one.high for one in found]) >= 0.88


# Several comparisons


@pytest.mark.parametrize(
    ("p", "corrected"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),  # R: p.adjust(…, "holm")
        ([0.6, 0.7, 0.001], [1.0, 1.0, 0.003]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm_by_hand(p: list[float], corrected: list[float]) -> None:
    assert holm(p) == pytest.approx(corrected)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_between_nothing_and_bonferroni(p: list[float]) -> None:
    corrected = holm(p)
    assert all(
        one <= other <= min(1, len(p) * one) + 1e-12 for one, other in zip(p, corrected, strict=True)
    )
    assert all(corrected[i] <= corrected[j] for i in range(len(p)) for j in range(len(p)) if p[i] < p[j])


QRELS: Qrels = {f"q{i}": {"a": 1, "b": 1} for i in range(30)}


def answering(*order: str, good: int) -> Run:
    """``order`` for the first ``good`` queries, nothing relevant for the others."""
    return {
        query: [(document, 1.0 / rank) for rank, document in enumerate(order if i < good else "xy", 1)]
        for i, query in enumerate(QRELS)
    }


SYSTEMS = {
    "good": answering("a", "b", good=28),
    "base": answering("a", "x", good=10),
    "same": answering("b", "y", good=10),
}


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(SYSTEMS, QRELS, parse("AP P@2 Judged@2"))


def test_every_other_system_is_compared_on_every_measure(report: Report) -> None:
    found = compare(report, "base")
    assert [(c.measure, c.system) for c in found] == [
        ("AP", "good"),
        ("AP", "same"),
        ("P@2", "good"),
        ("P@2", "same"),
    ]
    good, same = found[:2]
    assert (good.mean, good.baseline_mean) == pytest.approx((28 / 30, 10 / 2 / 30))
    assert good.paired.difference == pytest.approx(good.mean - good.baseline_mean)
    assert (good.paired.wins, good.paired.ties, good.paired.losses) == (28, 2, 0)
    assert good.significant
    assert (same.paired.p, same.corrected, same.significant) == (1.0, 1.0, False)


def test_p_values_are_corrected_measure_by_measure(report: Report) -> None:
    found = compare(report, "same")
    assert [c.system for c in found[:2]] == ["good", "base"]
    assert [c.corrected for c in found[:2]] == holm([c.paired.p for c in found[:2]])
    assert found[0].corrected == 2 * found[0].paired.p


def test_compared_together_is_compared_alone(report: Report) -> None:
    for found in compare(report, "base", seed=3):
        a, b = (
            np.array(list(report.per_query[name][found.measure].values()))
            for name in (found.system, "base")
        )
        assert vars(found.paired) == pytest.approx(vars(paired(a, b, seed=3)), abs=1e-12)


def test_as_json(report: Report) -> None:
    told = compare(report, "base")[0].to_json()
    assert told["interval"][0] <= told["difference"] <= told["interval"][1]
    assert (told["system"], told["baseline"], told["measure"]) == ("good", "base", "AP")
    assert told["p_corrected"] >= told["p"]


def test_judged_alone_is_nothing_to_compare() -> None:
    assert compare(evaluate(SYSTEMS, QRELS, parse("Judged@2")), "base") == []


def test_an_unknown_baseline_is_told_which_there_are(report: Report) -> None:
    with pytest.raises(InputError, match="'bese' is not a system here; there are good, base, same"):
        compare(report, "bese")


def test_one_system_is_not_compared_with_itself() -> None:
    with pytest.raises(InputError, match="the only system"):
        compare(evaluate({"one": SYSTEMS["good"]}, QRELS, parse("AP")), "one")


def test_changes_go_from_the_worst_to_the_best(report: Report) -> None:
    good = compare(report, "base")[0]
    found = changes(report, good)
    assert [c.difference for c in found] == sorted(c.difference for c in found)
    assert (found[0].query, found[0].value, found[0].baseline) == ("q28", 0.0, 0.0)
    assert (found[-1].value, found[-1].baseline) == (1.0, 0.0)
    assert {c.query for c in found} == set(QRELS)


# Families


def test_queries_that_are_each_a_family_are_queries() -> None:
    random = np.random.default_rng(3)
    values, baseline = random.random((2, 40))
    alone = paired(values, baseline, families=[f"f{i}" for i in range(40)])
    without = paired(values, baseline)
    assert alone == without
    assert alone.families == alone.queries == 40


def test_a_family_gains_or_loses_as_a_whole() -> None:
    # Families gain .3, .3 and -.1 in sum. Of 8 assignments of signs 2 reach .5, and 2 its opposite.
    found = paired(np.array([0.1, 0.2, 0.3, -0.1, 0.0]), np.zeros(5), families=["a", "a", "b", "c", "c"])
    assert (found.queries, found.families) == (5, 3)
    assert (found.wins, found.ties, found.losses) == (3, 1, 1)
    assert found.difference == pytest.approx(0.5 / 5)
    assert found.p == 4 / 8
    assert found.effect == pytest.approx((0.5 / 3) / np.std([0.3, 0.3, -0.1], ddof=1))
    assert -0.1 <= found.low < found.difference < found.high <= 0.3


def test_the_order_of_queries_and_families_does_not_matter() -> None:
    random = np.random.default_rng(4)
    values, families = random.normal(size=60), [f"f{i // 3}" for i in range(60)]
    order = random.permutation(60)
    there = paired(values, np.zeros(60), families=families)
    assert there == paired(values[order], np.zeros(60), families=[families[i] for i in order])
