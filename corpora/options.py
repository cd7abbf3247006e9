"""The options of reading files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from hybrid.corpora.assumed import Assuming
from hybrid.corpora.cells import Type
from hybrid.corpora.encodings import encoding_of
from hybrid.errors import CorpusError

Skipped: TypeAlias = Callable[[CorpusError], object]
"""Called with the error of each record that is left out."""


@dataclass(frozen=True)
class Options:
    """``skipped``, ``encoding``, ``types`` and ``assuming`` as in `hybrid.corpora.read_documents`;
    ``readers`` of other packages (`hybrid.plugins`), by name."""

    skipped: Skipped | None = None
    encoding: str | None = None
    types: Mapping[str, Type] = field(default_factory=dict)
    assuming: Assuming | None = None
    readers: tuple[str, ...] = ()

    def report(self, error: CorpusError) -> None:
        """Pass the error to ``skipped``, or raise it if that is None."""
        if self.skipped is None:
            raise error
        self.skipped(error)

    def encoding_of(self, path: Path, *, guess: bool = True) -> str:
        return encoding_of(path, self.encoding, self.assuming, guess=guess)
