"""Readers: turn files and folders of documents, queries and judgments into the records of `hybrid.types`.

A record that cannot be read raises a `CorpusError` that names file and line. Documents are read lazily, one
record in memory at a time; pass ``skipped`` to continue past broken records.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Collection, Iterator, Mapping
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
    """Read the documents of ``path``: a BEIR folder (with ``corpus.jsonl``); a file of records (``.jsonl``,
    ``.csv``, ``.tsv``, ``.parquet``), under the ids that they have; any other supported file; or a folder
    of such files, see `hybrid.corpora.folders.documents`. Each may be packed by gzip (``.jsonl.gz``).

    A record, or a file of a folder, that cannot be read is passed to ``skipped`` (for example a list's
    ``append``) and left out; without ``skipped`` it is raised. Errors that concern the whole input (no such
    path, a table without an id column, an extra that is not installed) are always raised.

    ``encoding``: of the text; None detects it. ``types``: the types of some columns of a table, "text",
    "number" or "bool"; any other column is numbers or booleans if every cell is written exactly as such a
    value would be, otherwise text. ``assuming`` is called for each file that is not UTF-8 and for each
    column that stays text although it looks like numbers; without it, doubtful cases are logged.
    """
    path = as_path(path)
    check_types(types or {})
    options = Options(skipped, encoding, types or {}, assuming)
    if types and not is_table(path):
        raise InputError(
            f"{named(path)}: types are only for the columns of a table, {' or '.join(tables.SUFFIXES)}"
        )
    if (collection := collection_at(path)) is not None:
        return _RECORDS[kind(collection)](collection, options)
    if path.is_dir():
        return folders.documents(path, options)
    return folders.document(path, options)


def collection_at(path: Path, readers: Collection[str] = ()) -> Path | None:
    """The file of records that a path means, whose documents have ids of their own: itself, or the corpus
    of a BEIR folder; None for a folder or file of another kind. CorpusError for what neither this package
    nor one of the ``readers`` understands."""
    with reading(path):
        if path.is_dir():
            corpora = (path / "corpus.jsonl", path / "corpus.jsonl.gz")
            return next((corpus for corpus in corpora if corpus.is_file()), None)
        if not path.exists():
            raise CorpusError(f"{named(path)}: no such file or folder")
    check_file(path)
    if (known := kind_of(path, readers)) is None:
        raise CorpusError(f"{named(path)}: not a supported kind of file: give {UNDERSTOOD}")
    return path if known in _RECORDS and known[1:] not in readers else None


def is_table(path: Path) -> bool:
    """Whether this file has columns, whose types may be given."""
    return kind(path) in tables.SUFFIXES


def sample() -> Path:
    """Return the folder of the bundled Chinese and English sample, in BEIR layout."""
    return Path(str(importlib.resources.files("hybrid.corpora") / "sample"))
