"""Facets: how documents divide by what their metadata holds. Exact, over any set of documents.

    Terms("brand")                            the most frequent values, with counts
    Ranges("price", (100, 500))               below 100, from 100 to below 500, 500 and above
    Ranges("date", ("2024-01", "2025-01"))    the same of instants

A path and its values are what they are to a filter (`hybrid.metadata.filters`): 9 is 9.0 and true is not 1,
a date is an instant, null is no value. A document counts once for each distinct value or range that it has,
so those with lists count in several, and counts may sum to more than the documents. Geo points and objects
are not counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from hybrid.errors import FilterError
from hybrid.limits import MAX_FACETS, MAX_LISTED, shown
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import Kind, typed
from hybrid.metadata.values import Values, iso, pairs, values
from hybrid.numbers import check_whole
from hybrid.order import firsts
from hybrid.types import Mask

TOP: Final = 10
VALUES: Final = 1_000
"""How many values are listed unless more are asked for."""


@dataclass(frozen=True)
class Terms:
    """The ``top`` most frequent values under ``path``; equally frequent ones ascend: booleans, numbers,
    instants, strings by code point."""

    path: str
    top: int = TOP

    def __post_init__(self) -> None:
        check_path(self.path)
        check_most("top", self.top)


@dataclass(frozen=True)
class Ranges:
    """The ranges between ``edges``, which ascend: numbers, or ISO-8601 dates and times. n edges make n + 1
    ranges, since what lies below the first and from the last on counts too; each begins at its lower edge
    and ends before its upper one."""

    path: str
    edges: Sequence[float | str]

    def __post_init__(self) -> None:
        check_path(self.path)
        self.limits()

    def limits(self) -> tuple[Kind, list[Any]]:
        """The type of the edges, and their values. Raises FilterError."""
        if not isinstance(self.edges, (list, tuple)) or not 0 < len(self.edges) <= MAX_LISTED:
            raise FilterError(f"facet {shown(self.path)}: edges are a list of 1 to {MAX_LISTED:,} values")
        found = [self._edge(edge) for edge in self.edges]
        kinds, limits = {kind for kind, _ in found}, [value for _, value in found]
        if len(kinds) > 1 or any(a >= b for a, b in pairwise(limits)):
            raise FilterError(
                f"facet {shown(self.path)}: edges must ascend, numbers or dates, not {shown(self.edges)}"
            )
        return kinds.pop(), limits

    def _edge(self, edge: Any) -> tuple[Kind, Any]:
        number = isinstance(edge, (int, float)) and edge == edge and abs(edge) != float("inf")
        kind, value = typed(edge) if number or isinstance(edge, str) else ("string", edge)
        if kind not in ("number", "instant"):
            raise FilterError(
                f"facet {shown(self.path)}: an edge is a number or a date such as 2024-05-31, not "
                f"{shown(edge)}"
            )
        return kind, value


Wanted: TypeAlias = str | Terms | Ranges
"""A path alone stands for its Terms."""


class Interval(NamedTuple):
    """From ``lower`` on, below ``upper``; None where it is open."""

    lower: Any
    upper: Any


class Count(NamedTuple):
    """A value, or an Interval, and how many documents have it."""

    value: Any
    documents: int


@dataclass(frozen=True)
class Facet:
    """How ``documents`` documents divide under ``path``. ``missing`` of them have no value there (for
    Ranges: none of the edges' type). Of the ``distinct`` values only the first are among the ``counts`` of
    Terms."""

    path: str
    counts: tuple[Count, ...]
    distinct: int
    missing: int
    documents: int


class Extent(NamedTuple):
    """The least and the largest value."""

    least: Any
    largest: Any


def check_wanted(wanted: Iterable[Wanted]) -> list[Terms | Ranges]:
    """The facets asked for, of different paths. Raises FilterError."""
    if isinstance(wanted, (str, Terms, Ranges, Mapping)) or not isinstance(wanted, Iterable):
        raise FilterError(f"facets takes a list of paths, Terms and Ranges; write [{shown(wanted)}]")
    found = [Terms(one) if isinstance(one, str) else one for one in wanted]
    for place, one in enumerate(found):
        if not isinstance(one, (Terms, Ranges)):
            raise FilterError(f"facet {place}: a path, Terms or Ranges, not {shown(one)}")
        if any(one.path == earlier.path for earlier in found[:place]):
            raise FilterError(
                f"facet {place}: {shown(one.path)} is asked for twice; give each a call of its own"
            )
        if place >= MAX_FACETS:
            raise FilterError(f"more than {MAX_FACETS} facets; ask for them by turns")
    return found


def facets(columns: Columns, wanted: Sequence[Terms | Ranges], mask: Mask) -> dict[str, Facet]:
    """What the documents in ``mask``, bool (n,) over ordinals, have under each path."""
    return {one.path: _facet(values(columns, one.path, mask), one, mask) for one in wanted}


def _facet(known: Values, wanted: Terms | Ranges, mask: Mask) -> Facet:
    documents = int(np.count_nonzero(mask))
    if isinstance(wanted, Ranges):
        counts, distinct, having = _intervals(known, *wanted.limits())
    else:
        counts, distinct = _most_frequent(known, wanted.top), len(known.distinct)
        having = int(firsts(known.owners).sum())
    return Facet(wanted.path, counts, distinct, documents - having, documents)


def _most_frequent(known: Values, top: int) -> tuple[Count, ...]:
    found = np.bincount(known.codes, minlength=len(known.distinct))
    order = np.argsort(-found, kind="stable")[:top].tolist()
    return tuple(Count(known.readable(code), int(found[code])) for code in order)


def _intervals(known: Values, kind: Kind, limits: list[Any]) -> tuple[tuple[Count, ...], int, int]:
    """The counts, the number of distinct values of the ``kind``, and of documents that have any."""
    start, end = known.within(kind)
    own = (known.codes >= start) & (known.codes < end)
    places = [bisect_left(known.distinct, limit, start, end) for limit in limits]
    interval = np.searchsorted(places, known.codes[own], "right")
    owners, intervals = pairs(known.owners[own], interval, len(limits) + 1)
    found = np.bincount(intervals, minlength=len(limits) + 1).tolist()
    edges = [None, *(iso(limit) if kind == "instant" else limit for limit in limits), None]
    bounds = zip(pairwise(edges), found, strict=True)
    counts = (Count(Interval(*pair), documents) for pair, documents in bounds)
    return tuple(counts), end - start, int(firsts(owners).sum())


def listed(columns: Columns, path: str, mask: Mask, limit: int) -> list[Any]:
    """The first ``limit`` distinct values under ``path``: booleans, numbers, instants, strings, each
    ascending."""
    known = values(columns, path, mask)
    return [known.readable(code) for code in range(min(limit, len(known.distinct)))]


def extent(columns: Columns, path: str, mask: Mask) -> Extent | None:
    """The least and the largest number under ``path``; where there is no number, instant; or None."""
    known = values(columns, path, mask)
    kinds: tuple[Kind, Kind] = ("number", "instant")
    for start, end in map(known.within, kinds):
        if start < end:
            return Extent(known.readable(start), known.readable(end - 1))
    return None


def check_most(name: str, most: object) -> int:
    """How many values are asked for. Raises FilterError."""
    return check_whole(name, most, 1, MAX_LISTED, FilterError)


def check_path(path: object) -> str:
    """Raises FilterError."""
    if not isinstance(path, str):
        raise FilterError(f"a path is a key of the metadata, a str, not {shown(path)}")
    return path
