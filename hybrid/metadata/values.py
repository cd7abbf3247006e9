"""The values that some documents have under a path, in ascending order: what is counted, listed and
sorted by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.metadata.columns import Columns, Storage
from hybrid.metadata.filters import Kind
from hybrid.order import firsts
from hybrid.types import Mask, Ordinals

KINDS: Final[tuple[Kind, ...]] = ("bool", "number", "instant", "string")
"""The types that have an order among themselves, and theirs among each other."""

_KIND: Final[dict[Storage, Kind]] = {
    "bool": "bool",
    "int": "number",
    "huge": "number",
    "float": "number",
    "instant": "instant",
    "string": "string",
}
_Part = tuple[Ordinals, NDArray[Any]]


@dataclass(frozen=True)
class Values:
    """Which documents have which values: ``owners`` and ``codes``, int64 (n,) each, every pair once. The
    value of a code is ``distinct[code]``; these ascend within their kind, and the kinds follow each other
    as in KINDS, each up to its code in ``ends``."""

    owners: Ordinals
    codes: NDArray[np.int64]
    distinct: list[Any]
    ends: dict[Kind, int]

    def kind(self, code: int) -> Kind:
        return next(kind for kind in KINDS if code < self.ends[kind])

    def readable(self, code: int) -> Any:
        """A value as metadata and filters have it; an instant as ISO-8601."""
        value = self.distinct[code]
        return iso(value) if self.kind(code) == "instant" else value

    def within(self, kind: Kind) -> tuple[int, int]:
        """The codes of a kind: from the first up to, but not including, the second."""
        place = KINDS.index(kind)
        return self.ends[KINDS[place - 1]] if place else 0, self.ends[kind]


def values(columns: Columns, path: str, mask: Mask) -> Values:
    """The values under exactly ``path`` of the documents in ``mask``, bool (n,) over ordinals. Geo points
    are left out: they have no order (their two numbers are values like others)."""
    found: dict[Kind, list[_Part]] = defaultdict(list)
    for store, ordinals, entries in columns.entries(path, len(mask)):
        if store in _KIND:
            kept = mask[ordinals]
            found[_KIND[store]].append((ordinals[kept], entries[kept]))
    owners, codes, distinct, ends = [], [], list[Any](), dict[Kind, int]()
    for kind in KINDS:
        parts = found[kind]
        coded, own = _texts(parts, columns.texts(path)) if kind == "string" else _coded(parts)
        owners += [part for part, _ in parts]
        codes += [part + len(distinct) for part in coded]
        distinct += own
        ends[kind] = len(distinct)
    return Values(*pairs(_joined(owners), _joined(codes), len(distinct)), distinct, ends)


def pairs(owners: Ordinals, codes: NDArray[np.int64], known: int) -> tuple[Ordinals, NDArray[np.int64]]:
    """Each pair of an owner and a code below ``known`` once, by owner."""
    if (owners[1:] > owners[:-1]).all():
        return owners, codes
    both = np.sort(owners * max(known, 1) + codes, kind="stable")  # mostly they are in order
    both = both[firsts(both)]
    return both // max(known, 1), both % max(known, 1)


def _coded(parts: Sequence[_Part]) -> tuple[list[NDArray[np.int64]], list[Any]]:
    """The values of each part as places among all distinct ones, which ascend."""
    looked = [_unique(entries) for _, entries in parts]
    known = [unique.tolist() for unique, _ in looked]
    if len(known) == 1:
        return [looked[0][1]], known[0]
    # Integers first: of 9 and 9.0, which are one value, it is 9 that is shown.
    everyone = sorted(dict.fromkeys(sorted((v for own in known for v in own), key=_is_float)))
    place = {value: code for code, value in enumerate(everyone)}
    codes = [np.array([place[value] for value in own], np.int64) for own in known]
    return [own[inverse] for own, (_, inverse) in zip(codes, looked, strict=True)], everyone


def _is_float(value: Any) -> bool:
    return isinstance(value, float)


def _texts(parts: Sequence[_Part], texts: Sequence[str]) -> tuple[list[NDArray[np.int64]], list[str]]:
    """The same of strings, which are stored as places in ``texts``."""
    if not parts:
        return [], []
    unique, inverse = _unique(parts[0][1])
    own = [texts[code] for code in unique.tolist()]
    order = sorted(range(len(own)), key=own.__getitem__)
    codes = np.empty(len(own), np.int64)
    codes[order] = np.arange(len(own))
    return [codes[inverse]], [own[place] for place in order]


def _unique(entries: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct entries, ascending, and for each entry which it is. Integers that lie close together
    need no sorting, which takes ten times as long."""
    if entries.dtype.kind in "bi" and len(entries):
        least, largest = int(entries.min()), int(entries.max())
        if largest - least <= len(entries):
            shifted = entries.astype(np.int64) - least
            there = np.bincount(shifted) > 0
            return (np.flatnonzero(there) + least).astype(entries.dtype), (there.cumsum() - 1)[shifted]
    unique, inverse = np.unique(entries, return_inverse=True)
    return unique, inverse


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *parts])


_EPOCH: Final = datetime(1970, 1, 1)
_EDGE: Final = timedelta(hours=23, minutes=59)


def iso(instant: int) -> str:
    """Microseconds since 1970 as ISO-8601 that a filter takes: a date alone where it is midnight, UTC."""
    time = timedelta(microseconds=instant)
    for offset in (timedelta(0), _EDGE, -_EDGE):  # at the ends of the calendar UTC may lie beyond
        try:
            local = _EPOCH + (time + offset)
        except OverflowError:
            continue
        break
    if not offset and not (local.hour or local.minute or local.second or local.microsecond):
        return local.date().isoformat()
    return local.replace(tzinfo=timezone(offset) if offset else UTC).isoformat()
