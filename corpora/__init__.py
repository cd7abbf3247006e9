"""Readers: files and folders of documents, queries and judgments into the records of `hybrid.types`.

What a reader cannot take is a `CorpusError` that names file and line. Reading documents is lazy, one
record in memory at a time; ``skipped`` lets it go on past broken records.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator, Mapping
from pathlib import Path

from hybrid.corpora import folders, jsonl, tables
from hybrid.corpora.assumed import Assumed, AssumedEncoding, AssumedText, Assuming
from hybrid.corpora.cells import TYPES, Type, check_types
from hybrid.corpora.files import as_path, check_file, kind, reading
from hybrid.corpora.judgments import read_qrels
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
    "is_table",
    "read_documents",
    "read_qrels",
    "read_queries",
    "sample",
]

_READERS = (
    {".jsonl": jsonl.documents}
    | dict.fromkeys(tables.SUFFIXES, tables.documents)
    | dict.fromkeys(folders.SUFFIXES, folders.document)
)

UNDERSTOOD = (
    "a BEIR folder (with corpus.jsonl), .jsonl, .csv, .tsv, .txt, .md, any of these as .gz, or a folder of "
    ".txt and .md files"
)


def read_documents(
    path: str | Path,
    skipped: Skipped | None = None,
    *,
    encoding: str | None = None,
    types: Mapping[str, Type] | None = None,
    assuming: Assuming | None = None,
) -> Iterator[Document]:
    """The documents of ``path``: a BEIR folder, a ``.jsonl``, ``.csv`` or ``.tsv`` file, one text file
    (``.txt``, ``.md``), any of these packed by gzip (``.jsonl.gz``), or a folder of text files.

    A record that cannot be read is passed to ``skipped`` (a list's ``append``, say) and left out;
    without it the first one is raised. What concerns the whole (no such path, a table without an id
    column) is always raised.

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
    with reading(path):
        if path.is_dir():
            packed, beir = path / "corpus.jsonl.gz", path / "corpus.jsonl"
            if packed.is_file() and not beir.is_file():
                beir = packed
            return jsonl.documents(beir, options) if beir.is_file() else folders.documents(path, options)
        if not path.exists():
            raise CorpusError(f"{named(path)}: no such file or folder")
    check_file(path)
    reader = _READERS.get(kind(path))
    if reader is None:
        raise CorpusError(f"{named(path)}: not a kind of file that is understood: give {UNDERSTOOD}")
    return reader(path, options)


def is_table(path: Path) -> bool:
    """Whether the columns of this file have types that can be said."""
    return kind(path) in tables.SUFFIXES


def sample() -> Path:
    """The folder of the bundled Chinese and English sample, in BEIR layout."""
    return Path(str(importlib.resources.files("hybrid.corpora") / "sample"))
