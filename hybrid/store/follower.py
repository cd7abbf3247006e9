"""A thread that follows: it does soon what it is asked to, and what has piled up meanwhile in one go."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from hybrid import threads

PERIOD: Final = 0.1  # seconds from one beginning to the next
RETRY: Final = 1.0  # and after a failure

_log = logging.getLogger(__name__)


class Follower:
    """Does ``work`` after each ``wake``, at once or with the next beginning. What fails, or returns False,
    is tried again."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self._work = work
        self._wanted = threading.Event()
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        threads.enlist(self)

    def wake(self) -> None:
        """Not for two threads at once."""
        self._wanted.set()
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="hybrid-follow", daemon=True)
            if threads.start(thread):
                self._thread = thread
            else:
                self._done()

    def _run(self) -> None:
        while self._wanted.wait() and not self._leaving.is_set():
            self._wanted.clear()
            end = time.monotonic() + (PERIOD if self._done() else RETRY)
            self._leaving.wait(max(0.0, end - time.monotonic()))

    def _done(self) -> bool:
        try:
            done = self._work()
        except Exception as error:
            _log.warning("what was written is durable, but not searchable yet: %s", error)
            done = False
        if not done:
            self._wanted.set()
        return done

    def stop(self) -> None:
        """Finish what is under way and end."""
        self._end(None)

    def leave(self) -> None:
        """The same, unless whoever it waits for was stopped."""
        self._end(threads.PATIENCE)

    def _end(self, patience: float | None) -> None:
        self._leaving.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(patience)
