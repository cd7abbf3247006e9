"""Assumptions that a reader makes about a file, and how it reports them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from hybrid.limits import named, shown

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AssumedEncoding:
    """A file is not UTF-8 and was read in this encoding; ``doubtful`` if that is a guess."""

    path: Path
    encoding: str
    doubtful: bool

    def to_json(self) -> dict[str, Any]:
        return {"file": str(self.path), "encoding": self.encoding, "doubtful": self.doubtful}

    def __str__(self) -> str:
        doubt = "; that is a guess: check it, or give the encoding" if self.doubtful else ""
        return f"{named(self.path)}: read as {self.encoding}{doubt}"


@dataclass(frozen=True)
class AssumedText:
    """A table's column stays text although all its cells could be read as numbers, because this cell would
    not be written back the way it was."""

    path: Path
    column: str
    line: int
    cell: str

    @property
    def doubtful(self) -> bool:
        return True

    def to_json(self) -> dict[str, Any]:
        return {"file": str(self.path), "column": self.column, "line": self.line, "cell": self.cell}

    def __str__(self) -> str:
        return (
            f"{named(self.path)}:{self.line}: column {shown(self.column)} stays text because of "
            f"{shown(self.cell)}; if it holds numbers, use --types {self.column}=number"
        )


Assumed: TypeAlias = AssumedEncoding | AssumedText
Assuming: TypeAlias = Callable[[Assumed], object]
"""Called with each assumption."""


def tell(found: Assumed, assuming: Assuming | None) -> None:
    """Report to ``assuming``; if that is None, log the assumption if it is doubtful."""
    if assuming is not None:
        assuming(found)
    elif found.doubtful:
        _log.warning("%s", found)
