"""Which documents a change is for: some ids, all that pass a filter, or, if said so, everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from hybrid.errors import FilterError
from hybrid.metadata.filters import And, Filter, Ids, Or, parse
from hybrid.texts import check_lookups


@dataclass(frozen=True)
class Selection:
    """The documents that pass ``where``."""

    where: Filter

    @classmethod
    def of(
        cls, act: str, ids: Iterable[str] | None, filter: Mapping[str, Any] | None, everything: bool
    ) -> Self:
        """Raises FilterError unless exactly one of the three says which documents to ``act`` on, and for a
        filter without a condition; DocumentError for what is no list of ids."""
        if (ids is not None) + (filter is not None) + bool(everything) != 1:
            raise FilterError(
                f"{act}: say which documents, in one way: ids=[…], filter={{…}} (it may name ids: "
                '{"_id": {"in": […]}}), or everything=True'
            )
        if ids is not None:
            return cls(Ids(frozenset(check_lookups(ids))))
        where = And(()) if filter is None else parse(filter)
        if filter is not None and _passes_all(where):
            raise FilterError(
                f"{act}: the filter has no condition; write everything=True for all documents"
            )
        return cls(where)


def _passes_all(where: Filter) -> bool:
    """Whether no condition keeps any document from passing."""
    match where:
        case And(parts):
            return all(map(_passes_all, parts))
        case Or(parts):
            return any(map(_passes_all, parts))
    return False
