"""The query path's own parts: the lanes that run two legs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from hybrid.search.lanes import Lanes
from hybrid.types import Candidates


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
    monkeypatch.setattr("hybrid.search.lanes._WORTH_A_THREAD", 60.0)  # on a busy machine nothing is cheap
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
