"""Filters over metadata and ids: what they are, what they mean, and how their JSON form is read.

The forms, PATH being a key of the metadata (``author.name`` reaches into an object):

    {PATH: value}                                equal to a string, number or boolean
    {PATH: {"in": [value, ...]}}                 equal to one of them
    {PATH: {"gt" | "gte" | "lt" | "lte": value}} a range; one value must keep all bounds
    {PATH: {"near": [lat, lon], "km": 5}}        within a great-circle distance, degrees and kilometres
    {PATH: {"exists": true | false}}             has a value, or an object that holds one
    {"_id": id}, {"_id": {"in": [id, ...]}}      the document of that id, those of some ids
    {"and": [filter, ...]}, {"or": [filter, ...]}, {"not": filter}
    {..., ...}                                   several keys: all must hold; {} passes everything

What a value is:

- A list has many values, and a condition holds if any of them meets it. Lists and objects nest; a dot
  in a key and a key in a nested object are the same path.
- Numbers compare exactly, whatever their size: 9 is 9.0, 2**53 + 1 is not 2.0**53. true is not 1.
- A string in a form of ISO-8601 is an instant, to the microsecond: it compares with other instants by time.
  ``2024-05-01``, ``20240501``, ``2024-W18-3``; with a time ``2024-05-01T10:00:00.5+08:00``, ``+0800`` or
  ``Z``; with a space or another sign for the T. A date is its midnight, a month (``2024-05``) that of its
  first day; without an offset it is UTC.
- Any other string compares by code point. Values of different types never meet. A bound that looks like a
  date and is none (``2024-02-30``, ``1/5/2024``) is refused: it would meet no date.
- ``[lat, lon]`` or ``{"lat": ..., "lon": ...}`` (or ``"lng"``), in degrees, is a geo point, besides being
  two numbers.
- null, [] and {} are no values: as if the key were absent.

``and``, ``or``, ``not`` and ``_id`` are taken: metadata keys of these names cannot be filtered on. How deep
a filter may nest and how much it may hold is said in `hybrid.limits`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from hybrid.errors import FilterError
from hybrid.limits import MAX_CONDITIONS, MAX_FILTER_DEPTH, MAX_FILTER_VALUES, shown

ID: Final = "_id"
"""The key that stands for a document's id, as in an export."""

TAKEN: Final = frozenset(("and", "or", "not", ID))
"""Keys of a filter that are no paths."""

EARTH_KM: Final = 6371.0088
"""The mean radius of the Earth (IUGG)."""

SLACK_KM: Final = 1e-6
"""A millimetre, added to every ``km``: rounding puts a pole some nanometres away from itself."""

Kind: TypeAlias = Literal["bool", "number", "string", "instant", "point"]
Value: TypeAlias = tuple[Kind, Any]
"""A metadata value with its type; an instant is in microseconds since 1970."""

Bound: TypeAlias = Literal["gt", "gte", "lt", "lte"]

