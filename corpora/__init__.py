"""Readers: files and folders of documents, queries and judgments into the records of `hybrid.types`.

What a reader cannot take is a `CorpusError` that names file and line. Reading documents is lazy, one
record in memory at a time; ``skipped`` lets it go on past broken records.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from hybrid.corpora import folders, jsonl, tables
from hybrid.corpora.assumed import Assumed, AssumedEncoding, AssumedText, Assuming
from hybrid.corpora.cells import TYPES, Type, check_types
from hybrid.corpora.files import as_path, check_file, kind, reading
from hybrid.corpora.judgments import read_qrels
from hybrid.corpora.kinds import UNDERSTOOD, kind_of
from hybrid.corpora.options import Options, Skipped
from hybrid.corpora.queries import read_queries
from hybrid.errors import CorpusError, InputError
from hybrid.limits import named
from hybrid.types import Document

__all__ = [
    "TYPES",
    "UNDERSTOOD",
    "Assumed",
    "AssumedEncoding",
    "AssumedText",
    "Assuming",
    "Skipped",
    "Type",
    "collection_at",
    "is_table",
    "read_documents",
    "read_qrels",
    "read_queries",
    "sample",
]

_RECORDS: Final = {
    ".jsonl": jsonl.documents,
    ".csv": tables.documents,
    ".tsv": tables.documents,
    ".parquet": folders.records,
}


def read_documents(
    path: str | Path,
    skipped: Skipped | None = None,
    *,
    encoding: str | None = None,
    types: Mapping[str, Type] | None = None,
    assuming: Assuming | None = None,
) -> Iterator[Document]:
    """The documents of ``path``: a BEIR folder (with ``corpus.jsonl``); or else a file of records
    (``.jsonl``, ``.csv``, ``.tsv``, ``.parquet``), under the ids that they have; or else any other file
    that is understood, or a folder of them, see `hybrid.corpora.folders.documents`. Any of them may be
    packed by gzip (``.jsonl.gz``).

    A record that cannot be read is passed to ``skipped`` (a list's ``append``, say) and left out;
    without it the first one is raised; so is a file of a folder. What concerns the whole (no such path, a
    table without an id column, an extra that is not installed) is always raised.

    ``encoding``: of the text, where it is known; otherwise its bytes tell. ``types``: what some columns of
    a table hold, "text", "number" or "bool"; the others are numbers or booleans where each of their cells
    is written as one would be, otherwise text. ``assuming`` is told of files that are not UTF-8 and of
    columns that stay text although they look like numbers; without it what is doubtful is logged.
    """
    path = as_path(path)
    check_types(types or {})
    options = Options(skipped, encoding, types or {}, assuming)
    if types and not is_table(path):
        raise InputError(
            f"{named(path)}: types are said of the columns of a table, {' or '.join(tables.SUFFIXES)}"
        )
    if (collection := collection_at(path)) is not None:
        return _RECORDS[kind(collection)](collection, options)
    if path.is_dir():
        return folders.documents(path, options)
    return folders.document(path, options)


def collection_at(path: Path) -> Path | None:
    """The file of records that a path means, whose documents have ids of their own: itself, or the corpus
    of a BEIR folder; None for a folder or file of another kind. CorpusError for what is not understood."""
    with reading(path):
        if path.is_dir():
            corpora = (path / "corpus.jsonl", path / "corpus.jsonl.gz")
            return next((corpus for corpus in corpora if corpus.is_file()), None)
        if not path.exists():
            raise CorpusError(f"{named(path)}: no such file or folder")
    check_file(path)
    if kind_of(path) is None:
        raise CorpusError(f"{named(path)}: not a kind of file that is understood: give {UNDERSTOOD}")
    return path if kind(path) in _RECORDS else None


def is_table(path: Path) -> bool:
    """Whether the columns of this file have types that can be said."""
    return kind(path) in tables.SUFFIXES


def sample() -> Path:
    """The folder of the bundled Chinese and English sample, in BEIR layout."""
    return Path(str(importlib.resources.files("hybrid.corpora") / "sample"))
