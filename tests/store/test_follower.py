"""A follower does what it was woken for: soon, in one go, again after a failure, never after its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from hybrid.store.follower import Follower


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_what_piles_up_is_done_in_one_go() -> None:
    going, calls = threading.Event(), []

    def work() -> bool:
        calls.append(1)
        return going.wait(20)

    follower = Follower(work)
    follower.wake()
    assert eventually(lambda: len(calls) == 1)
    for _ in range(100):
        follower.wake()
    going.set()
    assert eventually(lambda: len(calls) == 2)
    follower.stop()
    follower.wake()
    assert len(calls) == 2


def test_what_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hybrid.store.follower.RETRY", 0.01)
    calls: list[int] = []

    def work() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("the disk is full")
        return len(calls) == 3

    follower = Follower(work)
    follower.wake()
    assert eventually(lambda: len(calls) == 3)
    follower.stop()
    assert len(calls) == 3
    assert "the disk is full" in caplog.text


def test_one_that_was_never_woken_ends() -> None:
    Follower(lambda: True).stop()
