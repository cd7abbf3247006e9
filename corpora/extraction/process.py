"""The process that reads files: started when first needed, killed when it takes too much, restarted.

It is asked by a line of JSON and answers with lines of JSON (`hybrid.corpora.extraction.worker`). Threads
would not do: a malicious PDF aborts the whole process, and a thread cannot be stopped.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

from hybrid import threads
from hybrid.corpora.assumed import AssumedEncoding, tell
from hybrid.corpora.extraction import plain
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.files import check_file
from hybrid.corpora.kinds import STREAMED, kind_of
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError, MissingExtra
from hybrid.limits import MAX_FILE, MAX_JSON_LINE, MAX_READING_MEMORY, MAX_READING_SECONDS, named

_MODULE: Final = "hybrid.corpora.extraction.worker"
_PROF: Final = getattr(signal, "SIGPROF", 0)
CLOCK: Final = 5
"""Seconds by the clock for one of the processor's time."""

FULL: Final = 3
"""The status of a process that ran out of memory and could say so."""

_SPARING: Final = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""Libraries reserve no memory that they do not use: what is reserved counts, too."""

_DYING: Final = 10.0  # seconds, for a process that has closed its output
_LOOK: Final = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True)
class Bounds:
    """``seconds`` of the processor's time for each document, ``memory`` of the process in bytes. The
    operating system holds it to that where it can (``rlimit``), and this process looks where psutil is
    installed."""

    seconds: float = MAX_READING_SECONDS
    memory: int = MAX_READING_MEMORY
    rlimit: bool = True


class Extractor:
    """Reads files, one after the other. Usable as a context manager; ``close`` ends the process."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._worker: _Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def read(self, path: Path, within: Path, options: Options) -> Iterator[Extracted]:
        """Read the documents of a file that is in or below the folder ``within``, also after following all
        links. Parts that cannot be read are reported to ``options``. Raises CorpusError for the file as
        a whole, MissingExtra where it needs what is not installed."""
        check(path, within)
        if plain.reads(path, options):
            yield from _each(plain.read(path, options), path)
            return
        worker = self._worker = self._worker or _Worker(self._bounds)
        failure: CorpusError | MissingExtra | None = None
        done = False
        try:
            asked = {"path": str(path), "encoding": options.encoding, "readers": options.readers}
            for answer in worker.ask(asked):
                if "document" in answer:
                    yield Extracted(**answer["document"])
                else:
                    failure = _told(answer, path, options) or failure
            done = True
        finally:
            if not done:  # answers are left that belong to no question any more
                self.close()
        if failure is not None:
            raise failure


def check(path: Path, folder: Path) -> None:
    """Raise CorpusError if a file is outside of ``folder`` (through a link or ``..``) or too large."""
    check_file(path)
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise CorpusError(f"{named(path)}: a link leads out of the folder")
    if kind_of(path) not in STREAMED and (size := path.stat().st_size) > MAX_FILE:
        raise CorpusError(
            f"{named(path)}: {size:,} bytes are more than {MAX_FILE:,}; cut it into several files"
        )


def _each(found: Iterator[Extracted], path: Path) -> Iterator[Extracted]:
    for one in found:
        try:
            made = one.cleaned()
        except BadRecord as error:
            raise CorpusError(f"{named(path)}: {error}") from error
        yield made


def _told(answer: dict[str, Any], path: Path, options: Options) -> CorpusError | MissingExtra | None:
    """Pass on an answer about a part or the encoding; return the error if the whole file is not read."""
    if "skipped" in answer:
        options.report(CorpusError(answer["skipped"]))
    elif "assumed" in answer:
        tell(AssumedEncoding(path, answer["assumed"], answer["doubtful"]), options.assuming)
    elif "missing" in answer:
        return MissingExtra(answer["missing"], name=answer["name"])
    else:
        return CorpusError(answer["failed"])
    return None


class _Worker:
    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._too_large = False
        # -P: a folder that is read may be the working directory, and hold an email.py of its own.
        command = [sys.executable, "-P", "-m", _MODULE, str(bounds.seconds)]
        if bounds.rlimit:
            command.append(str(bounds.memory))
        path = os.pathsep.join(place for place in sys.path if place)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": path} | _SPARING,
        )
        self._watch()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answers up to the last. CorpusError where the process ends before it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        start = time.monotonic()
        with suppress(OSError):  # it has ended already, which is seen below
            self._process.stdin.write(orjson.dumps(question) + b"\n")
            self._process.stdin.flush()
        while line := self._process.stdout.readline(MAX_JSON_LINE):
            if not line.endswith(b"\n"):
                break
            answer: dict[str, Any] = orjson.loads(line)
            if "end" in answer:
                return
            yield answer
            start = time.monotonic()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_DYING)  # or its own status would be lost
        self.end()
        raise CorpusError(f"{named(question['path'])}: {self._cause(time.monotonic() - start)}")

    def _cause(self, took: float) -> str:
        gigabytes = f"{self._bounds.memory / (1 << 30):.1f} GB of memory"
        status = self._process.returncode
        if self._too_large or status == FULL:
            return f"takes more than {gigabytes} to read; is it built to?"
        if status == -_PROF or took >= CLOCK * self._bounds.seconds:
            return f"takes longer than {self._bounds.seconds:g} s to read; is it built to?"
        ended = signal.Signals(-status).name if status < 0 else f"status {status}"
        return f"broken, or takes more than {gigabytes}: reading it ended the process that reads ({ended})"

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was not sent is of no use any more
                    stream.close()
        self._process.wait()

    def _watch(self) -> None:
        if find_spec("psutil") is None:
            return
        psutil = importlib.import_module("psutil")
        watched = psutil.Process(self._process.pid)

        def look() -> None:
            with suppress(psutil.Error):
                while watched.is_running() and self.alive:
                    if watched.memory_info().rss > self._bounds.memory:
                        self._too_large = True
                        self._process.kill()
                    time.sleep(_LOOK)

        threads.start(threading.Thread(target=look, name="hybrid-extraction", daemon=True))
