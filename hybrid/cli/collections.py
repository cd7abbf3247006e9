"""Collections whose records have ids: all of them are read and checked before one is written."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import cast

from hybrid import corpora
from hybrid.cli.output import bar, complain
from hybrid.corpora import Assumed, Assuming, Skipped, Type
from hybrid.errors import CorpusError, InputError
from hybrid.index import Index
from hybrid.intake.documents import check_batch
from hybrid.types import Document


@dataclass(frozen=True)
class Source:
    """The inputs, and what was said of them."""

    inputs: Sequence[Path]
    encoding: str | None
    types: Mapping[str, Type]

    def read(self, path: Path, skipped: Skipped | None, assuming: Assuming) -> Iterator[Document]:
        types = self.types if corpora.is_table(path) else None
        return corpora.read_documents(path, skipped, encoding=self.encoding, types=types, assuming=assuming)


@dataclass(frozen=True)
class Found:
    """What there is to index: how many documents, which others cannot be taken (by their place over all
    inputs, as the readers give them), how many records could not even be read, and what was assumed."""

    total: int = 0
    bad: set[int] = field(default_factory=set)
    unread: int = 0
    assumed: list[Assumed] = field(default_factory=list)

    @property
    def skipped(self) -> int:
        return len(self.bad) + self.unread


def types_of(given: list[str], inputs: list[Path]) -> dict[str, Type]:
    """``zip=text,price=number``, quoted as in a table where a name holds a comma."""
    types: dict[str, Type] = {}
    for piece in chain.from_iterable(csv.reader(given)):
        name, sign, type = piece.rpartition("=")
        if not sign:
            raise InputError(f"--types {piece}: write COLUMN=TYPE, such as zip=text")
        types[name.strip()] = cast(Type, type.strip())  # read_documents refuses what is none
    if types and not any(map(corpora.is_table, inputs)):
        raise InputError("--types says what columns of a table hold; none of the inputs is a table")
    return types


def check(source: Source, skip_bad: bool) -> Found:
    """Read everything once."""
    if not source.inputs:
        return Found()
    bad: set[int] = set()
    skipped: list[CorpusError] = []
    assumed: list[Assumed] = []
    seen: dict[str, Path] = {}
    place = -1
    with bar("checking", None) as progress:
        for path in source.inputs:
            for document in source.read(path, skipped.append if skip_bad else None, assumed.append):
                place += 1
                progress.advance(1)
                try:
                    _take(document, path, seen)
                except InputError as error:
                    if not skip_bad:
                        raise
                    bad.add(place)
                    complain(f"skipped: {error}")
    for unread in skipped:
        complain(f"skipped: {unread}")
    return Found(place + 1 - len(bad), bad, len(skipped), assumed)


def _take(document: Document, path: Path, seen: dict[str, Path]) -> None:
    check_batch([document])
    if document.id in seen:
        raise CorpusError(
            f"{path}: the id {document.id!r} is in {seen[document.id]} already; --skip-bad keeps the first"
        )
    seen[document.id] = path


def load(source: Source, found: Found, target: Index, skip_bad: bool) -> None:
    """Write what was found good."""
    skip: Callable[[CorpusError], None] | None = (lambda _: None) if skip_bad else None
    documents = chain.from_iterable(source.read(path, skip, lambda _: None) for path in source.inputs)
    with bar("indexing", found.total) as progress:
        target.load(_good(documents, found.bad), progress=progress.advance)


def _good(documents: Iterator[Document], bad: set[int]) -> Iterator[Document]:
    return (document for place, document in enumerate(documents) if place not in bad)
