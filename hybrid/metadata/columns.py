"""The metadata of all documents as numpy columns, and filters evaluated over them.

One column per path and type holds parallel entries (ordinal, value), ascending by ordinal; a list has
several entries of one ordinal, an absent key none. So there is no schema, and a filter's cost is that
of the columns it names.

One thread appends, any number read, without a lock: arrays are replaced, never resized, and an entry is
written before the length that includes it. A reader asks for ordinals below the ``n`` of its snapshot,
which is a prefix of every column, whatever is appended meanwhile.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice, repeat
from typing import Any, Final, Literal, Self, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from hybrid.metadata.filters import (
    COMPARE,
    EARTH_KM,
    SLACK_KM,
    And,
    Bound,
    Condition,
    Exists,
    Filter,
    Ids,
    In,
    Near,
    Not,
    Or,
    Point,
    Range,
    flatten,
)
from hybrid.types import Mask, Ordinals

Storage: TypeAlias = Literal["bool", "int", "huge", "float", "string", "instant", "point"]
Key: TypeAlias = tuple[str, Storage]
Test: TypeAlias = Callable[[NDArray[Any]], Mask]
Places: TypeAlias = Callable[[frozenset[str]], Ordinals]
"""Of some ids, the ordinals of the documents that have them."""
_Entries: TypeAlias = tuple[list[int], list[Any]]
"""Ordinals and values, on their way into a column."""

_Codes: TypeAlias = dict[str, int]
"""The distinct strings of a path, in the order of their codes 0, 1, 2, ..."""

_BATCH: Final = 8192
_INT64: Final = np.iinfo(np.int64)

_DTYPES: Final[Mapping[Storage, np.dtype[Any]]] = {
    "bool": np.dtype(np.bool_),
    "int": np.dtype(np.int64),
    "huge": np.dtype(np.object_),  # integers beyond int64
    "float": np.dtype(np.float64),
    "string": np.dtype(np.int32),  # codes: places in the path's dictionary
    "instant": np.dtype(np.int64),
    "point": np.dtype((np.float64, 2)),
}


_NUMBERS: Final[tuple[Storage, ...]] = ("float", "int", "bool", "instant")


class Columns:
    """Metadata by ordinal. Values are JSON; numbers that are not finite were refused at the door."""

    def __init__(self) -> None:
        self._columns: dict[Key, _Column] = {}
        self._codes: dict[str, _Codes] = {}

    def append(self, ordinal: int, metadata: Mapping[str, Any]) -> None:
        """Add a document. Ordinals ascend from call to call and need not be dense."""
        self.extend([(ordinal, metadata)])

    def extend(self, documents: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Add documents, (ordinal, metadata) each; in bulk several times faster than one by one."""
        left = iter(documents)
        while batch := list(islice(left, _BATCH)):
            staged: dict[Key, _Entries] = defaultdict(lambda: ([], []))
            for ordinal, metadata in batch:
                _stage(ordinal, metadata, staged)
            for key, entries in staged.items():
                self._extend(key, *entries)

    def parts(self) -> tuple[list[Key], dict[str, list[str]], list[NDArray[Any]]]:
        """All that is here: which columns, the strings of each path in the order of their codes, and the
        ordinals (n,) and then the values (n,) of each column."""
        columns = dict(self._columns)
        codes = {path: list(known) for path, known in self._codes.items()}
        arrays = [array for column in columns.values() for array in column.entries]
        return list(columns), codes, arrays

    @classmethod
    def of(
        cls, keys: Sequence[Key], codes: Mapping[str, list[str]], arrays: Sequence[NDArray[Any]]
    ) -> Self:
        """The columns that ``parts`` took apart."""
        made = cls()
        made._codes = {
            path: {text: code for code, text in enumerate(texts)} for path, texts in codes.items()
        }
        for key, ordinals, values in zip(keys, arrays[::2], arrays[1::2], strict=True):
            made._columns[key] = _Column(_DTYPES[key[1]])
            made._columns[key].extend(ordinals, values)
        return made

    def _extend(self, key: Key, ordinals: list[int], values: list[Any]) -> None:
        path, store = key
        if store == "string":
            codes = self._codes.setdefault(path, {})
            values = [codes.setdefault(text, len(codes)) for text in values]
        if key not in self._columns:
            self._columns[key] = _Column(_DTYPES[store])
        self._columns[key].extend(ordinals, values)

    def mask(self, wanted: Filter, n: int, places: Places = lambda _: np.empty(0, np.int64)) -> Mask:
        """Which of the ordinals below ``n`` pass: bool (n,). An ordinal that was never appended is a
        document without metadata. ``places`` knows their ids, of which nothing is here."""
        match wanted:
            case And(parts):
                masks = (self.mask(part, n, places) for part in parts)
                return reduce(np.logical_and, masks, np.ones(n, np.bool_))
            case Or(parts):
                masks = (self.mask(part, n, places) for part in parts)
                return reduce(np.logical_or, masks, np.zeros(n, np.bool_))
            case Not(part):
                return ~self.mask(part, n, places)
            case Ids(ids):
                passed = np.zeros(n, np.bool_)
                passed[places(ids)] = True
                return passed
            case _:
                return self._condition(wanted, n)

    def numbers(self, path: str, ordinals: Ordinals) -> NDArray[np.float32]:
        """The number, truth or instant (seconds since 1970) that each of ``ordinals`` has under ``path``,
        float32 (n,), the largest of a list; NaN where there is none."""
        found = np.full(len(ordinals), np.nan, np.float32)
        for store in _NUMBERS:
            if column := self._columns.get((path, store)):
                column.read(ordinals, found, 1e-6 if store == "instant" else 1)
        return found

    def entries(self, path: str, n: int) -> Iterator[tuple[Storage, Ordinals, NDArray[Any]]]:
        """What stands under exactly ``path``: for each store the ordinals below ``n``, ascending, and their
        values; strings as places in ``texts``."""
        for store in _DTYPES:
            if column := self._columns.get((path, store)):
                ordinals, values = column.entries
                below = int(np.searchsorted(ordinals, n))
                yield store, ordinals[:below], values[:below]

    def texts(self, path: str) -> list[str]:
        """The distinct strings under ``path``; ask after ``entries``, which may be of new ones."""
        return list(self._codes.get(path, ()))

    def _condition(self, wanted: Condition, n: int) -> Mask:
        passed = np.zeros(n, np.bool_)
        if isinstance(wanted, Exists):
            for key in list(self._columns):  # a copy, at once: a writer may add columns meanwhile
                if f"{key[0]}.".startswith(f"{wanted.path}."):
                    self._columns[key].mark(_present, passed)
            return passed
        for store, test in _tests(wanted, self._codes.get(wanted.path, {})):
            if column := self._columns.get((wanted.path, store)):
                column.mark(test, passed)
        return passed


