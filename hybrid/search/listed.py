"""Rankings in another order than by score alone: sorted by metadata, grouped by it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hybrid.metadata.columns import Columns
from hybrid.metadata.grouping import groups
from hybrid.metadata.sorting import order
from hybrid.search.request import Request
from hybrid.types import Candidates


@dataclass(frozen=True)
class Listed:
    """What is shown of the documents found: ``ranked``, and how many others each of them stands for."""

    ranked: Candidates
    folded: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Candidates, request: Request, columns: Columns) -> Listed:
        """``found``, best first, as ``request`` wants it sorted and then grouped."""
        if request.sort:
            found = found[order(columns, request.sort, found.ordinals)]
        if request.grouped is None:
            return cls(found)
        first, folded = groups(columns, request.grouped, found.ordinals)
        ranked = found[first]
        return cls(ranked, dict(zip(ranked.ordinals.tolist(), folded.tolist(), strict=True)))