COMPARE: Final[Mapping[Bound, Callable[[Any, Any], Any]]] = MappingProxyType(
    {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
)


class Point(NamedTuple):
    """A place on the globe, in degrees."""

    lat: float
    lon: float


# --- what metadata holds -----------------------------------------------------------------------------


def flatten(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Every value of a metadata object with its path, in no particular order."""
    left = list(metadata.items())
    while left:
        path, item = left.pop()
        if isinstance(item, dict):
            left.extend((f"{path}.{key}", inner) for key, inner in item.items())
            point = _point(item.get("lat"), item.get("lon", item.get("lng")))
        elif isinstance(item, (list, tuple)):
            left.extend((path, inner) for inner in item)
            point = _point(*item) if len(item) == 2 else None
        else:
            if item is not None:
                yield path, typed(item)
            continue
        if point:
            yield path, ("point", point)


def typed(value: str | float | bool) -> Value:
    """A scalar with its type."""
    if isinstance(value, str):
        date = instant(value)
        return ("string", value) if date is None else ("instant", date)
    return ("bool" if isinstance(value, bool) else "number", value)


_MONTH: Final = re.compile(r"\d{4}-\d\d", re.ASCII)
# `datetime.fromisoformat` takes any character between date and time. With letters or digits there, codes
# such as 20240501a10 and 20240501b10 would be one instant; a plus or minus may begin an offset.
_ISO: Final = re.compile(
    r"\d{4}(-\d\d-\d\d|\d{4}|-W\d\d(-\d)?|W\d\d\d?)(([Tt_]|[^\w+-])(?!24).+)?", re.ASCII | re.DOTALL
)
_LONGEST: Final = 64  # characters of a date
_DATELIKE: Final = re.compile(
    r"(\d{4}([-/]\d\d?){2}|(\d\d?[-/.]){2}\d{4}|\d{8}|\d{4}-\d\d?|\d{4}-?W.*|\d{4}年\d\d?月(\d\d?日?)?)"
    r"([Tt _+-]?\d\d?[:时].*)?",
    re.DOTALL,
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def instant(text: str) -> int | None:
    """Return the microseconds from 1970 to an ISO 8601 date or time, UTC unless it has a zone; None for
    another text."""
    if not text[:4].isdigit() or len(text) > _LONGEST:  # nearly all that is none, at little cost
        return None
    if _MONTH.fullmatch(text):
        text += "-01"
    try:
        time = datetime.fromisoformat(text) if _ISO.fullmatch(text) else None
    except ValueError:  # a 30th of February
        time = None
    if time is None:
        return None
    return ((time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def _point(lat: Any, lon: Any) -> Point | None:
    if _is_number(lat) and _is_number(lon) and abs(lat) <= 90 and abs(lon) <= 180:
        return Point(float(lat), float(lon))
    return None


def _is_number(value: Any) -> bool:
    """A finite number that is not a boolean."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def distance(a: Point, b: Point) -> float:
    """Kilometres from ``a`` to ``b`` along the great circle: the haversine formula on a sphere."""
    half_lat = math.radians(b.lat - a.lat) / 2
    half_lon = math.radians(b.lon - a.lon) / 2
    cosines = math.cos(math.radians(a.lat)) * math.cos(math.radians(b.lat))
    haversine = math.sin(half_lat) ** 2 + cosines * math.sin(half_lon) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(haversine)))


