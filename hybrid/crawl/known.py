"""The files whose documents an index holds, read from those documents' metadata.

The metadata of a document of a file has ``path``, relative to the folder ``file.root``. The document
written last also has the state of the file: ``file.size``, ``file.modified``, ``file.hash``, and the
``file.encoding`` that was given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from hybrid.corpora.walk import Stamp
from hybrid.types import Document

_FILE: Final = "file"
_DIGEST: Final = 16  # bytes


@dataclass(frozen=True)
class State:
    """A file when it was read, and the encoding that was given for it."""

    size: int
    modified: str
    hash: str
    encoding: str | None

    @classmethod
    def of(cls, stamp: Stamp, hash: str, encoding: str | None) -> Self:
        return cls(stamp.size, _time(stamp), hash, encoding)

    def fits(self, stamp: Stamp) -> bool:
        """Whether a file that looks so is still the same."""
        return (self.size, self.modified) == (stamp.size, _time(stamp))


def _time(stamp: Stamp) -> str:
    """ISO 8601 in UTC, so that filters take it for a date, to the nanosecond."""
    seconds, fraction = divmod(stamp.modified, 10**9)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09}Z"
    except (ValueError, OverflowError, OSError):  # a file system's nonsense
        return str(stamp.modified)


class Said(NamedTuple):
    """Digests of what a document says, but for the state of its file, and of its text alone."""

    all: bytes
    text: bytes

    @classmethod
    def by(cls, document: Document) -> Self:
        metadata = {name: value for name, value in document.metadata.items() if name != _FILE}
        every = json.dumps([document.title, document.text, metadata], sort_keys=True)
        return cls(_digest(every), _digest(document.text.strip()))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()


@dataclass
class Held:
    """The documents of one file: what they say, by id; ``state`` once all of it was read."""

    root: Path
    documents: dict[str, Said] = field(default_factory=dict)
    state: State | None = None


@dataclass
class Known:
    """The ``files``, by their paths; the name of each root, with which the ids of its documents begin; what
    other ids begin with; and a document for each text, by digest."""

    files: dict[Path, Held] = field(default_factory=dict)
    roots: dict[Path, str] = field(default_factory=dict)
    texts: dict[bytes, str] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Self:
        known = cls()
        for document in documents:
            known.add(document)
        return known

    def add(self, document: Document) -> None:
        first, slash, _ = document.id.partition("/")
        said = Said.by(document)
        if (origin := _origin(document)) is None:
            self._taken.update([first] if slash else [])
        else:
            root, path, state = origin
            self.roots.setdefault(root, first)
            held = self.files.setdefault(path, Held(root))
            self._forget(document.id, held)
            held.documents[document.id] = said
            held.state = state or held.state
        if document.text.strip():
            self.texts.setdefault(said.text, document.id)

    def forget(self, path: Path, ids: Iterable[str]) -> None:
        """Documents that are gone."""
        held = self.files[path]
        for id in ids:
            self._forget(id, held)
        if not held.documents:
            del self.files[path]

    def _forget(self, id: str, held: Held) -> None:
        said = held.documents.pop(id, None)
        if said is not None and self.texts.get(said.text) == id:
            del self.texts[said.text]

    def below(self, folder: Path) -> Iterator[Path]:
        """The files that lie in or below a folder."""
        return (path for path in self.files if path.is_relative_to(folder))

    def root_of(self, path: Path, given: Path) -> Path:
        """The root to which a file belongs that lies below the folder ``given``: the innermost known one,
        or else that folder."""
        return next((folder for folder in path.parents if folder in self.roots), given)

    def name_of(self, root: Path) -> str:
        """What the ids of a root's documents begin with: the name of the folder, and a number where another
        root or other documents have that."""
        if root not in self.roots:
            name = root.name or "files"
            others = {*self.roots.values(), *self._taken}
            names = (name if number == 1 else f"{name}-{number}" for number in range(1, len(others) + 2))
            self.roots[root] = next(one for one in names if one not in others)
        return self.roots[root]


def described(root: Path, state: State | None) -> dict[str, Any]:
    """What a document's metadata says of its file."""
    said: dict[str, Any] = {"root": str(root)}
    if state is not None:
        said |= {"size": state.size, "modified": state.modified, "hash": state.hash}
        said |= {"encoding": state.encoding} if state.encoding else {}
    return {_FILE: said}


def _origin(document: Document) -> tuple[Path, Path, State | None] | None:
    """The root, the file and its state; None for a document that is of no file."""
    path, said = document.metadata.get("path"), document.metadata.get(_FILE)
    if not isinstance(path, str) or not isinstance(said, Mapping) or not isinstance(said.get("root"), str):
        return None
    state = None
    if isinstance(said.get("hash"), str):
        state = State(said.get("size", 0), said.get("modified", ""), said["hash"], said.get("encoding"))
    root = Path(said["root"])
    return root, root / path, state
