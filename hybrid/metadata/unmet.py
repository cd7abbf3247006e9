"""Which conditions of a filter a document does not meet, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from hybrid.metadata.filters import And, Bound, Exists, Filter, Ids, In, Near, Not, Or, Range, Value
from hybrid.metadata.values import iso

_SIGNS: Final[Mapping[Bound, str]] = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_SHOWN: Final = 5  # values of a list


def unmet(wanted: Filter, metadata: Mapping[str, Any], id: str) -> Iterator[str]:
    """The conditions, of those that must all hold, that a document does not meet."""
    if isinstance(wanted, And):
        for part in wanted.parts:
            yield from unmet(part, metadata, id)
    elif not wanted.matches(metadata, id):
        yield words(wanted)


def words(wanted: Filter) -> str:
    """A filter in words: ``price < 100 and not (brand = "Aria")``."""
    match wanted:
        case And(parts):
            return " and ".join(map(_inside, parts)) or "anything"
        case Or(parts):
            return " or ".join(map(_inside, parts))
        case Not(part):
            return f"not ({words(part)})"
        case Exists(path):
            return f"{path} exists"
        case In(path, values):
            return f"{path} {_listed(map(_value, values))}"
        case Ids(ids):
            return f"_id {_listed(map(_quoted, ids))}"
        case Range(path, kind, bounds):
            limits = [f"{_SIGNS[bound]} {_value((kind, limit))}" for bound, limit in bounds]
            return f"{path} {' and '.join(limits)}"
        case Near(path, center, km):
            return f"{path} within {km:g} km of {center.lat:g}, {center.lon:g}"


def _inside(part: Filter) -> str:
    return f"({words(part)})" if isinstance(part, (And, Or)) else words(part)


def _listed(values: Iterable[str]) -> str:
    found = sorted(values)
    if len(found) == 1:
        return f"= {found[0]}"
    more = ", …" if len(found) > _SHOWN else ""
    return f"in [{', '.join(found[:_SHOWN])}{more}]"


def _value(value: Value) -> str:
    kind, plain = value
    return iso(plain) if kind == "instant" else _quoted(plain)


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"