def _stage(ordinal: int, metadata: Mapping[str, Any], staged: Mapping[Key, _Entries]) -> None:
    """Sort a document's values by path and store."""
    for path, (kind, value) in flatten(metadata):
        ordinals, values = staged[path, _number_storage(value) if kind == "number" else kind]
        ordinals.append(ordinal)
        values.append(value)


class _Column:
    """Parallel entries, ascending by ordinal; see the module about threads."""

    __slots__ = ("_arrays", "_length", "_repeats")

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._arrays: tuple[Ordinals, NDArray[Any]] = (np.empty(0, np.int64), np.empty(0, dtype))
        self._length = 0
        self._repeats = False

    @property
    def entries(self) -> tuple[Ordinals, NDArray[Any]]:
        length = self._length
        return self._arrays[0][:length], self._arrays[1][:length]

    def extend(self, ordinals: Sequence[int] | Ordinals, values: Sequence[Any] | NDArray[Any]) -> None:
        start, end = self._length, self._length + len(ordinals)
        if end > len(self._arrays[0]):
            self._arrays = (_grown(self._arrays[0], end), _grown(self._arrays[1], end))
        self._arrays[0][start:end] = ordinals
        self._arrays[1][start:end] = values
        seam = self._arrays[0][max(0, start - 1) : end]
        self._repeats |= bool((seam[1:] == seam[:-1]).any())
        self._length = end

    def mark(self, test: Test, passed: Mask) -> None:
        """Set ``passed`` (n,) at the ordinals below n that have a value which passes the test."""
        ordinals, values = self.entries  # what is appended from here on is not below n
        below = int(np.searchsorted(ordinals, len(passed)))
        hit = test(values[:below])
        if below == len(passed) and not self._repeats:  # ordinals are 0 .. n-1
            passed |= hit
        else:
            passed[ordinals[:below][hit]] = True

    def read(self, ordinals: Ordinals, found: NDArray[np.float32], scale: float) -> None:
        """Set ``found`` where an ordinal has a value here, to ``scale`` times it."""
        own, values = self.entries
        starts, ends = (np.searchsorted(own, ordinals, side) for side in ("left", "right"))
        for row in np.flatnonzero(starts < ends):
            found[row] = values[starts[row] : ends[row]].max() * scale


