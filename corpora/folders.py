"""Files and folders of files: a document a file, or several where it holds records or messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hybrid.corpora.extraction import Extractor
from hybrid.corpora.files import plain_name
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.corpora.walk import listing
from hybrid.errors import CorpusError
from hybrid.limits import named
from hybrid.types import Document


def documents(folder: Path, options: Options) -> Iterator[Document]:
    """Read the files in and below ``folder``, in order of path; `hybrid.corpora.walk.listing` says which
    are left out.

    A document's id is its path below ``folder``, with forward slashes, and after a ``#`` the record or
    message where there are several; its title is what the document says, or the file's name without suffix;
    its metadata has the path as ``path``.
    """
    found = listing(folder)
    for error in found.closed:
        options.report(error)
    if not found.files:
        raise CorpusError(
            f"{named(folder)}: no corpus.jsonl and no supported file in this folder or below it"
        )
    return _read(folder, found.files, options)


def document(path: Path, options: Options) -> Iterator[Document]:
    """Read one file as if it were alone in its folder."""
    return _read(path.parent, [path], options)


def records(path: Path, options: Options) -> Iterator[Document]:
    """Read the records of one file, under their own ids."""
    with Extractor() as extractor:
        for one in extractor.read(path, path.parent, options):
            yield Document(one.part, one.text, one.title, one.metadata, one.vector, one.passages)


def _read(folder: Path, paths: Iterable[Path], options: Options) -> Iterator[Document]:
    with Extractor() as extractor:
        for path in paths:
            name = path.relative_to(folder).as_posix()
            try:
                for one in extractor.read(path, folder, options):
                    try:
                        made = one.document(name, plain_name(path).stem, {"path": name})
                    except BadRecord as error:
                        what = f"the file's name is the document's id: {error}"
                        raise CorpusError(f"{named(path)}: {what}") from error
                    yield made
            except CorpusError as error:
                options.report(error)
