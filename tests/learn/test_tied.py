"""How much of its first ten places a ranking leaves to the order of ties."""

from __future__ import annotations

import pytest

from hybrid.learn.ties import MOST, mean, tied
from hybrid.types import Run


def run(*scores: float) -> Run:
    return {"q": [(f"d{i}", score) for i, score in enumerate(scores)]}


@pytest.mark.parametrize(
    ("scores", "share"),
    [
        ([3, 2, 1], 0),
        ([0, 0, 0], 1),
        ([2, 2, 1], 1 / 2),
        (range(10, 0, -1), 0),
        ([1.0] * 10, 1),
        ([1.0] * 6 + [0.0] * 4, 5 / 9),
        ([1.0] + [0.0] * 9, 8 / 9),
        ([5, 5, 4, 4, 3, 3, 2, 2, 1, 1], 1 / 9),  # two lists without a common document, fused by ranks
        ([*range(20, 10, -1), *[0] * 90], 0),  # below the first ten nobody looks
    ],
)
def test_how_many_share_one_score(scores: list[float], share: float) -> None:
    assert tied(run(*scores)) == [pytest.approx(share)]


def test_one_hit_and_none_leave_nothing_open() -> None:
    assert tied(run(1.0) | {"none": []}) == []
    assert mean([]) == 0
    assert mean(tied(run(1, 1) | {"other": [("a", 2.0), ("b", 1.0)]})) == 1 / 2


def test_up_to_five_of_ten_may_share_a_score() -> None:
    assert 4 / 9 < MOST < 5 / 9
