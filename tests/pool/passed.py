"""What the tests pass to workers: pickled by name, so it stands in a module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from hybrid import Candidates, Index
from hybrid.errors import MissingExtra
from hybrid.types import Matrix
from tests.contracts.index import letters


class Letters:
    """The encoder `letters`."""

    id, dim = "letters", 32

    def documents(self, texts: Sequence[str]) -> Matrix:
        return letters(list(texts))

    queries = documents


class Backwards:
    """A fusion: the lexical leg, last first."""

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        ordinals = legs[0].ordinals[::-1]
        return Candidates(ordinals, legs[0].scores[: len(ordinals)])[:limit]


class Stubborn(Exception):
    """Cannot be unpickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one)


def pid(_: Index) -> int:
    return os.getpid()


def wait(_: Index, seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def die(_: Index) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(_: Index, marker: Path) -> int:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def hang_once(_: Index, marker: Path) -> int:
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return os.getpid()


def printed(_: Index) -> str:
    os.write(1, b"among the answers?\n")
    return input()


def fail(_: Index, kind: str) -> NoReturn:
    errors = {
        "ours": MissingExtra("lacks a thing; run: pip install it", name="thing"),
        "theirs": KeyError("theirs"),
        "stubborn": Stubborn("one", "two"),
        "exit": SystemExit(3),
    }
    raise errors[kind]


def unpicklable(_: Index) -> Any:
    return lambda: None


def rendered(index: Index, query: str) -> tuple[str, int, str | None]:
    """What a server may want of a result at once."""
    found = index.search(query)
    lights = found.hits[0].highlights
    assert lights is not None
    suggestion = found.suggestion
    return lights.snippet.html(), found.total, None if suggestion is None else suggestion.query
