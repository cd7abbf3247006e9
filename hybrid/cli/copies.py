"""``hybrid backup``, ``hybrid restore``, ``hybrid export``: copy an index, or write it as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Final
from uuid import uuid4

import numpy as np
import orjson
import typer
from rich.filesize import decimal

import hybrid
from hybrid.cli import pastqueries
from hybrid.cli.output import AsJson, bar, complain, out, print_json, size
from hybrid.disk.folder import Folder
from hybrid.errors import InputError, StorageError
from hybrid.index import Index
from hybrid.ledger.past import PastQuery
from hybrid.limits import counted
from hybrid.types import Document

_STDOUT: Final = Path("-")


def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    to: Annotated[Path, typer.Argument(metavar="TO", help="The copy; must not exist yet.")],
    as_json: AsJson = False,
) -> None:
    """Copy the current state of an index, also while a program writes to it.

    The copy appears whole or not at all, and is an index that can be searched. It holds past queries and
    the log of clicks too.
    """
    with Index.open(directory, read_only=True) as index, bar("copying", len(index)) as progress:
        index.backup(to, progress=progress.advance)
        past = index.stats()["past_queries"]
    if past:
        complain(f"the copy holds {counted(past, 'past query', 'past queries')}")
    _report("backed up", to, as_json)


def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="A copy made by hybrid backup.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The index; must not exist yet.")],
    as_json: AsJson = False,
) -> None:
    """Check a backup and make an index from it."""
    with Index.open(backup, read_only=True) as index:
        documents = len(index)
    with bar("restoring", documents) as progress:
        hybrid.restore(backup, directory, progress=progress.advance)
    _report("restored", directory, as_json)


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .jsonl file; - is stdout.")] = _STDOUT,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Write what can still be read of a damaged index.")
    ] = False,
    past_queries: Annotated[
        Path | None,
        typer.Option(
            "--past-queries", metavar="FILE", help="Write the past queries, too, to this .jsonl file."
        ),
    ] = None,
) -> None:
    """Write every document, with its vectors, as a line of JSON.

    hybrid index FILE --to NEW makes an index from the file without encoding anything. The file contains no
    settings: name the encoder again, since queries still have to be encoded, and all other settings of the
    index (--analyzer, --user-dict, --metric). Nor does it contain the log of clicks, or past queries: those
    are written to a file of their own, which hybrid learn reads back.
    """
    if past_queries is not None and past_queries.resolve() in (file.resolve(), _STDOUT.resolve()):
        raise InputError(
            f"--past-queries {past_queries}: name a .jsonl file that nothing else is written to"
        )
    written = bare = lost = 0
    shown = file != _STDOUT or not sys.stdout.isatty()  # a bar would overwrite the lines
    with _source(directory, salvage) as source:
        unread = _export_past(source.past, past_queries)
        with _sink(file) as sink, bar("exporting", source.total, shown=shown) as progress:
            for document in source.documents:
                progress.advance(1)
                if document is None:
                    lost += 1
                    continue
                sink.write(line(document))
                written += 1
                bare += document.vector is None
    if file != _STDOUT:
        out.print(f"{written:,} documents exported to {file}", soft_wrap=True)
    if salvage:
        complain(f"{lost:,} documents could not be read; of the others {bare:,} have no vectors")
    if lost or unread:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Source:
    """What is exported: None stands for each document and past query that is lost. ``total``: the number of
    documents, if it is known."""

    documents: Iterator[Document | None]
    past: Iterator[PastQuery | None]
    total: int | None = None


@contextmanager
def _source(directory: Path, salvage: bool) -> Iterator[_Source]:
    if salvage:
        yield _Source(hybrid.salvage(directory), hybrid.salvage_past_queries(directory))
        return
    with Index.open(directory, read_only=True) as index:
        yield _Source(index.documents(), index.past_queries(), len(index))


def _export_past(found: Iterator[PastQuery | None], file: Path | None) -> int:
    """Write past queries to ``file``, and say how many; without one say how many stay behind. Return the
    number of those that are lost."""
    written = lost = 0
    with nullcontext() if file is None else _sink(file) as sink:
        for past in found:
            if past is None:
                lost += 1
                continue
            if sink is not None:
                sink.write(pastqueries.line(past))
            written += 1
    many = counted(written, "past query", "past queries")
    if file is not None:
        complain(f"{many} exported to {file}")
    elif written:
        complain(f"the export does not hold {many}; --past-queries FILE writes them")
    if lost:
        complain(f"{counted(lost, 'past query', 'past queries')} could not be read")
    return lost


def line(document: Document) -> bytes:
    """Write ``document`` in the form that ``corpora.read_documents`` reads, with exact vectors."""
    # Not orjson for metadata, which may contain integers beyond 64 bits.
    metadata = json.dumps(document.metadata, ensure_ascii=False, separators=(",", ":"))
    record = {"_id": document.id, "title": document.title, "text": document.text}
    return orjson.dumps(
        record | {"metadata": orjson.Fragment(metadata)} | _vectors(document),
        option=orjson.OPT_APPEND_NEWLINE,
    )


def _vectors(document: Document) -> dict[str, object]:
    if document.vector is None:
        return {}
    vectors = np.ascontiguousarray(document.vector, np.float32)
    numbers = orjson.dumps(vectors, option=orjson.OPT_SERIALIZE_NUMPY)
    # The shortest decimal of a float32 may become the neighbouring float32 when it is read as float64
    # first: 7.038531e-26 does. Written as float64, the numbers are twice as long but exact.
    if np.array(orjson.loads(numbers), np.float32).tobytes() != vectors.tobytes():
        numbers = orjson.dumps(vectors.astype(np.float64), option=orjson.OPT_SERIALIZE_NUMPY)
    stretches = {"passages": document.passages, "text_passages": document.text_passages}
    listed = {name: [list(one) for one in given] for name, given in stretches.items() if given}
    return {"vector": orjson.Fragment(numbers), **listed}


@contextmanager
def _sink(file: Path) -> Iterator[BinaryIO]:
    """Open the destination of the lines: a file appears whole or not at all."""
    if file == _STDOUT:
        yield sys.stdout.buffer
        return
    try:
        if file.exists() and not file.is_file():  # a device, a pipe
            with file.open("wb") as sink:
                yield sink
            return
        with _replacing(file.resolve()) as sink:
            yield sink
    except OSError as cause:
        raise StorageError(f"{file}: cannot be written: {cause.strerror}") from cause


@contextmanager
def _replacing(file: Path) -> Iterator[BinaryIO]:
    if file.suffix.lower() != ".jsonl":
        raise InputError(f"{file}: name it .jsonl, so that hybrid index can read it")
    draft = f".{file.name}.{uuid4().hex[:8]}"
    with closing(Folder.open(file.parent)) as folder:
        try:
            with folder.replacing(file.name, draft) as sink:
                yield sink
            folder.sync()
        finally:
            folder.remove(draft)


def _report(what: str, made: Path, as_json: bool) -> None:
    with Index.open(made, read_only=True) as index:
        report = {"documents": len(index), "bytes": size(made)}
    if as_json:
        print_json(report)
    else:
        documents, amount = counted(report["documents"]), decimal(report["bytes"])
        out.print(f"{documents} {what} to {made}, {amount}", soft_wrap=True)
