"""The two legs of a query, side by side or one after the other."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hybrid.threads import submit
from hybrid.types import Candidates

_WORTH_A_THREAD: Final = 0.0005
"""Seconds of CPU time. A hand-over costs some 30 microseconds, and more where a core is contended."""


class Lanes:
    """Runs the two legs side by side where that pays: both cost enough, and there are two cores for each
    search on its way (a thread without a free core makes a query slower)."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._cores = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        self._costs = [0.0, 0.0]
        self._busy = 0
        self._lock = threading.Lock()

    def run(self, *legs: Callable[[], Candidates]) -> tuple[Candidates, Candidates]:
        """The answers of the two ``legs``."""
        with self._lock:
            self._busy += 1
            apart = 2 * self._busy <= self._cores and min(self._costs) > _WORTH_A_THREAD
        try:
            if not apart:
                return self._timed(0, legs[0]), self._timed(1, legs[1])
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "hybrid-leg")
            other = submit(self._pool, self._timed, 1, legs[1])
            return self._timed(0, legs[0]), other.result()
        finally:
            with self._lock:
                self._busy -= 1

    def _timed(self, lane: int, leg: Callable[[], Candidates]) -> Candidates:
        start = time.thread_time()  # waiting for the interpreter or a core makes no leg dearer
        answer = leg()
        self._costs[lane] += 0.2 * (time.thread_time() - start - self._costs[lane])
        return answer

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


class InTurn(Lanes):
    """One leg after the other, whatever they cost."""

    def run(self, *legs: Callable[[], Candidates]) -> tuple[Candidates, Candidates]:
        return legs[0](), legs[1]()