# --- the algebra -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class And:
    """All of ``parts``; everything, if there are none."""

    parts: tuple[Filter, ...]

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return all(part.matches(metadata, _id) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of ``parts``."""

    parts: tuple[Filter, ...]

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return any(part.matches(metadata, _id) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Whatever ``part`` does not pass, so also what lacks its path."""

    part: Filter

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return not self.part.matches(metadata, _id)


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value at ``path`` or below it."""

    path: str

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return any(f"{path}.".startswith(f"{self.path}.") for path, _ in flatten(metadata))


@dataclass(frozen=True, slots=True)
class In:
    """A value at ``path`` equals one of ``values``."""

    path: str
    values: frozenset[Value]

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return any(path == self.path and value in self.values for path, value in flatten(metadata))


@dataclass(frozen=True, slots=True)
class Ids:
    """The document's id is one of ``ids``."""

    ids: frozenset[str]

    def matches(self, _: Mapping[str, Any], _id: str = "") -> bool:
        return _id in self.ids


@dataclass(frozen=True, slots=True)
class Range:
    """A value at ``path``, of the ``kind`` "number", "string" or "instant", keeps all ``bounds``."""

    path: str
    kind: Kind
    bounds: tuple[tuple[Bound, Any], ...]

    def holds(self, value: Any) -> bool:
        """Whether a value of this kind lies in the range."""
        return all(COMPARE[bound](value, limit) for bound, limit in self.bounds)

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return any(
            path == self.path and kind == self.kind and self.holds(value)
            for path, (kind, value) in flatten(metadata)
        )


@dataclass(frozen=True, slots=True)
class Near:
    """A geo point at ``path`` lies within ``km`` kilometres of ``center``."""

    path: str
    center: Point
    km: float

    def matches(self, metadata: Mapping[str, Any], _id: str = "") -> bool:
        return any(
            path == self.path and kind == "point" and distance(self.center, value) <= self.km + SLACK_KM
            for path, (kind, value) in flatten(metadata)
        )


Condition: TypeAlias = Exists | In | Range | Near
"""What asks about one path."""

Filter: TypeAlias = And | Or | Not | Ids | Condition
"""``matches`` tells whether a document of this metadata and id passes."""


def asks_metadata(wanted: Filter) -> bool:
    """Whether a filter asks about more than ids."""
    match wanted:
        case And(parts) | Or(parts):
            return any(map(asks_metadata, parts))
        case Not(part):
            return asks_metadata(part)
    return not isinstance(wanted, Ids)


# --- the JSON form -----------------------------------------------------------------------------------


def parse(source: Mapping[str, Any]) -> Filter:
    """The filter that a JSON object says. FilterError with what is wrong and where in it
    (``and[1].price.gte``)."""
    try:
        return _Parser().filter(source, "", 0)
    except (FilterError, MemoryError):
        raise
    except Exception as cause:  # a mapping, a str of the user's own
        raise FilterError(f"filter: cannot be read: {shown(cause)}") from cause


class _Parser:
    """Reads one filter and counts what it holds: an object that holds another one twice, level below
    level, has no end."""

    def __init__(self) -> None:
        self._conditions = self._values = 0

    def filter(self, source: Any, where: str, depth: int) -> Filter:
        if not isinstance(source, Mapping):
            raise _error(where, f'a filter is an object such as {{"brand": "x"}}, not {_name(source)}')
        if depth > MAX_FILTER_DEPTH:
            raise _error(
                where,
                f"nested deeper than {MAX_FILTER_DEPTH}; a list takes any number of filters side by side",
            )
        parts = tuple(self._entry(key, item, where, depth) for key, item in source.items())
        if not parts:
            self._count_condition(where)
        return parts[0] if len(parts) == 1 else And(parts)

    def _entry(self, key: Any, item: Any, where: str, depth: int) -> Filter:
        if not isinstance(key, str):
            raise _error(where, f"a key must be a string, not {_name(key)}")
        key = str.__str__(key)
        here = f"{where}.{_readable(key)}" if where else _readable(key)
        if key == "not":
            return Not(self.filter(item, here, depth + 1))
        if key not in ("and", "or"):
            return self._condition(key, item, here)
        if not isinstance(item, (list, tuple)):
            raise _error(here, f"takes a list of filters, not {_name(item)}")
        if not item:
            raise _error(here, "the list is empty, which says neither all nor nothing; leave it out")
        parts = tuple(self.filter(part, f"{here}[{i}]", depth + 1) for i, part in enumerate(item))
        return And(parts) if key == "and" else Or(parts)

    def _condition(self, path: str, item: Any, where: str) -> Filter:
        self._count_condition(where)
        if path == ID:
            return self._ids(item, where)
        if not isinstance(item, Mapping):
            return In(path, frozenset([_operand(item, where)]))
        operators = set(item)
        if operators == {"in"}:
            return self._in(path, item["in"], f"{where}.in")
        if operators == {"near", "km"}:
            return _near(path, item, where)
        if operators == {"exists"}:
            return _exists(path, item["exists"], f"{where}.exists")
        if operators and operators <= COMPARE.keys():
            return _range(path, item, where)
        raise _error(where, _no_operator(operators))

    def _ids(self, item: Any, where: str) -> Filter:
        if not isinstance(item, Mapping):
            item = {"in": [item]}
        if set(item) == {"exists"}:
            return (
                Not(And(())) if isinstance(_exists(ID, item["exists"], f"{where}.exists"), Not) else And(())
            )
        if set(item) != {"in"}:
            raise _error(where, 'ids have no order and no place; ask for one, or {"in": [id, ...]}')
        listed = self._list(item["in"], f"{where}.in")
        return Ids(frozenset(_id(value, f"{where}.in[{i}]") for i, value in enumerate(listed)))

    def _count_condition(self, where: str) -> None:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise _error(
                where,
                f'more than {MAX_CONDITIONS:,} conditions; {{"in": [...]}} asks for many values of one key',
            )

    def _in(self, path: str, item: Any, where: str) -> In:
        listed = self._list(item, where)
        return In(path, frozenset(_operand(value, f"{where}[{i}]") for i, value in enumerate(listed)))

    def _list(self, item: Any, where: str) -> list[Any] | tuple[Any, ...]:
        if not isinstance(item, (list, tuple)):
            raise _error(where, f"takes a list, not {_name(item)}")
        self._values += len(item)
        if self._values > MAX_FILTER_VALUES:
            raise _error(
                where,
                f"more than {MAX_FILTER_VALUES:,} values in all; give what they share a key of its own",
            )
        return item


def _no_operator(operators: set[Any]) -> str:
    known = ("in", *COMPARE, "near", "km", "exists")
    if unknown := sorted(key if isinstance(key, str) else shown(key) for key in operators - set(known)):
        return (
            f"unknown operator {shown(unknown[0])}; there are {', '.join(known)}; write an inner key as a.b"
        )
    if len(operators & {"near", "km"}) == 1:
        return "near and km go together"
    if not operators:
        return f"an object without operator; there are {', '.join(known)}"
    return f"{' and '.join(sorted(operators))} cannot stand in one object; join two with and"


def _range(path: str, item: Mapping[Bound, Any], where: str) -> Range:
    limits = {bound: _operand(value, f"{where}.{bound}") for bound, value in item.items()}
    for bound, (kind, value) in limits.items():
        if kind == "string" and _DATELIKE.fullmatch(value):
            raise _error(
                f"{where}.{bound}",
                f"{shown(value)} looks like a date and is none; write 2024-05-31 or 2024-05-31T10:00+08:00",
            )
    kinds = sorted({kind for kind, _ in limits.values()})
    if "bool" in kinds:
        raise _error(where, "a boolean has no order; ask for equality")
    if len(kinds) > 1:
        raise _error(
            where, f"its bounds are of different types, {' and '.join(kinds)}; no value keeps both"
        )
    return Range(path, kinds[0], tuple((bound, limit) for bound, (_, limit) in limits.items()))


def _near(path: str, item: Mapping[str, Any], where: str) -> Near:
    center, km = item["near"], item["km"]
    pair = center if isinstance(center, (list, tuple)) and len(center) == 2 else (None, None)
    point = _point(*pair)
    if point is None:
        raise _error(f"{where}.near", "must be [latitude, longitude] in degrees, within 90 and 180")
    if not _is_number(km) or km < 0:
        raise _error(f"{where}.km", "must be a finite number of kilometres, 0 or more")
    return Near(path, point, float(min(km, math.pi * EARTH_KM + 1)))


def _exists(path: str, wanted: Any, where: str) -> Filter:
    if not isinstance(wanted, bool):
        raise _error(where, f"must be true or false, not {_name(wanted)}")
    return Exists(path) if wanted else Not(Exists(path))


def _operand(value: Any, where: str) -> Value:
    if isinstance(value, str):
        return typed(str.__str__(value))  # of a subclass the characters, none of its methods
    if isinstance(value, bool):
        return typed(value)
    if _is_number(value):
        return typed(float.__float__(value) if isinstance(value, float) else int.__index__(value))
    if value is None:
        raise _error(where, 'null equals nothing; ask {"exists": false} for what is absent')
    if isinstance(value, (list, tuple)):
        raise _error(where, 'a list equals nothing; ask {"in": [...]} for one of several values')
    raise _error(where, f"must be a string, a finite number or a boolean, not {_name(value)}")


def _id(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _error(where, f"an id is a string, not {_name(value)}")
    return str.__str__(value)


def _name(value: Any) -> str:
    if isinstance(value, float):
        return str(value)
    return "null" if value is None else type(value).__name__


def _readable(key: str) -> str:
    return key if key.isprintable() and len(key) <= 80 else shown(key)


def _error(where: str, what: str) -> FilterError:
    return FilterError(f"filter, at {where}: {what}" if where else f"filter: {what}")
