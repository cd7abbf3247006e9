"""The process that reads files: ``python -m hybrid.corpora.extraction.worker SECONDS [MEMORY]``.

A line of JSON asks, ``{"path": …, "encoding": …, "readers": […]}``; lines of JSON answer: ``document``,
``skipped`` and ``assumed`` while it reads, ``failed`` or ``missing``, and at last ``end``. It ends with its
input.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

import orjson

from hybrid.corpora.assumed import Assumed, AssumedEncoding
from hybrid.corpora.extraction import formats
from hybrid.corpora.extraction.process import CLOCK, FULL
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError, MissingExtra
from hybrid.limits import named, shown

_DEEP: Final = "nested too deep"


def main() -> None:
    seconds, *memory = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that asks, which ends this one
    with suppress(ImportError, OSError, ValueError):  # Windows has no such limit, macOS does not keep it
        import resource

        for bytes in map(int, memory):
            resource.setrlimit(resource.RLIMIT_AS, (bytes, bytes))
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)  # no library prints among the answers
        _Server(answers, float(seconds), nowhere).serve(sys.stdin.buffer)


class _Server:
    def __init__(self, answers: BinaryIO, seconds: float, nowhere: TextIO) -> None:
        self._answers, self._seconds, self._nowhere = answers, seconds, nowhere

    def serve(self, questions: BinaryIO) -> None:
        for line in questions:
            question = orjson.loads(line)
            path = Path(question["path"])
            self._begin()
            try:
                self._read(path, question["encoding"], tuple(question["readers"]))
            except MissingExtra as error:
                self._answer(missing=str(error), name=error.name)
            except CorpusError as error:
                self._answer(failed=str(error))
            except BadRecord as error:
                self._answer(failed=f"{named(path)}: {error}")
            except RecursionError:
                self._answer(failed=f"{named(path)}: {_DEEP}")
            except MemoryError:
                sys.exit(FULL)  # the next file finds a new process, not a full one
            except Exception as error:
                what = f"cannot be read, is it broken? {type(error).__name__}: {shown(str(error))}"
                self._answer(failed=f"{named(path)}: {what}")
            self._answer(end=True)
            self._rest()

    def _read(self, path: Path, encoding: str | None, readers: tuple[str, ...]) -> None:
        def skipped(error: CorpusError) -> None:
            self._answer(skipped=str(error))

        def assumed(found: Assumed) -> None:
            if isinstance(found, AssumedEncoding):
                self._answer(assumed=found.encoding, doubtful=found.doubtful)

        for one in formats.read(path, Options(skipped, encoding, assuming=assumed, readers=readers)):
            self._answer(document=asdict(one.cleaned()))

    def _begin(self) -> None:
        """Have this process end if the next answer takes too long, also in native code that never comes
        back, and when nobody is left to end it. On a busy machine the clock runs faster than the work."""
        if hasattr(signal, "setitimer"):  # it lets SIGPROF end the process
            signal.setitimer(signal.ITIMER_PROF, self._seconds)
        faulthandler.dump_traceback_later(CLOCK * self._seconds, exit=True, file=self._nowhere)

    def _rest(self) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()

    def _answer(self, **answer: Any) -> None:
        self._rest()  # the program that asks may be slow to take it
        self._answers.write(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY) + b"\n")
        self._answers.flush()
        self._begin()


if __name__ == "__main__":
    main()
