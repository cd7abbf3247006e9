"""What `hybrid.metadata.facets` says, from the textbook: document by document, in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hybrid.metadata.facets import Count, Extent, Facet, Interval, Ranges, Terms
from hybrid.metadata.filters import Value, flatten
from hybrid.metadata.values import KINDS, iso


def facets(documents: Sequence[Mapping[str, Any]], wanted: Iterable[Terms | Ranges]) -> dict[str, Facet]:
    """As ``hybrid.metadata.facets.facets``, of the metadata of some documents."""
    return {
        one.path: _facet([_values(document, one.path) for document in documents], one) for one in wanted
    }


def _facet(held: list[set[Value]], wanted: Terms | Ranges) -> Facet:
    if isinstance(wanted, Ranges):
        kind = wanted.limits()[0]
        held = [{value for value in values if value[0] == kind} for values in held]
        counts = _intervals(held, wanted)
    else:
        found = Counter(value for values in held for value in values)
        order = sorted(found, key=lambda value: (-found[value], _order(value)))[: wanted.top]
        counts = [Count(_readable(value), found[value]) for value in order]
    distinct = len({value for values in held for value in values})
    return Facet(wanted.path, tuple(counts), distinct, sum(not values for values in held), len(held))


def _intervals(held: list[set[Value]], wanted: Ranges) -> list[Count]:
    kind, limits = wanted.limits()
    edges = [None, *limits, None]
    counts = []
    for lower, upper in pairwise(edges):
        inside = sum(
            any(
                (lower is None or value >= lower) and (upper is None or value < upper)
                for _, value in values
            )
            for values in held
        )
        shown = (None if edge is None else _readable((kind, edge)) for edge in (lower, upper))
        counts.append(Count(Interval(*shown), inside))
    return counts


def listed(documents: Iterable[Mapping[str, Any]], path: str, limit: int) -> list[Any]:
    """As ``hybrid.metadata.facets.listed``."""
    found = {value for document in documents for value in _values(document, path)}
    return [_readable(value) for value in sorted(found, key=_order)[:limit]]


def extent(documents: Sequence[Mapping[str, Any]], path: str) -> Extent | None:
    """As ``hybrid.metadata.facets.extent``."""
    for wanted in ("number", "instant"):
        found = [value for document in documents for value in _values(document, path) if value[0] == wanted]
        if found:
            return Extent(_readable(min(found, key=_order)), _readable(max(found, key=_order)))
    return None


def _values(metadata: Mapping[str, Any], path: str) -> set[Value]:
    return {value for own, value in flatten(metadata) if own == path and value[0] != "point"}


def _order(value: Value) -> tuple[int, Any]:
    return KINDS.index(value[0]), value[1]


def _readable(value: Value) -> Any:
    return iso(value[1]) if value[0] == "instant" else value[1]
