"""What a target is, and the rule for all: an answer, or one of our errors in one line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import regex
from hypothesis.strategies import SearchStrategy

from hybrid import Document, Index, MemoryIndex
from hybrid.corpora.extraction import Extractor
from hybrid.errors import HybridError
from tests.contracts.index import letters
from tests.fuzzing.apart import Apart

LONGEST_MESSAGE = 2000
DOCUMENTS = [
    Document(
        f"d{i}", f"a kettle of steel 降噪耳机 number {i}", "WH-1000XM5", {"n": i, "o": {"s": f"v{i % 3}"}}
    )
    for i in range(12)
]


class World:
    """What the targets work on: made when first asked for, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def index(self) -> Index:
        made = Index.create(self.folder / "idx", encoder=letters)
        made.add(DOCUMENTS)
        return made

    @cached_property
    def memory(self) -> MemoryIndex:
        made = MemoryIndex(encoder=letters)
        made.add(DOCUMENTS)
        return made

    @cached_property
    def apart(self) -> Apart:
        return Apart()

    @cached_property
    def extractor(self) -> Extractor:
        return Extractor()

    def close(self) -> None:
        if "extractor" in vars(self):
            self.extractor.close()
        if "apart" in vars(self):
            self.apart.close()
        if "index" in vars(self):
            assert self.index.verify() == []
            self.index.close()


@dataclass(frozen=True)
class Target:
    """``check`` raises where an input does what it must not. ``shrinks``: whether a smaller such input is
    looked for; it is not where each costs a process."""

    name: str
    inputs: SearchStrategy[Any]
    check: Callable[[World, Any], None]
    slow: bool = False
    shrinks: bool = True


UNREADABLE = regex.compile(r"[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]")
"""What no message holds: line breaks, what commands a terminal, what cannot be written."""


def outcome(call: Callable[[], Any]) -> tuple[str, Any]:
    """("answer", what was returned) or (the error's name, None); any error that is not ours is raised."""
    try:
        return "answer", call()
    except HybridError as error:
        says = str(error)
        assert says
        assert not UNREADABLE.search(says), f"not one line of readable text: {says!r}"
        assert len(says) < LONGEST_MESSAGE, f"{len(says)} characters: {says[:200]!r}"
        return type(error).__name__, None
