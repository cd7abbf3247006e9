"""Bring texts and ids into the form in which they are stored and compared."""

from __future__ import annotations

from collections.abc import Iterable

from hybrid.errors import DocumentError
from hybrid.limits import shown


def clean(text: str) -> str:
    """Replace every lone surrogate in ``text`` by U+FFFD (a pair becomes its character)."""
    text = exact(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def exact(text: str) -> str:
    """Return a plain str, even for a subclass with methods of its own."""
    return str.__str__(text)


def check_lookup(id: object) -> str:
    """Return an id to look up; the empty one, which no document has, for a str that cannot be an id. Raises
    DocumentError for anything but a str."""
    if not isinstance(id, str):
        raise DocumentError(f"an id is a str, not a {type(id).__name__}: {shown(id)}")
    known = exact(id)
    return known if known == clean(known) else ""


def check_lookups(ids: Iterable[str]) -> list[str]:
    """Return ids to look up. Raises DocumentError for anything but a list of them."""
    try:
        wanted = None if isinstance(ids, (str, bytes)) else list(ids)
    except TypeError:  # a number, an array without dimensions
        wanted = None
    if wanted is None:
        raise DocumentError(f"delete takes a list of ids; write [{shown(ids)}]")
    return [check_lookup(id) for id in wanted]
