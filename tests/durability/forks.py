"""Children that are forked, not started: they have everything imported, and report through a pipe.

The parent must have no threads and no index open. What a child reports before it dies arrives whole: a line
is one write, far shorter than a pipe's atomic 4,096 bytes.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Report: TypeAlias = Callable[[str, Any], None]
"""Sends an event and its value, any JSON, to the parent."""
Work: TypeAlias = Callable[[Report], object]
Ended: TypeAlias = list[tuple[str, Any]]
"""What a child reported; "error" if it raised, hung or was killed by a signal."""


@dataclass
class Child:
    pid: int
    _pipe: int
    status: int | None = None
    _unread: bytes = field(default=b"", repr=False)

    @classmethod
    def start(cls, work: Work) -> Child:
        """Fork a process that does ``work`` and exits. What it raises is reported as "error"."""
        reading, writing = os.pipe()
        if pid := os.fork():
            os.close(writing)
            return cls(pid, reading)
        code = 1
        try:
            os.close(reading)
            code = _work(work, writing)
        finally:
            os._exit(code)  # none of the parent's exit handlers, nor its stack

    def events(self, until: float = float("inf")) -> Iterator[tuple[str, Any]]:
        """What it reports, until it is gone or the clock (time.monotonic) shows ``until``."""
        while self.status is None:
            while b"\n" in self._unread:
                line, self._unread = self._unread.split(b"\n", 1)
                event, value = json.loads(line)
                yield event, value
            left = min(until - time.monotonic(), 3600.0)
            if left <= 0 or not select.select([self._pipe], [], [], left)[0]:
                return
            if not (data := os.read(self._pipe, 1 << 16)):
                self._reap()
            self._unread += data

    def kill(self) -> None:
        """SIGKILL; what it had reported by then can still be read."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self) -> None:
        os.close(self._pipe)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def side_by_side(
    works: Iterable[Work], seconds: float, width: int = os.cpu_count() or 1
) -> Iterator[Ended]:
    """Do each of ``works`` in a child of its own, ``width`` at a time; what came of them, in order."""
    running: deque[tuple[Child, float]] = deque()
    for work in works:
        running.append((Child.start(work), time.monotonic() + seconds))
        if len(running) >= width:
            yield _ended(*running.popleft())
    while running:
        yield _ended(*running.popleft())


def _ended(child: Child, limit: float) -> Ended:
    events = list(child.events(limit))
    if child.status is None:
        events.append(("error", "it hangs"))
        child.kill()
        events.extend(child.events())
    elif child.status not in (0, 1):
        events.append(("error", f"it died by itself, of signal {-child.status}"))
    return events


class RebuildReports(logging.Handler):
    """Reports each warning of the engine: that it found a part damaged and builds it again."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report("rebuilt", record.getMessage())


def die() -> None:
    """As kill -9 does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def _work(work: Work, pipe: int) -> int:
    def report(event: str, value: Any) -> None:
        os.write(pipe, json.dumps([event, value]).encode() + b"\n")

    try:
        work(report)
    except BaseException as error:
        report("error", complaint(error))
        return 1
    return 0


def complaint(error: BaseException) -> str:
    """What was raised, and where."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {error}"[:500] + f" ({os.path.basename(frame.filename)}:{frame.lineno})"
    )
