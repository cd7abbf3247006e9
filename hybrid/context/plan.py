"""The options of a context, checked."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final, Literal, TypeAlias, get_args

from hybrid.context.tokens import Count
from hybrid.errors import QueryError
from hybrid.limits import MAX_CONTEXT, shown

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
        _whole("tokens", self.tokens, 1, MAX_CONTEXT)
        _whole("per_document", self.per_document, 1, _MOST)
        _whole("neighbours", self.neighbours, 0, _MOST)
        if not isinstance(self.order, str) or self.order not in get_args(Order):
            raise QueryError(f'order is {shown(self.order)}; it is "document" or "score"')
        if self.count is not None and not callable(self.count):
            raise QueryError(f"count={shown(self.count)} is not a function from a text to its tokens")
        if self.min_relevance is not None:
            _share("min_relevance", self.min_relevance)

    def check(self, calibrated: bool) -> None:
        """Raises QueryError for a ``min_relevance`` where nothing says how relevant a hit is."""
        if self.min_relevance is not None and not calibrated:
            raise QueryError(
                "min_relevance needs a calibration, and this index has none of the way it ranks now; make "
                "one from judged queries: hybrid calibrate DIR --queries F --qrels F"
            )


def _whole(name: str, value: Any, least: int, most: int) -> None:
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number <= most:
        raise QueryError(f"{name} is {shown(value)}; it must be a whole number from {least} to {most:,}")


def _share(name: str, value: Any) -> None:
    share = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not 0 <= share <= 1:
        raise QueryError(f"{name} is {shown(value)}; it must be a number from 0 to 1")
