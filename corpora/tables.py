"""CSV and TSV with a header row, quoted as spreadsheets quote them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from hybrid.corpora import records
from hybrid.corpora.encodings import encoding_of, lines, named, reading
from hybrid.corpora.records import BadRecord, Skipped
from hybrid.errors import CorpusError
from hybrid.limits import MAX_TEXT, MAX_TEXT_LINE, shown
from hybrid.types import Document

Value: TypeAlias = str | int | float | bool

# What a column is called, the first name that is there.
_ROLES = {"id": records.ID_KEYS, "title": ("title",), "text": ("text", "content", "body")}
# Up to 15 digits survive a double and every JSON reader; more, or a leading zero or plus, is a
# number in looks only (a barcode, a telephone, "007").
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def documents(path: Path, skipped: Skipped | None = None) -> Iterator[Document]:
    """The documents of a table with the columns ``_id`` or ``id``, ``title`` and ``text`` (or
    ``content`` or ``body``), in any case; other columns become metadata, see `value`. An error names
    the line that its row begins at: cells may hold line breaks."""
    csv.field_size_limit(max(csv.field_size_limit(), MAX_TEXT))  # of the whole process: never lowered
    with reading(path), path.open(encoding=encoding_of(path), newline="") as file:
        source = _Lines(lines(file, MAX_TEXT_LINE))
        rows = csv.reader(source, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        names = _header(path, rows)
        roles = _roles(names)
        while True:
            line = source.begin()
            try:
                row = next(rows, None)
                if row is None:
                    return
                if any(row):
                    yield _document(names, roles, row)
            except (BadRecord, csv.Error) as error:
                records.report(CorpusError(f"{named(path)}:{line}: {_printable(error)}"), skipped)


class _Lines:
    """Hands lines to the csv module, so many characters a row: where a quote is never closed, or a comma
    follows each line break in quotes, the rest of the file is one row."""

    def __init__(self, found: Iterator[str | None]) -> None:
        self._found = found
        self._number = 0
        self._room = MAX_TEXT_LINE

    def begin(self) -> int:
        """A new row; the number of its first line."""
        self._room = MAX_TEXT_LINE
        return self._number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._found)
        self._number += 1
        self._room -= len(line or "")
        if line is None or self._room < 0:
            raise BadRecord(f"longer than {MAX_TEXT_LINE:,} characters; is a quote left open?")
        return line


def value(cell: str) -> Value:
    """A cell as what it plainly is: ``12``, ``9.5``, ``true``; otherwise text, as it stands."""
    plain = cell.strip()
    if plain in _BOOLEANS:
        return _BOOLEANS[plain]
    if _INTEGER.fullmatch(plain):
        return int(plain)
    return float(plain) if _DECIMAL.fullmatch(plain) else cell


def _header(path: Path, rows: Iterator[list[str]]) -> list[str]:
    try:
        names = [name.strip() for name in next(rows, [])]
    except (BadRecord, csv.Error) as error:
        raise CorpusError(f"{named(path)}:1: {_printable(error)}") from error
    given = [name for name in names if name]
    found = f"{named(path)}:1: the header row has {shown(', '.join(given)) if given else 'no names'}"
    roles = _roles(names)
    if "id" not in roles:
        raise CorpusError(f'{found}: one must be "id" or "_id"')
    if not {"text", "title"} & roles.keys():
        raise CorpusError(f'{found}: one must be "text" or "title"')
    if len(set(given)) < len(given):
        raise CorpusError(f"{found}: each name only once")
    return names


def _printable(error: Exception) -> str:
    """The csv module quotes the tab that it missed."""
    return str(error).replace("\t", "\\t")


def _roles(names: list[str]) -> dict[str, int]:
    """Role -> number of its column, for the roles that have one."""
    lower = [name.lower() for name in names]
    found = {role: next((key for key in keys if key in lower), None) for role, keys in _ROLES.items()}
    return {role: lower.index(key) for role, key in found.items() if key is not None}


def _document(names: list[str], roles: dict[str, int], row: list[str]) -> Document:
    if len(row) != len(names):
        raise BadRecord(f"{len(row)} cells where the header row has {len(names)}")
    taken = set(roles.values())
    metadata = {
        name: value(cell)
        for column, (name, cell) in enumerate(zip(names, row, strict=True))
        if name and cell.strip() and column not in taken
    }
    record = {role: row[column] for role, column in roles.items()}
    return records.document({**record, "id": record["id"].strip(), "metadata": metadata})
