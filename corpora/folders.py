"""Text files: one document a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hybrid.corpora import records
from hybrid.corpora.encodings import opened_text
from hybrid.corpora.files import plain_name
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.limits import MAX_TEXT, named
from hybrid.types import Document

SUFFIXES = (".txt", ".md")


def documents(folder: Path, options: Options) -> Iterator[Document]:
    """The ``.txt`` and ``.md`` files in and below ``folder``, in order of path, hidden ones left out;
    links to folders are not followed.

    A document's id is its path below ``folder``, with forward slashes; its title the file's name
    without suffix; its metadata ``{"path": id}``.
    """
    closed: list[OSError] = []
    paths = list(_walk(folder, closed))
    for error in closed:
        where = named(Path(error.filename or folder))
        options.report(CorpusError(f"{where}: cannot be read: {error.strerror}"))
    if not paths:
        raise CorpusError(
            f"{named(folder)}: no corpus.jsonl and no .txt or .md file in this folder or below it"
        )
    return _read(folder, paths, options)


def document(path: Path, options: Options) -> Iterator[Document]:
    """One text file as one document, as if its folder held nothing else."""
    return _read(path.parent, [path], options)


def _walk(folder: Path, closed: list[OSError]) -> Iterator[Path]:
    for here, folders, files in os.walk(folder, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and name.lower().endswith(SUFFIXES):
                yield Path(here, name)


def _read(folder: Path, paths: list[Path], options: Options) -> Iterator[Document]:
    for path in paths:
        try:
            made = _document(folder, path, options.encoding_of(path))
        except CorpusError as error:
            options.report(error)
        else:
            yield made


def _document(folder: Path, path: Path, encoding: str) -> Document:
    with opened_text(path, encoding) as file:
        if len(text := file.read(MAX_TEXT + 1)) > MAX_TEXT:
            raise CorpusError(
                f"{named(path)}: longer than {MAX_TEXT:,} characters; cut it into several files"
            )
    name = path.relative_to(folder).as_posix()
    try:
        return records.document({"id": name, "title": plain_name(path).stem, "text": text, "path": name})
    except BadRecord as error:
        raise CorpusError(f"{named(path)}: the file's name is the document's id: {error}") from error
