"""What a result works out on demand: a worker is asked again, since it alone has the index."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from hybrid.index import Index
from hybrid.query import Query
from hybrid.search.fields import Fields
from hybrid.settings import Profiles
from hybrid.types import Document, Highlights, Hit, Passage, Results, Suggestion

Shown: TypeAlias = Sequence[tuple[Document, Passage | None]]
Call: TypeAlias = Callable[..., Any]
"""Calls a function of the index in a worker."""


@dataclass(frozen=True)
class Asked:
    """The arguments of a search."""

    query: str | Query | None
    vector: Any
    options: Mapping[str, Any]

    def completed(self, found: Results, call: Call) -> Results:
        """``found``, whose suggestion and highlights are asked for by ``call`` when they are wanted."""
        fields = Fields.of(self.options.get("fields"))
        if found.hits and (fields is None or "text" in fields.parts):
            lights = _Lights(partial(call, _highlights, self), found.hits)
            for hit in found.hits:
                hit.light(lights)
        return (
            found if found.query is None else replace(found, suggest=partial(self._suggestion, found, call))
        )

    def _suggestion(self, found: Results, call: Call) -> Suggestion | None:
        typed = self.query if isinstance(self.query, str) else str(found.query)
        suggestion: Suggestion | None = call(Index.suggest, typed, filter=self.options.get("filter"))
        return suggestion


class _Lights:
    """The highlights of all hits of a result, made together when the first is asked for."""

    def __init__(self, make: Callable[[Shown], list[Highlights]], hits: Sequence[Hit]) -> None:
        self._make, self._hits = make, hits
        self._made: dict[tuple[str, Passage | None], Highlights] = {}

    def __call__(self, document: Document, passage: Passage | None) -> Highlights:
        if not self._made:
            shown = [(hit.document, hit.passage) for hit in self._hits]
            keys = [(one.id, own) for one, own in shown]
            self._made = dict(zip(keys, self._make(shown), strict=True))
        return self._made[document.id, passage]


# -- in a worker


def _highlights(index: Index, asked: Asked, shown: Shown) -> list[Highlights]:
    with index.searcher() as searcher:
        make = searcher.highlighter(asked.query, vector=asked.vector, **asked.options)
        return [make(document, passage) for document, passage in shown]


def profiles(index: Index) -> Profiles:
    return index.profiles


def synonyms(index: Index) -> list[str]:
    return index.synonyms


def user_words(index: Index) -> list[str]:
    return index.user_words
