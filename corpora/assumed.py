"""What a reader assumed of a file that does not say it, and whom it tells."""

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
    """A file is not UTF-8 and was read in this encoding; ``doubtful`` where that is a guess."""

    path: Path
    encoding: str
    doubtful: bool

    def to_json(self) -> dict[str, Any]:
        return {"file": str(self.path), "encoding": self.encoding, "doubtful": self.doubtful}

    def __str__(self) -> str:
        doubt = "; that is a guess: check it, or say the encoding" if self.doubtful else ""
        return f"{named(self.path)}: read as {self.encoding}{doubt}"


@dataclass(frozen=True)
class AssumedText:
    """A table's column stays text although all of it could be read as numbers: this cell would not come
    back as it was written."""

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
            f"{shown(self.cell)}; if it holds numbers, say so: --types {self.column}=number"
        )


Assumed: TypeAlias = AssumedEncoding | AssumedText
Assuming: TypeAlias = Callable[[Assumed], object]
"""Is told of each."""


def tell(found: Assumed, assuming: Assuming | None) -> None:
    """Tell ``assuming``; where nobody listens, a doubt is logged."""
    if assuming is not None:
        assuming(found)
    elif found.doubtful:
        _log.warning("%s", found)
