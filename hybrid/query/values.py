"""The values of the query language: frozen, comparable, and readable as the text that is parsed to them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from hybrid.errors import QueryError
from hybrid.limits import (
    MAX_QUERY,
    MAX_QUERY_DEPTH,
    MAX_QUERY_EXPANSIONS,
    MAX_QUERY_PARTS,
    shown,
)

QUOTES: Final = {'"': '"', "“": "”", "「": "」", "『": "』", "＂": "＂"}
"""An opening quote, and the one that closes it."""

_SYNTAX: Final = re.compile(
    r'["“「『＂()]|(?<!\S)[+-](?=\S)|(?<=\btitle):|(?<=\S)[*~^]|(?<!\S)OR(?!\S)|(?<=\\)(?:[+\-*~^:]|OR(?!\S))'
)
"""What would be read as an operator, or as a character behind a backslash."""
_WORD: Final = re.compile(r"[^\W\d_][^\W_]+")
"""What needs no parentheses beside an operator."""


class _Value:
    """A query. ``str()`` is a text that is parsed to it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Words(_Value):
    """Words, of which a document may contain any: the more and the rarer, the better. Where they are
    required or excluded, all of them together."""

    text: str

    def __str__(self) -> str:
        return _SYNTAX.sub(r"\\\g<0>", self.text)


@dataclass(frozen=True, slots=True)
class Phrase(_Value):
    """Words, or any stretch of Chinese, in this order side by side, in whatever case and width; forms of a
    word are not the same. A document must contain it."""

    text: str

    def __str__(self) -> str:
        return '"' + self.text.replace('"', '\\"') + '"'


@dataclass(frozen=True, slots=True)
class Prefix(_Value):
    """Words that begin with ``text``: the 50 most frequent."""

    text: str

    def __str__(self) -> str:
        return f"{self.text}*"


@dataclass(frozen=True, slots=True)
class Fuzzy(_Value):
    """Words that become ``text`` by at most ``edits``, 1 or 2, and begin with the same letter: the 50 most
    frequent. An edit inserts, deletes or replaces a letter, or swaps two neighbours."""

    text: str
    edits: int = 1

    def __str__(self) -> str:
        return f"{self.text}~" if self.edits == 1 else f"{self.text}~{self.edits}"


@dataclass(frozen=True, slots=True)
class Title(_Value):
    """``query`` in the title, which must contain it."""

    query: Query

    def __str__(self) -> str:
        return f"title:{_operand(self.query, Boost)}"


@dataclass(frozen=True, slots=True)
class Required(_Value):
    """A document must contain ``query``."""

    query: Query

    def __str__(self) -> str:
        return f"+{_operand(self.query, Title, Boost)}"


@dataclass(frozen=True, slots=True)
class Not(_Value):
    """A document must not contain ``query``."""

    query: Query

    def __str__(self) -> str:
        return f"-{_operand(self.query, Title, Boost)}"


@dataclass(frozen=True, slots=True)
class Boost(_Value):
    """``query``, whose words weigh ``factor`` times as much in the keyword leg."""

    query: Query
    factor: float

    def __str__(self) -> str:
        return f"{_operand(self.query)}^{self.factor:g}"


@dataclass(frozen=True, slots=True, init=False)
class All(_Value):
    """All ``parts`` count: a document must fulfil what any of them demands; what they score is added up."""

    parts: tuple[Query, ...]

    def __init__(self, *parts: Query) -> None:
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return " ".join(_enclosed(part) if isinstance(part, All) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True, init=False)
class Any(_Value):
    """A document must fulfil one of the ``parts``, if one of them demands something; what they score is
    added up."""

    parts: tuple[Query, ...]

    def __init__(self, *parts: Query) -> None:
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return " OR ".join(map(_alternative, self.parts))


Query: TypeAlias = Words | Phrase | Prefix | Fuzzy | Title | Required | Not | Boost | All | Any


def _operand(query: Query, *bare: type[Query]) -> str:
    """As it stands behind a sign: in parentheses where it is more than one part, unless of a ``bare``
    kind."""
    if isinstance(query, Words):
        simple = _WORD.fullmatch(query.text) is not None and query.text != "OR"
    else:
        simple = isinstance(query, (Phrase, Prefix, Fuzzy, *bare))
    return str(query) if simple else _enclosed(query)


def _alternative(query: Query) -> str:
    """As it stands beside OR."""
    if isinstance(query, Words) and query.text.isalnum() and query.text != "OR":
        return query.text
    return _operand(query, Title, Required, Not, Boost)


def _enclosed(query: Query) -> str:
    text = str(query)
    return f"({text} )" if text.endswith("\\") else f"({text})"


def inner(query: Query) -> tuple[Query, ...]:
    """The queries that it is made of; none for words, phrases and the like."""
    if isinstance(query, (All, Any)):
        return query.parts
    return (query.query,) if isinstance(query, (Title, Required, Not, Boost)) else ()


def plain(query: Query) -> str:
    """Its words in their order, without those that are excluded: what a vector is made of."""
    return " ".join(filter(None, (part.text for part in _wanted(query))))


def _wanted(query: Query) -> Iterator[Words | Phrase | Prefix | Fuzzy]:
    if isinstance(query, (Words, Phrase, Prefix, Fuzzy)):
        yield query
    elif not isinstance(query, Not):
        for part in inner(query):
            yield from _wanted(part)


def check(query: object) -> Query:
    """Return ``query`` if it is a sound value within the limits. Raises QueryError."""
    known = list(_walked(query, 0))
    if (count := len(known)) > MAX_QUERY_PARTS:
        raise QueryError(f"the query has more than {MAX_QUERY_PARTS} parts, namely {count}; ask fewer")
    if sum(isinstance(one, (Prefix, Fuzzy)) for one in known) > MAX_QUERY_EXPANSIONS:
        raise QueryError(f"the query has more than {MAX_QUERY_EXPANSIONS} prefixes and fuzzy words")
    if sum(len(one.text) for one in known if isinstance(one, (Words, Phrase))) > MAX_QUERY:
        raise QueryError(f"the query has more than {MAX_QUERY:,} characters; ask a part of it")
    return known[0]


def _walked(query: object, depth: int) -> Iterator[Query]:
    if not isinstance(query, Query):
        raise QueryError(f"a query is a str or a value of hybrid.query, not {shown(query)}")
    if depth > MAX_QUERY_DEPTH:
        raise QueryError(f"the query nests more than {MAX_QUERY_DEPTH} deep")
    if isinstance(query, (Words, Phrase, Prefix, Fuzzy)) and not isinstance(query.text, str):
        raise QueryError(f"the text of a query is a str, not {shown(query.text)}")
    if isinstance(query, Fuzzy) and query.edits not in (1, 2):
        raise QueryError(f"a fuzzy word has 1 or 2 edits, not {shown(query.edits)}")
    if isinstance(query, Boost) and not _weight(query.factor):
        raise QueryError(f"a boost is a number above 0 and up to 1,000, not {shown(query.factor)}")
    yield query
    for part in inner(query):
        yield from _walked(part, depth + 1)


def _weight(factor: object) -> bool:
    number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
    return number and math.isfinite(factor) and 0 < factor <= 1000  # type: ignore[operator,arg-type]
