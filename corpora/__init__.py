"""Readers: files and folders of documents, queries and judgments into the records of `hybrid.types`.

What a reader cannot take is a `CorpusError` that names file and line. Reading documents is lazy, one
record in memory at a time; ``skipped`` lets it go on past broken records.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from pathlib import Path

from hybrid.corpora import folders, jsonl, tables
from hybrid.corpora.encodings import as_path, check_file, named, reading
from hybrid.corpora.judgments import read_qrels
from hybrid.corpora.queries import read_queries
from hybrid.corpora.records import Skipped
from hybrid.errors import CorpusError
from hybrid.types import Document

__all__ = ["UNDERSTOOD", "Skipped", "read_documents", "read_qrels", "read_queries", "sample"]

_READERS = {
    ".jsonl": jsonl.documents,
    ".csv": tables.documents,
    ".tsv": tables.documents,
} | dict.fromkeys(folders.SUFFIXES, folders.document)

UNDERSTOOD = (
    "a BEIR folder (with corpus.jsonl), .jsonl, .csv, .tsv, .txt, .md, or a folder of .txt and .md files"
)


def read_documents(path: str | Path, skipped: Skipped | None = None) -> Iterator[Document]:
    """The documents of ``path``: a BEIR folder, a ``.jsonl``, ``.csv`` or ``.tsv`` file, one text file
    (``.txt``, ``.md``), or a folder of text files.

    A record that cannot be read is passed to ``skipped`` (a list's ``append``, say) and left out;
    without it the first one is raised. What concerns the whole (no such path, a table without an id
    column) is always raised.
    """
    path = as_path(path)
    with reading(path):
        if path.is_dir():
            beir = path / "corpus.jsonl"
            return jsonl.documents(beir, skipped) if beir.is_file() else folders.documents(path, skipped)
        if not path.exists():
            raise CorpusError(f"{named(path)}: no such file or folder")
    check_file(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"{named(path)}: not a kind of file that is understood: give {UNDERSTOOD}")
    return reader(path, skipped)


def sample() -> Path:
    """The folder of the bundled Chinese and English sample, in BEIR layout."""
    return Path(str(importlib.resources.files("hybrid.corpora") / "sample"))
