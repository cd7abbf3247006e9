"""Texts and ids in the one form in which they are kept and compared."""

from __future__ import annotations

from collections.abc import Iterable

from hybrid.errors import DocumentError
from hybrid.limits import shown


def clean(text: str) -> str:
    """``text`` with every lone surrogate as U+FFFD (a pair becomes its character)."""
    text = exact(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def exact(text: str) -> str:
    """A subclass's characters, none of its methods."""
    return str.__str__(text)


def check_lookup(id: object) -> str:
    """An id to look up: the empty one, which nobody has, for a str that no document could have.
    DocumentError for what is no str."""
    if not isinstance(id, str):
        raise DocumentError(f"an id is a str, not a {type(id).__name__}: {shown(id)}")
    known = exact(id)
    return known if known == clean(known) else ""


def check_lookups(ids: Iterable[str]) -> list[str]:
    """Ids to look up; DocumentError for what is no list of them."""
    try:
        wanted = None if isinstance(ids, (str, bytes)) else list(ids)
    except TypeError:  # a number, an array without dimensions
        wanted = None
    if wanted is None:
        raise DocumentError(f"delete takes a list of ids; write [{shown(ids)}]")
    return [check_lookup(id) for id in wanted]
