"""Turn a record, a mapping from names to values, into a document: the checks that all readers share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from hybrid.limits import shown
from hybrid.types import Document

ID_KEYS = ("_id", "id")
_FIELDS = ("title", "text", "metadata", "vector")
_FORBIDDEN_IN_ID = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class BadRecord(ValueError):
    """A record cannot be read. Stays inside the readers, which turn it into a CorpusError with the
    place."""


def document(record: Mapping[str, Any]) -> Document:
    """Make a document from ``_id`` or ``id``, ``title``, ``text`` (or ``contents``, as in Pyserini),
    ``metadata``, ``vector`` (one, or a list of them) and with it ``passages`` (a list of [start, end], one
    for each vector) and ``text_passages`` (such a list of any length). All other keys go into the metadata,
    unless it has them already."""
    if "text" not in record and isinstance(record.get("contents"), str):
        record = {("text" if name == "contents" else name): value for name, value in record.items()}
    made = Document(
        id=identifier(record),
        text=string(record, "text"),
        title=string(record, "title"),
        metadata=_metadata(record),
        vector=_vector(record),
        passages=_passages(record, "passages"),
        text_passages=_passages(record, "text_passages"),
    )
    if not made.text.strip() and not made.title.strip() and made.vector is None:
        raise BadRecord(f"document {shown(made.id)} has neither text, title nor vector")
    return made


def identifier(record: Mapping[str, Any]) -> str:
    """Return ``_id``, or else ``id``, as a string. Integers, which are common, are accepted."""
    key = _id_key(record)
    value = record[key]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadRecord(f'"{key}" must be a string or an integer, not {kind(value)}')
    if not value:
        raise BadRecord(f'"{key}" is empty')
    if found := _FORBIDDEN_IN_ID.search(value):
        raise BadRecord(f'"{key}" holds {found[0]!a}: an id takes no control characters or surrogates')
    return value


def string(record: Mapping[str, Any], key: str) -> str:
    """Return a text field; the empty string if it is missing or null."""
    value = record.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRecord(f'"{key}" must be a string, not {kind(value)}')
    return value


def kind(value: object) -> str:
    """Name a value's type as JSON does."""
    names = {bool: "true or false", dict: "an object", list: "a list", str: "a string", type(None): "null"}
    return names.get(type(value), "a number")


def _id_key(record: Mapping[str, Any]) -> str:
    for key in ID_KEYS:
        if key in record:
            return key
    raise BadRecord('no id: give each record an "_id" or "id"')


def _metadata(record: Mapping[str, Any]) -> dict[str, Any]:
    given = record.get("metadata")
    if given is not None and not isinstance(given, dict):
        raise BadRecord(f'"metadata" must be an object, not {kind(given)}')
    taken = {_id_key(record), *_FIELDS}
    if record.get("vector") is not None:
        taken |= {"passages", "text_passages"}  # without a vector the keys may mean anything
    return {name: value for name, value in record.items() if name not in taken} | (given or {})


def _vector(record: Mapping[str, Any]) -> list[float] | list[list[float]] | None:
    value = record.get("vector")
    if value is None or _numbers(value):
        return value
    if not isinstance(value, list) or not all(map(_numbers, value)) or len(set(map(len, value))) != 1:
        raise BadRecord('"vector" must be a list of numbers, or a list of such lists, all of one length')
    return value


def _numbers(value: object) -> TypeGuard[list[float]]:
    return isinstance(value, list) and bool(value) and set(map(type, value)) <= {int, float}


def _passages(record: Mapping[str, Any], name: str) -> list[tuple[int, int]] | None:
    vector, value = record.get("vector"), record.get(name)
    if vector is None or value is None:
        return None
    count, end = (1 if _numbers(vector) else len(vector)), len(string(record, "text"))
    if not isinstance(value, list) or (name == "passages" and len(value) != count):
        raise BadRecord(f'"{name}" must be a list of {count}, one for each vector')
    if wrong := next((pair for pair in value if not _is_passage(pair, end)), None):
        raise BadRecord(f'"{name}" holds {shown(wrong)}, not a [start, end] in a text of {end} characters')
    return [(start, end) for start, end in value]


def _is_passage(pair: Any, end: int) -> bool:
    whole = isinstance(pair, list) and len(pair) == 2 and set(map(type, pair)) == {int}
    return whole and 0 <= pair[0] <= pair[1] <= end
