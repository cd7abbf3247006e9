"""The query path's own parts: the lanes that run two legs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hybrid.search import lanes as module
from hybrid.search.lanes import Lanes
from hybrid.types import Candidates


class Clock:
    """CPU time that each look finds ``step`` further on."""

    def __init__(self, step: float) -> None:
        self._step, self._now = step, 0.0

    def thread_time(self) -> float:
        self._now += self._step
        return self._now


def leg(seen: list[int]) -> Callable[[], Candidates]:
    def answer() -> Candidates:
        seen.append(threading.get_ident())
        return Candidates.none()

    return answer


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes()
    made._cores = 2
    yield made
    made.close()


def threads_of(lanes: Lanes) -> int:
    """How many threads four searches run their legs on."""
    seen: list[int] = []
    for _ in range(4):
        lanes.run(leg(seen), leg(seen))
    assert len(seen) == 8
    assert threading.get_ident() in seen
    return len(set(seen))


@pytest.fixture
def dear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock(0.01))


def test_cheap_legs_run_on_the_calling_thread(lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Clock(0.0001))
    assert threads_of(lanes) == 1


@pytest.mark.usefixtures("dear")
def test_dear_legs_run_side_by_side_once_they_are_known_to_be_dear(lanes: Lanes) -> None:
    assert threads_of(lanes) == 2


@pytest.mark.usefixtures("dear")
@pytest.mark.parametrize(("cores", "others", "threads"), [(1, 0, 1), (2, 1, 1), (4, 1, 2), (4, 2, 1)])
def test_two_cores_for_each_search(lanes: Lanes, cores: int, others: int, threads: int) -> None:
    """Of ``others``, too, which are on their way meanwhile."""
    lanes._cores, lanes._busy = cores, others
    assert threads_of(lanes) == threads


def test_waiting_makes_no_leg_dear(lanes: Lanes) -> None:
    """For the interpreter, or a core."""

    def wait() -> Candidates:
        time.sleep(0.005)
        return Candidates.none()

    for _ in range(4):
        lanes.run(wait, wait)
    assert lanes._pool is None


def test_an_error_of_the_other_lane_arrives(lanes: Lanes) -> None:
    def fail() -> Candidates:
        raise ValueError("no")

    lanes._costs = [1.0, 1.0]
    with pytest.raises(ValueError, match="no"):
        lanes.run(leg([]), fail)
    assert lanes._busy == 0