def _grown(array: NDArray[Any], least: int) -> NDArray[Any]:
    larger = np.empty((max(least, 2 * len(array)), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger


def _number_storage(value: float) -> Storage:
    if isinstance(value, float):
        return "float"
    return "int" if _INT64.min <= value <= _INT64.max else "huge"


# --- what a condition asks of which stores -----------------------------------------------------------


def _tests(wanted: In | Range | Near, codes: _Codes) -> Iterator[tuple[Storage, Test]]:
    match wanted:
        case In():
            yield from _equalities(wanted, codes)
        case Range():
            yield from _ranges(wanted, codes)
        case Near():
            yield "point", lambda points: _within(points, wanted.center, wanted.km + SLACK_KM)
        case _:
            assert_never(wanted)


def _present(values: NDArray[Any]) -> Mask:
    return np.ones(len(values), np.bool_)


def _equalities(wanted: In, codes: _Codes) -> Iterator[tuple[Storage, Test]]:
    stored: dict[Storage, list[Any]] = defaultdict(list)
    for kind, value in wanted.values:
        if kind == "number":
            for number in _spellings(value):
                stored[_number_storage(number)].append(number)
        elif kind != "string":
            stored[kind].append(value)
        elif value in codes:
            stored[kind].append(codes[value])
    for store, values in stored.items():
        yield store, _one_of(values) if store != "string" else _one_code_of(values, len(codes))


def _spellings(number: float) -> Iterator[float]:
    """The integer and the float that equal ``number``, where there are such."""
    if number == math.floor(number):
        yield math.floor(number)
    nearest = _nearest_float(number)
    if nearest == number:
        yield nearest


def _one_of(wanted: list[Any]) -> Test:
    if len(wanted) == 1:
        return lambda values: values == wanted[0]
    return lambda values: np.isin(values, np.array(wanted, values.dtype))


def _one_code_of(wanted: list[int], known: int) -> Test:
    """``_one_of`` for small dense integers: a look-up in a table of bool (known,), 5 times faster."""
    if len(wanted) == 1:
        return _one_of(wanted)
    table = np.zeros(known, np.bool_)
    table[wanted] = True
    return lambda values: table[values]


def _ranges(wanted: Range, codes: _Codes) -> Iterator[tuple[Storage, Test]]:
    if wanted.kind == "string":
        yield "string", _text_keeps(wanted, list(codes))
        return
    whole = _keeps([_whole(bound, limit) for bound, limit in wanted.bounds])
    if wanted.kind == "instant":
        yield "instant", whole
        return
    yield "int", whole
    yield "huge", whole
    yield "float", _keeps([_floating(bound, limit) for bound, limit in wanted.bounds])


def _text_keeps(wanted: Range, texts: list[str]) -> Test:
    inside = [map(COMPARE[bound], texts, repeat(limit)) for bound, limit in wanted.bounds]
    table = reduce(np.logical_and, (np.fromiter(kept, np.bool_, len(texts)) for kept in inside))
    return lambda values: table[values]


def _keeps(bounds: list[tuple[Bound, Any]]) -> Test:
    return lambda values: reduce(np.logical_and, [COMPARE[bound](values, limit) for bound, limit in bounds])


def _whole(bound: Bound, limit: float) -> tuple[Bound, int]:
    """The bound that is the same to integers, with an integer limit: numpy would turn both to float."""
    if bound in ("gte", "lt"):
        return bound, math.ceil(limit)
    return bound, math.floor(limit)


def _floating(bound: Bound, limit: float) -> tuple[Bound, float]:
    """The bound that is the same to floats, with a float limit; an integer may lie between two floats."""
    nearest = _nearest_float(limit)
    if nearest == limit:
        return bound, nearest
    if bound in ("gt", "gte"):
        return "gte" if nearest > limit else "gt", nearest
    return "lte" if nearest < limit else "lt", nearest


def _nearest_float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _within(points: NDArray[np.float64], center: Point, km: float) -> Mask:
    """``distance(center, point) <= km`` of every row (lat, lon): the rows in the band of latitudes first,
    which costs a twentieth."""
    close = np.abs(points[:, 0] - center.lat) <= math.degrees(km / EARTH_KM) + 1e-9
    lat, lon = np.radians(points[close]).T
    half_lat, half_lon = (lat - math.radians(center.lat)) / 2, (lon - math.radians(center.lon)) / 2
    cosines = np.cos(lat) * math.cos(math.radians(center.lat))
    haversine = np.sin(half_lat) ** 2 + cosines * np.sin(half_lon) ** 2
    close[close] = 2 * EARTH_KM * np.arcsin(np.minimum(1, np.sqrt(haversine))) <= km
    return close
