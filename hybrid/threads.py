"""Threads at interpreter shutdown.

A thread that returns from native code while the interpreter shuts down is terminated on the spot, and if
that code is C++ or Rust, this aborts the process: SIGABRT instead of the program's own exit status. So
before shutdown every open index ends its threads, and the program's threads block when they are about to
enter native code. (They are daemons, or the interpreter would have waited for them.) No new threads can
be started that late.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Final, ParamSpec, Protocol, TypeVar

PATIENCE: Final = 3.0
"""Seconds that shutdown waits for threads in native code; encoding a batch takes one."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R")


class Leaver(Protocol):
    """An object that owns threads."""

    def leave(self) -> None:
        """End the threads, before the interpreter shuts down."""


class _Own(threading.local):
    depth = 0
    """How many times this thread has entered."""


class _Inside:
    """Use ``with inside:`` around calls to native code. It may be nested: each entry is a point where
    shutdown can stop a thread."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start afresh, in a forked child: its only thread is not in native code."""
        self._lock = threading.Lock()
        self._own = _Own()
        self._busy = 0
        self._last: int | None = None  # the thread that ends the interpreter

    def __enter__(self) -> None:
        with self._lock:
            shut = self._last is not None and not self._exempt()
            self._busy += -self._own.depth if shut else 1
            self._own.depth += not shut
        while shut:
            time.sleep(3600)

    def _exempt(self) -> bool:
        """Whether this is the thread that shuts down, or one that its owner ends."""
        return self._last == threading.get_ident() or threading.current_thread() in _started

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._busy -= 1
            self._own.depth -= 1

    @property
    def shut(self) -> bool:
        """Whether the interpreter is shutting down."""
        return self._last is not None

    def close(self) -> None:
        """Let no other thread in any more, and wait until all have left or are blocked."""
        self._last = threading.get_ident()
        end = time.monotonic() + PATIENCE
        while self._busy > self._own.depth and time.monotonic() < end:
            time.sleep(0.002)

    def pause(self) -> int:
        """Leave for a while; pass the result to ``resume``."""
        with self._lock:
            depth, self._own.depth = self._own.depth, 0
            self._busy -= depth
        return depth

    def resume(self, depth: int) -> None:
        if depth:
            with self, self._lock:
                self._busy += depth
                self._own.depth += depth


class _Outside:
    """Use ``with outside:`` around code, called from ``inside``, that may wait long in Python."""

    def __init__(self) -> None:
        self._depths = _Depths()

    def __enter__(self) -> None:
        self._depths.known.append(inside.pause())

    def __exit__(self, *_: object) -> None:
        inside.resume(self._depths.known.pop())


class _Depths(threading.local):
    def __init__(self) -> None:
        self.known: list[int] = []


_started: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()
inside: Final = _Inside()
outside: Final = _Outside()
_leavers: Final[weakref.WeakSet[Leaver]] = weakref.WeakSet()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=inside.reset)


def enlist(leaver: Leaver) -> None:
    """Call ``leaver.leave()`` before the interpreter shuts down."""
    _leavers.add(leaver)


@atexit.register
def _leave() -> None:
    inside.close()
    for leaver in list(_leavers):
        with suppress(Exception):
            leaver.leave()


def start(thread: threading.Thread) -> bool:
    """Start ``thread``. Returns False if that is impossible: the interpreter is shutting down, or the
    system has no more threads."""
    if inside.shut:
        return False
    _started.add(thread)
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


def submit(pool: Executor, work: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
    """Submit work to ``pool``; do it in this thread if the pool accepts no more."""
    try:
        return pool.submit(work, *args, **kwargs)
    except RuntimeError:
        done: Future[_R] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def each(work: Callable[[_T], _R], items: Iterable[_T], threads: int) -> list[_R]:
    """Call ``work`` on each of ``items``, in up to ``threads`` threads including this one; return the
    results in order. Raises the error of the first item that failed."""
    left = list(items)
    done: list[Future[_R]] = [Future() for _ in left]
    numbers = iter(range(len(left)))

    def go_on() -> None:
        for number in numbers:
            try:
                done[number].set_result(work(left[number]))
            except Exception as error:
                done[number].set_exception(error)

    others = [threading.Thread(target=go_on) for _ in range(min(threads, len(left)) - 1)]
    started = [other for other in others if start(other)]
    try:
        go_on()
    finally:
        deque(numbers, 0)  # after Ctrl-C, leave nothing for the others to do
        for other in started:
            other.join()
    return [one.result() for one in done]
