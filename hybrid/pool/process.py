"""One process of a pool, seen from the program: started, asked, ended, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any, Final

from hybrid.errors import IndexClosed, WorkerDied, WorkerTimeout
from hybrid.pool import wire

START: Final = 120.0
"""Seconds in which a worker must have opened the index and loaded its encoder."""

_MODULE: Final = "hybrid.pool.worker"
_APART: Final[dict[str, Any]] = (
    {"process_group": 0}
    if os.name == "posix"
    else {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
)
"""Ctrl-C in the terminal is for the program, which ends its workers."""

_TRIES: Final = 2  # reading changes nothing, so a question may be asked again


class Worker:
    """A process that answers one question at a time; used by one thread at a time, but for ``look`` and
    ``shut``."""

    def __init__(self, path: str, opening: bytes, threads: int, timeout: float | None) -> None:
        """``opening``: the first question, which a process answers when it is ready. ``threads``: how many
        its libraries may use."""
        self._path, self._opening, self._threads, self._timeout = path, opening, threads, timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = self._late = self._shut = False
        self._status = ""  # with which the last process ended
        self._due: float | None = None
        self._lock = threading.Lock()  # what _due and _shut say is so until it is let go

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    # -- asking

    def ask(self, question: bytes) -> bytes:
        """The answer to ``question``, which is asked once more if the process dies of it, or had died.
        Raises WorkerDied, WorkerTimeout, IndexClosed, and why the index cannot be opened."""
        for _ in range(_TRIES):
            with suppress(_Ended):
                return self._asked(question)
            if self._shut:
                raise IndexClosed(f"{self._path}: this pool is closed; make a new one")
        raise WorkerDied(
            f"{self._path}: two worker processes ended in this call, the last with {self._status}; if "
            "there is too little memory, use fewer processes or ask for less"
        )

    def _asked(self, question: bytes) -> bytes:
        try:
            self.begin()
            return self._exchange(question, self._timeout)
        except WorkerTimeout:
            self.end()
            self.start()  # for the next question
            raise
        except BaseException:
            self.end()  # an answer that came later would belong to no question any more
            raise

    def begin(self) -> None:
        """Start the process, unless it runs, and wait until it is ready."""
        self.start()
        if not self._ready:
            wire.answer(self._exchange(None, START), "what opens the index")
            self._ready = True

    def _exchange(self, question: bytes | None, seconds: float | None) -> bytes:
        with self._lock:
            if self._process is None:
                raise _Ended  # nor is there another
            self._late, self._due = False, None if seconds is None else time.monotonic() + seconds
        try:
            if question is not None:
                wire.send(_stream(self._process.stdin), question)
            return wire.receive(_stream(self._process.stdout))
        except (EOFError, OSError) as cause:
            if not self._late:
                raise _Ended from cause
            raise WorkerTimeout(
                f"{self._path}: no answer within {seconds:g} s; the worker process was ended, another one "
                "takes its place"
            ) from None
        finally:
            with self._lock:
                self._due = None

    def look(self, now: float) -> None:
        """End a process whose answer is overdue; whoever waits for it reads the end of the pipe."""
        with self._lock:
            if self._due is not None and now > self._due:
                self._late, self._due = True, None
                self._kill()

    # -- starting and ending

    def start(self) -> None:
        """Start the process and let it open the index; unless there is one."""
        with self._lock:
            if self._process is not None or self._shut:
                return
            try:
                self._process = self._started()
            except OSError as cause:
                raise WorkerDied(f"{self._path}: a worker process cannot be started: {cause}") from cause
        with suppress(OSError):  # it has ended already, which is seen where its answer is read
            wire.send(_stream(self._process.stdin), self._opening)

    def _started(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        threads = str(self._threads)
        usual = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        return subprocess.Popen(
            # -P: sys.path is this program's, with nothing before it.
            [sys.executable, "-P", "-m", _MODULE, str(os.getpid()), threads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=usual | os.environ | {"PYTHONPATH": path},
            **_APART,
        )

    def end(self) -> None:
        """End the process, if there is one: it reads, and leaves nothing undone."""
        with self._lock:
            process, self._process, self._ready = self._process, None, False
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):  # what was not sent is of no use any more
                _stream(stream).close()
        self._status = _named(process.wait())

    def shut(self) -> None:
        """Kill the process and start no other; whoever waits for an answer gets IndexClosed."""
        with self._lock:
            self._shut = True
            self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()


class _Ended(Exception):
    """The process has ended, or is about to."""


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # both are pipes
    return stream


def _named(status: int) -> str:
    """With what a process ended."""
    return signal.Signals(-status).name if status < 0 else f"status {status}"
