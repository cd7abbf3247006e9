"""Each fusion against its formula, written out, and against a textbook version on random input."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from hybrid.errors import QueryError, SettingsError
from hybrid.fusion import (
    RRF,
    CombSUM,
    Evidence,
    Linear,
    MinMax,
    Rocchio,
    Softplus,
    ZScore,
    complete,
    dump,
    load,
)
from hybrid.types import Candidates, Fusion, Scores
from tests.contracts.fusion import FusionContract, Known, candidates

# --- contracts ---------------------------------------------------------------------------------------


class TestRRFContract(FusionContract):
    fusion = RRF(k=60)

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        fused: dict[int, float] = {}
        for leg in legs:
            for rank, ordinal in enumerate(leg.ordinals.tolist(), start=1):
                fused[ordinal] = fused.get(ordinal, 0) + 1 / (60 + rank)
        return fused


class TestWeightedRRFContract(FusionContract):
    fusion = RRF(k=10, weights=(0.3, 2))

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        fused: dict[int, float] = {}
        for leg, weight in zip(legs, (0.3, 2), strict=True):
            for rank, ordinal in enumerate(leg.ordinals.tolist(), start=1):
                fused[ordinal] = fused.get(ordinal, 0) + weight / (10 + rank)
        return fused


class TestRocchioContract(FusionContract):
    """Without evidence it is its first stage; see below for what it adds."""

    fusion = Rocchio(RRF(k=60))

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        return TestRRFContract().textbook(legs)


# --- reciprocal rank fusion --------------------------------------------------------------------------

LEXICAL = candidates({1: 9.0, 2: 6.0, 3: 3.0}, floor=0.0)
VECTOR = candidates({3: 0.8, 4: 0.2, 1: -0.4}, floor=-1.0)


def scores(fused: Candidates) -> dict[int, float]:
    return dict(zip(fused.ordinals.tolist(), fused.scores.tolist(), strict=True))


def test_rrf_adds_reciprocal_ranks() -> None:
    fused = RRF(k=60)([LEXICAL, VECTOR], 10)
    assert scores(fused) == pytest.approx(
        {1: 1 / (60 + 1) + 1 / (60 + 3), 3: 1 / (60 + 3) + 1 / (60 + 1), 2: 1 / (60 + 2), 4: 1 / (60 + 2)}
    )
    assert fused.ordinals.tolist() == [1, 3, 2, 4]  # two ties, each to the smaller ordinal


def test_rrf_with_k_0_is_the_sum_of_1_by_rank() -> None:
    assert scores(RRF(k=0)([LEXICAL, VECTOR], 1)) == pytest.approx({1: 1 / 1 + 1 / 3})


def test_rrf_takes_any_number_of_lists() -> None:
    assert scores(RRF()([LEXICAL, LEXICAL, VECTOR], 1)) == pytest.approx({1: 2 / (60 + 1) + 1 / (60 + 3)})
    assert scores(RRF()([LEXICAL], 1)) == pytest.approx({1: 1 / (60 + 1)})
    assert len(RRF()([], 10)) == 0


def test_rrf_ignores_scores() -> None:
    louder = Candidates(LEXICAL.ordinals, LEXICAL.scores * 1e6, 0.0)
    assert scores(RRF()([louder, VECTOR], 9)) == scores(RRF()([LEXICAL, VECTOR], 9))


def test_rrf_with_weights() -> None:
    fused = RRF(k=0, weights=(1, 3))([LEXICAL, VECTOR], 10)
    assert scores(fused) == pytest.approx({1: 1 + 3 / 3, 3: 1 / 3 + 3, 2: 1 / 2, 4: 3 / 2})
    assert RRF(weights={"vector": 3, "lexical": 1}) == RRF(weights=(1, 3))
    assert RRF(weights=(1, 1))([LEXICAL, VECTOR], 4).ordinals.tolist() == [1, 3, 2, 4]
    with pytest.raises(QueryError, match="2 weights for 3 lists"):
        RRF(weights=(1, 3))([LEXICAL] * 3, 5)
    with pytest.raises(QueryError, match="RRF: weights are"):
        RRF(weights=(0, 0))


@pytest.mark.parametrize("k", [-1, 60.0, "60", None, True])
def test_rrf_refuses_a_k_that_is_no_count(k: Any) -> None:
    with pytest.raises(QueryError, match="RRF: k is"):
        RRF(k=k)


# --- stored form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fusion", "stored"),
    [
        (RRF(k=10), {"method": "rrf", "k": 10}),
        (RRF(k=10, weights=(1, 2)), {"method": "rrf", "k": 10, "weights": [1.0, 2.0]}),
        (CombSUM("distribution"), {"method": "combsum", "normalize": "distribution"}),
        (
            Rocchio(RRF(), share=0.2, top=3),
            {"method": "rocchio", "first": {"method": "rrf", "k": 60}, "share": 0.2, "top": 3},
        ),
        (
            Linear(weights=(0.3, 0.7), normalize=ZScore()),
            {"method": "linear", "weights": [0.3, 0.7], "normalize": "z-score", "complete": False},
        ),
        (
            Linear(coverage=0.25),
            {
                "method": "linear",
                "weights": [0.5, 0.5],
                "normalize": "theoretical-min-max",
                "complete": False,
                "coverage": 0.25,
            },
        ),
    ],
)
def test_stored_form(fusion: Fusion, stored: Mapping[str, Any]) -> None:
    assert dump(fusion) == stored
    assert load(json.loads(json.dumps(dump(fusion)))) == fusion


def test_a_parameter_left_out_has_its_default() -> None:
    assert load({"method": "rrf"}) == RRF()
    assert load({"method": "linear"}) == Linear()


@pytest.mark.parametrize(
    ("stored", "complaint"),
    [
        ({}, "method is None"),
        ({"method": "borda"}, "method is 'borda'"),
        ({"method": ["rrf"]}, "method is"),
        ({"method": "rrf", "depth": 5}, "no parameter 'depth'"),
        ({"method": "rrf", "k": -1}, "k is -1"),
        ({"method": "linear", "weights": [0, 0]}, "not all 0"),
        ({"method": "linear", "normalize": "none"}, "normalize is 'none'"),
        ({"method": "rocchio", "share": -1}, "share is -1"),
        ({"method": "rocchio", "share": "x"}, "share is 'x'"),
        ({"method": "rocchio", "top": 0}, "top is 0"),
        ({"method": "rocchio", "first": {"method": "rocchio", "first": 5}}, "not a JSON object"),
    ],
)
def test_load_refuses(stored: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises((SettingsError, QueryError), match=complaint):
        load(stored)


def test_a_fusion_of_ones_own_has_no_stored_form() -> None:
    def first(legs: Sequence[Candidates], limit: int) -> Candidates:
        return legs[0].top(limit)

    def raw(scores: Scores, floor: float | None) -> NDArray[np.float64]:
        return scores.astype(np.float64)

    assert scores(Linear(normalize=raw)([LEXICAL, VECTOR], 1)) == pytest.approx({1: 0.5 * 9 + 0.5 * -0.4})
    for own in (first, Linear(normalize=raw)):
        with pytest.raises(SettingsError, match="no stored form"):
            dump(own)


# --- completing the lists ----------------------------------------------------------------------------


def test_complete_gives_each_list_the_documents_of_the_other() -> None:
    both = complete(LEXICAL, VECTOR, Known({1: -0.4, 2: 0.1, 3: 0.8, 4: 0.2}))
    assert both.ordinals.tolist() == [1, 2, 3, 4]
    assert both.lexical.tolist() == [9.0, 6.0, 3.0, 0.0]
    assert both.vector.tolist() == pytest.approx([-0.4, 0.1, 0.8, 0.2])


def test_complete_keeps_the_list_and_knows_nothing_of_who_has_no_vector() -> None:
    both = complete(LEXICAL, VECTOR, Known({}))
    found = dict(zip(both.ordinals.tolist(), both.vector.tolist(), strict=True))
    assert {o: s for o, s in found.items() if not math.isnan(s)} == scores(VECTOR)


def test_a_list_that_is_empty_stays_so() -> None:
    nothing, unasked = Candidates.none(), cast(Evidence, None)
    fusion = Linear((0.5, 0.5), ZScore(), complete=True)
    for legs in ([nothing, VECTOR], [LEXICAL, nothing]):
        assert scores(fusion.informed(legs, 9, unasked)) == scores(fusion(legs, 9))


@pytest.mark.parametrize("seed", range(20))
def test_completed_lists_are_fused_as_lists_are(seed: int) -> None:
    random = np.random.default_rng(seed)
    similarities = {i: float(s) for i, s in enumerate(random.normal(size=30).astype(np.float32)) if i % 7}
    lexical = candidates({int(o): float(s) for s, o in enumerate(random.permutation(30)[:12], 1)})
    vector = candidates(
        {o: similarities[o] for o in sorted(similarities, key=similarities.__getitem__)[-9:]}
    )
    everyone = {*lexical.ordinals.tolist(), *vector.ordinals.tolist()}
    words = candidates({o: scores(lexical).get(o, 0.0) for o in everyone})
    near = candidates({o: similarities[o] for o in everyone if o in similarities})
    for normalize in (MinMax(), ZScore(), Softplus()):
        fusion = Linear((0.3, 0.7), normalize, complete=True)
        found = fusion.informed([lexical, vector], 99, Known(similarities))
        assert scores(found) == pytest.approx(scores(fusion([words, near], 99)), abs=1e-6)


def test_a_complete_fusion_is_a_value_too() -> None:
    fusion = Linear((0.5, 0.5), ZScore(), complete=True)
    assert load(dump(fusion)) == fusion != Linear((0.5, 0.5), ZScore())
    assert repr(fusion).endswith("complete=True, coverage=0.0)")
    with pytest.raises(QueryError, match="complete is 1"):
        Linear(complete=1)  # type: ignore[arg-type]


# --- another implementation's figures ----------------------------------------------------------------

SOME = candidates({1: 9.0, 2: 6.0, 3: 3.0, 7: 2.5}, floor=0.0)
OTHERS = candidates({3: 0.8, 4: 0.2, 1: -0.4, 9: -0.5}, floor=-1.0)


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        (RRF(60), {1: 0.0322665, 2: 0.016129, 3: 0.0322665, 4: 0.016129, 7: 0.015625, 9: 0.015625}),
        (CombSUM(), {1: 1.0769231, 2: 0.5384615, 3: 1.0769231, 4: 0.5384615, 7: 0, 9: 0}),
        (
            Linear((0.4, 0.6), MinMax()),
            {1: 0.4461538, 2: 0.2153846, 3: 0.6307692, 4: 0.3230769, 7: 0, 9: 0},
        ),
    ],
    ids=repr,
)
def test_ranx_0_3_21_says_the_same(fusion: Fusion, expected: dict[int, float]) -> None:
    assert scores(fusion([SOME, OTHERS], 10)) == pytest.approx(expected, abs=1e-6)


# --- feedback ----------------------------------------------------------------------------------------


def z(values: Mapping[int, float]) -> dict[int, float]:
    mean, deviation = fmean(values.values()), pstdev(values.values())
    return {key: (value - mean) / deviation if deviation > 1e-6 else 0 for key, value in values.items()}


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def rocchio(
    first: Mapping[int, float], vectors: Mapping[int, Sequence[float]], share: float, top: int
) -> dict[int, float]:
    standard = z(first)
    ranked = [d for d in sorted(first, key=lambda d: (-first[d], d)) if d in vectors]
    trust = {d: math.exp(2 * standard[d]) for d in ranked[:top]}
    target = [
        sum(trust[d] * vectors[d][i] for d in trust) / sum(trust.values())
        - fmean(vectors[d][i] for d in ranked)
        for i in range(3)
    ]
    moved = z({d: dot(vectors[d], target) for d in ranked})
    summed = {d: standard[d] + share * moved.get(d, 0) for d in first}
    return {d: score - min(summed.values()) for d, score in summed.items()}


@pytest.mark.parametrize("seed", range(20))
def test_rocchio_agrees_with_the_formula(seed: int) -> None:
    random = np.random.default_rng(seed)
    legs = [
        Candidates.ranked(random.permutation(30)[:12], random.normal(size=12).astype(np.float32))
        for _ in range(2)
    ]
    directions = random.normal(size=(30, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    known = {i: directions[i].tolist() for i in range(30) if i % 7}  # some have no vector
    share, top = float(random.uniform(0, 2)), int(random.integers(1, 8))
    first = scores(Linear(normalize="z-score")(legs, 100))
    fused = Rocchio(Linear(normalize="z-score"), share, top).informed(legs, 100, Known({}, known))
    assert scores(fused) == pytest.approx(rocchio(first, known, share, top), abs=1e-4)
    assert (np.diff(fused.scores) <= 0).all()


def test_feedback_lifts_what_resembles_the_best() -> None:
    lexical = candidates({1: 9.0, 2: 5.0, 3: 5.0, 4: 1.0})
    vector = candidates({1: 0.9, 2: 0.5, 3: 0.5, 4: 0.1})
    known = Known({}, {1: [1, 0], 2: [0, 1], 3: [1, 0], 4: [0, 1]})
    assert Rocchio()([lexical, vector], 4).ordinals.tolist() == [1, 2, 3, 4]
    assert Rocchio().informed([lexical, vector], 4, known).ordinals.tolist() == [1, 3, 2, 4]
    assert Rocchio(share=0).informed([lexical, vector], 2, known).ordinals.tolist() == [1, 2]


def test_without_a_second_leg_or_vectors_there_is_no_feedback() -> None:
    nothing, unasked = Candidates.none(), cast(Evidence, None)
    for legs in ([LEXICAL, nothing], [nothing, VECTOR], [nothing, nothing]):
        expected = Rocchio()(legs, 9).ordinals.tolist()
        assert Rocchio().informed(legs, 9, unasked).ordinals.tolist() == expected
    blind = Known({1: -0.4, 2: 0.1, 3: 0.8, 4: 0.2})
    first = Rocchio().first
    assert isinstance(first, Linear)
    expected = first.informed([LEXICAL, VECTOR], 9, blind).ordinals.tolist()
    assert Rocchio().informed([LEXICAL, VECTOR], 9, blind).ordinals.tolist() == expected


@pytest.mark.parametrize("first", [None, RRF, "rrf"])
def test_rocchio_needs_a_first_stage(first: Any) -> None:
    with pytest.raises(QueryError, match="Rocchio: first is"):
        Rocchio(first)
