"""What every fusion must keep. Subclass, set ``fusion`` and write ``textbook``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hybrid.fusion
from hybrid.errors import QueryError
from hybrid.fusion import QueryTerms
from hybrid.types import Candidates, Fusion, Matrix, Ordinals, Scores

_SCORES = st.floats(-(2.0**100), 2.0**100, width=32) | st.sampled_from([0.0, 0.25, 0.5, 1.0])


@st.composite
def _list(draw: st.DrawFn) -> Candidates:
    found = draw(st.dictionaries(st.integers(0, 30), _SCORES, max_size=20))
    leg = candidates(found)
    floor = draw(st.none() | st.floats(0, 10).map(lambda below: min(found.values(), default=0) - below))
    return Candidates(leg.ordinals, leg.scores, floor)


LEGS = st.tuples(_list(), _list())


def candidates(found: dict[int, float], floor: float | None = None) -> Candidates:
    """A ranked list from {ordinal: score}."""
    ordinals = np.array(list(found), np.int64)
    return Candidates.ranked(ordinals, np.array(list(found.values()), np.float32), floor=floor)


class Known:
    """Evidence from dictionaries."""

    def __init__(
        self,
        similar: Mapping[int, float],
        vectors: Mapping[int, Sequence[float]] = {},
        query: QueryTerms = QueryTerms(),  # noqa: B008 - frozen
    ) -> None:
        self.similar, self.directions, self.query = similar, vectors, query

    def scores(self, ordinals: Ordinals) -> Scores:
        blind = dict.fromkeys(self.directions, 0.0)
        return np.array([self.similar.get(o, blind.get(o, np.nan)) for o in ordinals.tolist()], np.float32)

    def vectors(self, ordinals: Ordinals) -> Matrix:
        dim = max(map(len, self.directions.values()), default=1)
        return np.array([self.directions.get(o, [0.0] * dim) for o in ordinals.tolist()], np.float32)

    def terms(self) -> QueryTerms:
        return self.query


class FusionContract:
    fusion: Fusion

    def textbook(self, legs: Sequence[Candidates]) -> dict[int, float]:
        """{ordinal: score}, as the paper's formula says it, with plain dictionaries."""
        raise NotImplementedError

    given_legs = settings(deadline=None, suppress_health_check=[HealthCheck.differing_executors])

    @given_legs
    @given(LEGS, st.integers(0, 50))
    def test_agrees_with_the_textbook(self, legs: tuple[Candidates, Candidates], limit: int) -> None:
        expected = self.textbook(legs)
        fused = self.fusion(legs, limit)
        assert len(fused) == min(limit, len(expected))
        scores = dict(zip(fused.ordinals.tolist(), fused.scores.tolist(), strict=True))
        assert scores == pytest.approx(
            {ordinal: expected[ordinal] for ordinal in scores}, rel=1e-5, abs=1e-6
        )
        left_out = [score for ordinal, score in expected.items() if ordinal not in scores]
        if scores and left_out:
            assert min(scores.values()) >= max(left_out) * (1 - 1e-5) - 1e-6

    @given_legs
    @given(LEGS, st.integers(0, 50))
    def test_is_ranked_with_ties_by_ordinal(self, legs: tuple[Candidates, Candidates], limit: int) -> None:
        fused = self.fusion(legs, limit)
        assert np.isfinite(fused.scores).all()
        order = sorted(zip(-fused.scores, fused.ordinals, strict=True))
        assert [ordinal for _, ordinal in order] == fused.ordinals.tolist()

    @given_legs
    @given(LEGS)
    def test_a_limit_cuts_the_same_list(self, legs: tuple[Candidates, Candidates]) -> None:
        whole = self.fusion(legs, 1000)
        assert set(whole.ordinals) == set(legs[0].ordinals) | set(legs[1].ordinals)
        for limit in range(len(whole) + 1):
            assert self.fusion(legs, limit).ordinals.tolist() == whole.ordinals[:limit].tolist()

    @given_legs
    @given(LEGS)
    def test_leaves_its_input_alone_and_answers_the_same_again(
        self, legs: tuple[Candidates, Candidates]
    ) -> None:
        before = [(leg.ordinals.copy(), leg.scores.copy()) for leg in legs]
        first, second = self.fusion(legs, 10), self.fusion(legs, 10)
        assert first.ordinals.tobytes() == second.ordinals.tobytes()
        assert first.scores.tobytes() == second.scores.tobytes()
        for leg, (ordinals, scores) in zip(legs, before, strict=True):
            np.testing.assert_array_equal(leg.ordinals, ordinals)
            np.testing.assert_array_equal(leg.scores, scores)

    def test_types(self) -> None:
        fused = self.fusion([candidates({7: 1, 8: 2}), candidates({8: 1})], 10)
        assert fused.ordinals.dtype == np.int64
        assert fused.scores.dtype == np.float32

    @given_legs
    @given(st.lists(st.integers(-1000, 1000), unique=True, max_size=30), st.integers(0, 1))
    def test_a_list_alone_keeps_its_order(self, scores: list[int], place: int) -> None:
        leg = candidates(dict(enumerate(map(float, scores))))
        legs = [Candidates.none(), Candidates.none()]
        legs[place] = leg
        assert self.fusion(legs, 100).ordinals.tolist() == leg.ordinals.tolist()

    def test_of_nothing_is_nothing(self) -> None:
        assert len(self.fusion([Candidates.none(), Candidates.none()], 10)) == 0

    def test_refuses_a_negative_limit(self) -> None:
        with pytest.raises(QueryError, match="-1"):
            self.fusion([candidates({1: 1}), candidates({2: 1})], -1)

    def test_is_a_value(self) -> None:
        again = eval(repr(self.fusion), vars(hybrid.fusion))
        assert again == self.fusion
        assert hash(again) == hash(self.fusion)
        assert {self.fusion: "table header"}[again] == "table header"

    def test_is_kept_as_json(self) -> None:
        assert hybrid.fusion.load(hybrid.fusion.dump(self.fusion)) == self.fusion
