"""One process of a pool: ``python -m hybrid.pool.worker PARENT THREADS``.

Pickles ask and answer (`hybrid.pool.wire`); the first says what to open. It ends with its input, and
where it is busy then, a second later.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from types import ModuleType
from typing import IO, Final

from hybrid.errors import HybridError, WorkerError
from hybrid.index import Index
from hybrid.limits import brief
from hybrid.pool import wire
from hybrid.search.lanes import InTurn

_LOOK: Final = 1.0  # seconds


def main() -> None:
    parent, threads = map(int, sys.argv[1:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.modules["__main__"] = ModuleType("__main__")  # a program's own `main` is not this one
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing, suppress(OSError):
        os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)  # no library prints among the answers
    threading.Thread(target=_follow, args=[parent], daemon=True).start()
    with suppress(EOFError, OSError):  # the program has gone
        serve(questions, answers, threads)


def _follow(parent: int) -> None:
    """End with the program, also in the middle of a call."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(0)


def serve(questions: IO[bytes], answers: IO[bytes], threads: int) -> None:
    """Answer until the questions end."""
    try:
        index = _opened(wire.receive(questions), threads)
    except Exception as error:
        wire.send(answers, _failed(error))
        return
    wire.send(answers, wire.packed((None, None), "ready"))
    while True:
        wire.send(answers, _answer(index, wire.receive(questions)))


def _opened(question: bytes, threads: int) -> Index:
    """The index, with its encoder ready."""
    path, encoder, analyzer = wire.unpacked(question, "encoder or analyzer")
    index = Index.open(path, encoder=encoder, analyzer=analyzer, read_only=True)
    if threads < 2:
        index._lanes = InTurn()
    with suppress(HybridError), index.searcher() as searcher:  # or whoever needs it gets the error
        _ = searcher.query_vectors
    return index


def _answer(index: Index, question: bytes) -> bytes:
    try:
        function, args, kwargs = wire.unpacked(question, "the call")
        return wire.packed((function(index, *args, **kwargs), None), "the answer")
    except BaseException as error:  # native libraries panic with one
        return _failed(error)


def _failed(error: BaseException) -> bytes:
    """``error`` as an answer. Those that are not of this package tell where they come from."""
    if not isinstance(error, HybridError):
        error.add_note("in a worker process:\n" + "".join(traceback.format_exception(error)))
    try:
        frame = wire.packed((None, error), "the error")
        wire.unpacked(frame, "the error")
        return frame
    except HybridError:
        told = WorkerError(f"{type(error).__name__}: {brief(error)}")
        return wire.packed((None, told), "the error")


if __name__ == "__main__":
    main()
