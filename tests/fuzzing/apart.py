"""A process of its own for what may end one: native code that is given what it cannot take."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Apart:
    """Calls functions by name, as ``module:function``, with one input each, in a process that lives on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, function: str, input: Any) -> None:
        """AssertionError where the function raises, and where it ends the process."""
        process = self._process = self._process or _started()
        assert process.stdin
        assert process.stdout
        try:
            pickle.dump((function, input), process.stdin)
            process.stdin.flush()
            complaint = pickle.load(process.stdout)
        except (EOFError, BrokenPipeError):
            status = process.wait()
            self.close()
            raise AssertionError(f"{function} ended the process: status {status}") from None
        except BaseException:  # a hang that was broken off
            self.close()
            raise
        if complaint:
            raise AssertionError(complaint)

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.fuzzing.apart"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _named(function: str) -> Callable[[Any], Any]:
    module, _, name = function.partition(":")
    found: Callable[[Any], Any] = getattr(import_module(module), name)
    return found


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # LightGBM writes to it
    while True:
        try:
            function, input = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            _named(function)(input)
            complaint = ""
        except BaseException:
            complaint = traceback.format_exc(limit=-8)
        pickle.dump(complaint, answers)
        answers.flush()


if __name__ == "__main__":
    _serve()
