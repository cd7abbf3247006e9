"""The options of a context, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from hybrid.context.tokens import Count
from hybrid.errors import QueryError
from hybrid.limits import MAX_CONTEXT, shown
from hybrid.numbers import check_share, check_whole
from hybrid.rerank.calibration import uncalibrated

Order: TypeAlias = Literal["document", "score"]

_MOST: Final = 10
"""Passages of a document, and neighbours on each side: a hit has no more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a context is made; see ``Index.context``. Raises QueryError for what cannot be."""

    tokens: int = 2000
    per_document: int = 3
    neighbours: int = 1
    order: Order = "document"
    min_relevance: float | None = None
    count: Count | None = None

    def __post_init__(self) -> None:
        check_whole("tokens", self.tokens, 1, MAX_CONTEXT)
        check_whole("per_document", self.per_document, 1, _MOST)
        check_whole("neighbours", self.neighbours, 0, _MOST)
        if not isinstance(self.order, str) or self.order not in get_args(Order):
            raise QueryError(f'order is {shown(self.order)}; it is "document" or "score"')
        if self.count is not None and not callable(self.count):
            raise QueryError(f"count={shown(self.count)} is not a function from a text to its tokens")
        if self.min_relevance is not None:
            check_share("min_relevance", self.min_relevance)

    def check(self, calibrated: bool) -> None:
        """Raises QueryError for a ``min_relevance`` where nothing says how relevant a hit is."""
        if self.min_relevance is not None and not calibrated:
            raise uncalibrated("min_relevance")
