"""The fields that documents are returned with.

["title", "metadata"]        without the text
["metadata.price"]           of the metadata only what is under this path
[]                           ids and scores, which are always there and may be named: "id", "score"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from hybrid.errors import QueryError
from hybrid.limits import MAX_FIELDS, shown
from hybrid.search.source import Source
from hybrid.types import Document

_ALWAYS: Final = frozenset(("id", "score"))
_PARTS: Final = frozenset(("title", "text", "metadata"))
_METADATA: Final = "metadata."
_NOTHING: Final = object()


@dataclass(frozen=True)
class Fields:
    """``parts``: those of a document, "title", "text" and "metadata". ``paths``: those of its metadata,
    none for all of it."""

    parts: frozenset[str]
    paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Sequence[str] | None) -> Self | None:
        """None for all fields. Raises QueryError."""
        if names is None:
            return None
        listed = isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        if not listed or len(names) > MAX_FIELDS:
            raise QueryError(f"fields={shown(names)}: write a list of at most {MAX_FIELDS} names")
        paths = {path for name in names if (path := _path(name))}
        parts = {name for name in names if not _path(name)} - _ALWAYS
        if unknown := sorted(parts - _PARTS):
            raise QueryError(
                f"field {shown(unknown[0])} is not known; it is one of id, score, title, text, metadata or "
                "metadata.KEY"
            )
        whole = "metadata" in parts
        return cls(frozenset(parts | {"metadata"} if paths else parts), frozenset(() if whole else paths))

    def __call__(self, document: Document) -> Document:
        """The document with these fields; the others are empty."""
        return Document(
            document.id,
            document.text if "text" in self.parts else "",
            document.title if "title" in self.parts else "",
            self._metadata(document.metadata) if "metadata" in self.parts else {},
        )

    def _metadata(self, metadata: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.paths:
            return metadata
        parts = {key: _part(item, key, self.paths) for key, item in metadata.items()}
        return {key: part for key, part in parts.items() if part is not _NOTHING}


def fetch(source: Source, ordinals: Sequence[int], wanted: Fields | None) -> list[Document]:
    """The documents of ``ordinals``, with the fields that are wanted: None for all. For ids alone no
    document is read."""
    if wanted is not None and not wanted.parts:
        return [Document(id) for id in source.ids(np.array(ordinals, np.int64))]
    documents = source.documents(ordinals)
    return documents if wanted is None else list(map(wanted, documents))


def _path(name: str) -> str:
    """The path that a field names; empty where it names none."""
    return name.removeprefix(_METADATA) if name.startswith(_METADATA) else ""


def _part(item: Any, path: str, wanted: frozenset[str]) -> Any:
    """What of ``item``, which stands under ``path``, is under a path that is wanted; or _NOTHING."""
    if path in wanted:
        return item
    if not any(one.startswith(f"{path}.") for one in wanted):
        return _NOTHING
    if isinstance(item, dict):
        inside = {key: _part(inner, f"{path}.{key}", wanted) for key, inner in item.items()}
        return {key: part for key, part in inside.items() if part is not _NOTHING} or _NOTHING
    if isinstance(item, (list, tuple)):
        return [part for inner in item if (part := _part(inner, path, wanted)) is not _NOTHING] or _NOTHING
    return _NOTHING
