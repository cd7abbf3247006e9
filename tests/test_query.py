"""The query path's own parts: the lanes that run two legs, and the order that more hits must not change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from hybrid import RRF, Linear, Rocchio, query
from hybrid.query import Lanes
from hybrid.request import Asker
from hybrid.settings import Profile
from hybrid.types import Candidates, Fusion
from tests.contracts.fusion import Known


def leg(seconds: float, seen: list[int]) -> Callable[[], Candidates]:
    def answer() -> Candidates:
        time.sleep(seconds)
        seen.append(threading.get_ident())
        return Candidates.none()

    return answer


@pytest.fixture
def lanes() -> Lanes:
    made = Lanes()
    made._cores = 2
    return made


def test_cheap_legs_run_on_the_calling_thread(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_WORTH_A_THREAD", 60.0)  # on a busy machine nothing is cheap
    seen: list[int] = []
    for _ in range(5):
        lanes.run(leg(0, seen), leg(0, seen))
    assert set(seen) == {threading.get_ident()}
    lanes.close()


def test_dear_legs_run_side_by_side_once_they_are_known_to_be_dear(lanes: Lanes) -> None:
    seen: list[int] = []
    for _ in range(4):
        lanes.run(leg(0.01, seen), leg(0.01, seen))
    assert len(set(seen)) == 2
    lanes.close()


def test_one_core_means_one_thread(lanes: Lanes) -> None:
    lanes._cores = 1
    seen: list[int] = []
    for _ in range(4):
        lanes.run(leg(0.005, seen), leg(0.005, seen))
    assert set(seen) == {threading.get_ident()}
    lanes.close()


def test_an_error_of_the_other_lane_arrives(lanes: Lanes) -> None:
    def fail() -> Candidates:
        time.sleep(0.005)
        raise ValueError("no")

    lanes._costs = [1.0, 1.0]
    with pytest.raises(ValueError, match="no"):
        lanes.run(leg(0, []), fail)
    assert lanes._busy == 0
    lanes.close()


@pytest.mark.parametrize(
    "fusion",
    [
        RRF(),
        RRF(0),
        Linear(),
        Linear((1, 3), "z-score"),
        Linear((2, 1), "distribution"),
        Linear((1, 1), "z-score", complete=True),
        Rocchio(),
    ],
)
def test_more_hits_continue_the_list_and_never_reorder_it(fusion: Fusion) -> None:
    random = np.random.default_rng(4)
    legs = [
        Candidates.ranked(
            random.permutation(500)[:400], random.normal(size=400).astype(np.float32), floor=f
        )
        for f in (None, -9.0)
    ]
    asker = Asker("cosine", 3, Profile())
    short = asker.one("q", None, {"fusion": fusion, "k": 10})
    long = asker.one("q", None, {"fusion": fusion, "k": 450})
    everyone = random.normal(size=500).astype(np.float32)
    everyone[legs[1].ordinals] = legs[1].scores
    known = Known(
        dict(enumerate(everyone.tolist())), dict(enumerate(random.normal(size=(500, 3)).tolist()))
    )
    first = short.fuse(legs, known).top(10)
    every = long.fuse(legs, known).top(450)
    assert every.ordinals[:10].tolist() == first.ordinals.tolist()
    assert np.all(np.diff(every.scores) <= 0)
    assert len(np.unique(every.ordinals)) == len(every) == 450
