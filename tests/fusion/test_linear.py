"""The convex combination and its normalisers, like the other fusions: formulas and textbook versions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.errors import QueryError
from hybrid.fusion import (
    RRF,
    CombSUM,
    Distribution,
    Linear,
    MinMax,
    Normalizer,
    QueryTerms,
    Softplus,
    TheoreticalMinMax,
    ZScore,
)
from hybrid.types import Candidates
from tests.contracts.fusion import FusionContract, Known, candidates
from tests.fusion.test_fusion import LEXICAL, VECTOR, scores

# --- textbook versions -------------------------------------------------------------------------------


def min_max(scores: list[float], _floor: float | None) -> list[float]:
    return [(s - min(scores)) / (max(scores) - min(scores)) for s in scores]


def theoretical(scores: list[float], floor: float | None) -> list[float]:
    low = min(scores) if floor is None else min(floor, min(scores))
    return [(s - low) / (max(scores) - low) for s in scores]


def z_score(scores: list[float], _floor: float | None) -> list[float]:
    return [(s - min(scores)) / pstdev(scores) for s in scores]


def distribution(scores: list[float], _floor: float | None) -> list[float]:
    low, high = fmean(scores) - 3 * pstdev(scores), fmean(scores) + 3 * pstdev(scores)
    return [max(0.0, (s - low) / (high - low)) for s in scores]


def softplus(scores: list[float], _floor: float | None) -> list[float]:
    return [math.log1p(math.exp((s - fmean(scores)) / pstdev(scores))) for s in scores]


Textbook = Callable[[list[float], float | None], list[float]]


def combined(legs: Sequence[Candidates], weights: Sequence[float], normalize: Textbook) -> dict[int, float]:
    fused: dict[int, float] = {}
    for leg, weight in zip(legs, weights, strict=True):
        scores = leg.scores.tolist()
        normal = [1.0] * len(scores) if len(set(scores)) < 2 else normalize(scores, leg.floor)
        for ordinal, score in zip(leg.ordinals.tolist(), normal, strict=True):
            fused[ordinal] = fused.get(ordinal, 0) + weight / sum(weights) * score
    return fused


# --- contracts ---------------------------------------------------------------------------------------


class TestMinMaxContract(FusionContract):
    fusion = Linear(weights=(0.5, 0.5), normalize=MinMax())

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return combined(legs, (0.5, 0.5), min_max)


class TestTheoreticalMinMaxContract(FusionContract):
    fusion = Linear(weights=(3, 1))

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return combined(legs, (3, 1), theoretical)


class TestZScoreContract(FusionContract):
    fusion = Linear(weights=(0.3, 0.7), normalize=ZScore())

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return combined(legs, (0.3, 0.7), z_score)


class TestDistributionContract(FusionContract):
    fusion = Linear(weights=(1, 1), normalize=Distribution())

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return combined(legs, (1, 1), distribution)


class TestSoftplusContract(FusionContract):
    fusion = Linear(weights=(0.5, 0.5), normalize=Softplus())

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return combined(legs, (0.5, 0.5), softplus)


class TestCombSUMContract(FusionContract):
    fusion = CombSUM()

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return {ordinal: 2 * score for ordinal, score in combined(legs, (1, 1), min_max).items()}


# --- convex combination ------------------------------------------------------------------------------


def test_linear_weighs_scores_above_the_floor() -> None:
    fused = Linear(weights=(0.4, 0.6))([LEXICAL, VECTOR], 10)
    expected = {
        1: 0.4 * 9 / 9 + 0.6 * (-0.4 + 1) / (0.8 + 1),
        2: 0.4 * 6 / 9,
        3: 0.4 * 3 / 9 + 0.6 * 1,
        4: 0.6 * (0.2 + 1) / (0.8 + 1),
    }
    assert scores(fused) == pytest.approx(expected, rel=1e-6)
    assert fused.ordinals.tolist() == [3, 1, 4, 2]


def test_only_the_proportions_of_weights_count() -> None:
    legs = [LEXICAL, VECTOR]
    assert scores(Linear(weights=(30, 10))(legs, 9)) == scores(Linear(weights=(0.75, 0.25))(legs, 9))


def test_a_weight_of_0_leaves_the_other_list_in_front() -> None:
    fused = Linear(weights=(0, 1))([LEXICAL, VECTOR], 10)
    assert fused.ordinals.tolist() == [3, 4, 1, 2]
    assert fused.scores[-1] == 0


def test_weights_by_name_are_weights_by_place() -> None:
    assert Linear(weights={"vector": 0.7, "lexical": 0.3}) == Linear(weights=(0.3, 0.7))
    assert Linear(weights=[1, 2]).weights == (1.0, 2.0)


@pytest.mark.parametrize(
    "weights",
    [
        (-0.1, 1),
        (0, 0),
        (math.nan, 1),
        (math.inf, 1),
        (1e308, 1e308),
        ("a", 1),
        (None, 1),
        (),
        5,
        {"lexical": 1},
        {"lexical": 1, "vector": 1, "image": 1},
    ],
)
def test_linear_refuses_weights(weights: Any) -> None:
    with pytest.raises(QueryError, match="Linear: weights"):
        Linear(weights=weights)


def test_linear_wants_one_weight_a_list() -> None:
    with pytest.raises(QueryError, match="2 weights for 1 lists"):
        Linear()([LEXICAL], 10)


@pytest.mark.parametrize(
    ("name", "normalizer"),
    [
        ("min-max", MinMax()),
        ("theoretical-min-max", TheoreticalMinMax()),
        ("z-score", ZScore()),
        ("distribution", Distribution()),
    ],
)
def test_normalizers_have_names(name: str, normalizer: Normalizer) -> None:
    assert Linear(normalize=name) == Linear(normalize=normalizer)


@pytest.mark.parametrize("normalize", ["minmax", "", None, 1, MinMax])
def test_linear_refuses_what_is_no_normalizer(normalize: Any) -> None:
    with pytest.raises(QueryError, match="Linear: normalize is"):
        Linear(normalize=normalize)


def test_a_linear_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Linear().weights = (1, 0)  # type: ignore[misc]


def test_repr_reads_as_it_is_written() -> None:
    assert repr(RRF()) == "RRF(k=60)"
    assert repr(Linear(weights=(0.3, 0.7), normalize="z-score")) == (
        "Linear(weights=(0.3, 0.7), normalize=ZScore(), complete=False, coverage=0.0)"
    )


# --- coverage ------------------------------------------------------------------------------------------


CLEAR = (9 - fmean(LEXICAL.scores.tolist())) / pstdev(LEXICAL.scores.tolist()) / 9
"""How far the best lexical score, 9, stands out of its list; no coverage takes away more."""


def asked(most: float) -> Known:
    return Known({}, query=QueryTerms(["kettle"], [1], 9, most))


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize(
    ("most", "share"),
    [(9, 1), (18, 1), (24, 0.5625), (36, 0.25), (9_000, CLEAR)],
    ids=lambda given: str(given),
)
def test_the_lexical_weight_falls_with_the_coverage_squared(
    most: float, share: float, complete: bool
) -> None:
    """The best lexical score is 9."""
    fusion = Linear((0.6, 0.4), "min-max", complete, coverage=0.5)
    expected = Linear((0.6 * share, 0.4), "min-max", complete)
    legs, known = [LEXICAL, VECTOR], asked(most)
    assert scores(fusion.informed(legs, 9, known)) == pytest.approx(
        scores(expected.informed(legs, 9, known))
    )
    parts = fusion.parts(legs, known)
    assert sum(parts.adds.values()).tolist() == pytest.approx(  # type: ignore[union-attr]
        sum(expected.parts(legs, known).adds.values()).tolist()  # type: ignore[union-attr]
    )
    said = f"the best keyword match covers {9 / most:.0%} of the query: lexical weight x {share:.2f}"
    assert parts.notes == (() if share == 1 else (said,))


def test_a_best_match_that_stands_out_keeps_its_weight() -> None:
    found = Candidates(np.arange(100), np.array([40.0] + [1.0] * 99, np.float32))
    fusion, legs = Linear(coverage=0.5), [found, VECTOR]
    assert CLEAR < 0.3 < 1 < (40 - fmean(found.scores.tolist())) / pstdev(found.scores.tolist()) / 9
    assert scores(fusion.informed(legs, 9, asked(9_000))) == scores(Linear()(legs, 9))
    equals = Candidates(np.arange(40), np.ones(40, np.float32))
    assert fusion.parts([equals, VECTOR], asked(9_000)).notes  # none of them stands out


def test_without_evidence_the_weights_are_the_same() -> None:
    fusion, plain, legs = Linear(coverage=0.5), Linear(), [LEXICAL, VECTOR]
    assert scores(fusion(legs, 9)) == scores(plain(legs, 9))
    assert scores(fusion.informed(legs, 9, asked(0))) == scores(plain(legs, 9))  # a query of no words
    assert scores(Linear(coverage=0).informed(legs, 9, asked(99))) == scores(plain(legs, 9))


def test_where_only_one_list_counts_there_is_nothing_to_weigh() -> None:
    alone = Linear((1, 0), "min-max", coverage=0.5)
    assert scores(alone.informed([LEXICAL, VECTOR], 9, asked(99))) == scores(alone([LEXICAL, VECTOR], 9))
    for legs in ([LEXICAL, Candidates.none()], [Candidates.none(), VECTOR]):
        assert scores(Linear(coverage=0.5).informed(legs, 9, asked(99))) == scores(Linear()(legs, 9))


@pytest.mark.parametrize("coverage", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_a_coverage_is_a_share(coverage: Any) -> None:
    with pytest.raises(QueryError, match="Linear: coverage is"):
        Linear(coverage=coverage)


# --- normalisers -------------------------------------------------------------------------------------

NORMALIZERS: list[Normalizer] = [MinMax(), TheoreticalMinMax(), ZScore(), Distribution()]


def test_min_max() -> None:
    np.testing.assert_allclose(MinMax()(LEXICAL.scores, 0.0), [1, (6 - 3) / (9 - 3), 0])


def test_theoretical_min_max_starts_at_the_floor() -> None:
    np.testing.assert_allclose(TheoreticalMinMax()(LEXICAL.scores, 0.0), [9 / 9, 6 / 9, 3 / 9])


def test_theoretical_min_max_without_a_floor_is_min_max() -> None:
    leg = Candidates(LEXICAL.ordinals, LEXICAL.scores)
    np.testing.assert_array_equal(
        TheoreticalMinMax()(leg.scores, leg.floor), MinMax()(leg.scores, leg.floor)
    )


def test_theoretical_min_max_forgives_a_score_below_the_floor() -> None:
    leg = candidates({1: 0.5, 2: -1.0000001}, floor=-1.0)
    np.testing.assert_array_equal(TheoreticalMinMax()(leg.scores, leg.floor), [1, 0])


def test_z_score_is_shifted_to_the_lowest() -> None:
    sd = pstdev([9, 6, 3])
    np.testing.assert_allclose(ZScore()(LEXICAL.scores, 0.0), [(9 - 3) / sd, (6 - 3) / sd, 0])


def test_distribution_spans_three_deviations_each_way() -> None:
    sd = pstdev([9, 6, 3])
    low, high = 6 - 3 * sd, 6 + 3 * sd
    np.testing.assert_allclose(
        Distribution()(LEXICAL.scores, 0.0), [(s - low) / (high - low) for s in (9, 6, 3)]
    )


def test_distribution_keeps_the_order_of_outliers_above_and_drops_those_below() -> None:
    ups = Distribution()(candidates({0: 100, 1: 99} | dict.fromkeys(range(2, 100), 1.0)).scores, None)
    assert ups[0] > ups[1] > 1
    downs = Distribution()(candidates({0: -100} | dict.fromkeys(range(1, 100), 1.0)).scores, None)
    assert downs[-1] == 0


@pytest.mark.parametrize("normalize", NORMALIZERS, ids=repr)
@pytest.mark.parametrize("score", [0.0, 0.1, -7.5, 3.4e38, 1e-45])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_equal_scores_are_all_1(normalize: Normalizer, score: float, n: int) -> None:
    leg = candidates(dict.fromkeys(range(n), score), floor=-10.0 if score < 0 else 0.0)
    np.testing.assert_array_equal(normalize(leg.scores, leg.floor), np.ones(n))


@pytest.mark.parametrize("normalize", NORMALIZERS, ids=repr)
def test_an_empty_list_has_no_values(normalize: Normalizer) -> None:
    assert normalize(np.empty(0, np.float32), None).shape == (0,)


@pytest.mark.parametrize("normalize", NORMALIZERS, ids=repr)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_any_finite_scores_stay_finite_ordered_and_0_or_more(
    normalize: Normalizer, found: list[float]
) -> None:
    leg = candidates(dict(enumerate(found)))
    normal = normalize(leg.scores, leg.floor)
    assert normal.dtype == np.float64
    assert np.isfinite(normal).all()
    assert (normal >= 0).all()
    assert (np.diff(normal) <= 0).all()
