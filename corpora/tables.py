"""CSV and TSV with a header row.

A first pass over the whole file detects the columns' types; no pass holds more than a row in memory.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from hybrid.corpora import records
from hybrid.corpora.assumed import AssumedText, tell
from hybrid.corpora.cells import ColumnType, Type, value
from hybrid.corpora.encodings import opened_text
from hybrid.corpora.files import kind, lines
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.limits import MAX_TEXT, MAX_TEXT_LINE, named, shown
from hybrid.types import Document

SUFFIXES: Final = (".csv", ".tsv")

# The names of each column; the first one present counts.
_ROLES: Final = {
    "id": records.ID_KEYS,
    "title": ("title",),
    "text": ("text", "contents", "content", "body"),
}

_COMMAS: Final = {"delimiter": ","}
_TABS: Final = {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
_QUOTED_TABS: Final = {"delimiter": "\t"}
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')


class _Row(NamedTuple):
    """A row that is not blank, and the line where it begins; for a bad row, without cells, what is
    ``wrong``."""

    line: int
    cells: list[str]
    wrong: str | None = None


def documents(path: Path, options: Options) -> Iterator[Document]:
    """Read the documents of a table with the columns ``_id`` or ``id``, ``title`` and ``text`` (or
    ``contents``, ``content`` or ``body``), in upper or lower case; other columns become metadata, of the
    types given or detected. An error names the line where the row begins: cells may contain line breaks."""
    table = _Table.of(path, options.encoding_of(path))
    names = _header(table)
    roles = _roles(names)
    types = _types(table, names, options)
    for row in islice(table.rows(), 1, None):
        try:
            yield _document(names, roles, types, row)
        except BadRecord as error:
            options.report(CorpusError(f"{named(path)}:{row.line}: {error}"))


def has_ids(path: Path, options: Options) -> bool:
    """Whether the header row names an id, and a title or a text."""
    try:
        _header(_Table.of(path, replace(options, assuming=lambda _: None).encoding_of(path)))
    except CorpusError:
        return False
    return True


@dataclass(frozen=True)
class _Table:
    path: Path
    encoding: str
    dialect: Mapping[str, Any]

    @classmethod
    def of(cls, path: Path, encoding: str) -> _Table:
        if kind(path) == ".csv":
            return cls(path, encoding, _COMMAS)
        plain, quoted = cls(path, encoding, _TABS), cls(path, encoding, _QUOTED_TABS)
        return quoted if _quotes(plain, quoted) else plain

    def rows(self) -> Iterator[_Row]:
        csv.field_size_limit(max(csv.field_size_limit(), MAX_TEXT))  # global to the process: never lower it
        with opened_text(self.path, self.encoding, newline="") as file:
            source = _Lines(lines(file, MAX_TEXT_LINE))
            rows = csv.reader(source, strict=True, **self.dialect)
            while True:
                line = source.begin()
                try:
                    cells = next(rows, None)
                except (BadRecord, csv.Error) as error:
                    # The csv module's message contains the tab itself.
                    yield _Row(line, [], str(error).replace("\t", "\\t"))
                    continue
                if cells is None:
                    return
                if any(cells):
                    yield _Row(line, cells)


class _Lines:
    """Feeds lines to the csv module, up to a limit of characters per row: with a quote that is never
    closed, the rest of the file would be one row."""

    def __init__(self, found: Iterator[str | None]) -> None:
        self._found = found
        self._number = 0
        self._room = MAX_TEXT_LINE

    def begin(self) -> int:
        """Begin a new row; return the number of its first line."""
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
        if "\0" in line:
            raise BadRecord("holds a NUL character")
        return line


def _quotes(plain: _Table, quoted: _Table) -> bool:
    """Whether a file of tab-separated values quotes its cells. The format (IANA's
    text/tab-separated-values) does not, but spreadsheets do. True if the names in the header are quoted;
    or every cell that begins with a quote is properly quoted and doubles a quote inside; or only with
    quoting all rows are as wide as the header."""
    width = marked = doubled = 0
    fits = True
    for row in plain.rows():
        if not width and all(map(_QUOTED.fullmatch, filter(None, row.cells))):
            return not row.wrong
        width = width or len(row.cells)
        fits = fits and len(row.cells) == width
        for cell in row.cells:
            marked += cell.startswith('"')
            doubled += '""' in cell[1:-1] and _QUOTED.fullmatch(cell) is not None
    if fits or not marked:
        return 0 < marked == doubled
    return all(len(row.cells) == width for row in quoted.rows())


def _header(table: _Table) -> list[str]:
    row = next(table.rows(), _Row(1, []))
    if row.wrong:
        raise CorpusError(f"{named(table.path)}:{row.line}: {row.wrong}")
    names = [name.strip() for name in row.cells]
    given = [name for name in names if name]
    there = shown(", ".join(given)) if given else "no names"
    found = f"{named(table.path)}:{row.line}: the header row has {there}"
    roles = _roles(names)
    if "id" not in roles:
        raise CorpusError(f'{found}: one must be "id" or "_id"')
    if not {"text", "title"} & roles.keys():
        raise CorpusError(f'{found}: one must be "text" or "title"')
    if len(set(given)) < len(given):
        raise CorpusError(f"{found}: each name only once")
    return names


def _roles(names: list[str]) -> dict[str, int]:
    """Map each role to the number of its column, if it has one."""
    lower = [name.lower() for name in names]
    found = {role: next((key for key in keys if key in lower), None) for role, keys in _ROLES.items()}
    return {role: lower.index(key) for role, key in found.items() if key is not None}


def _types(table: _Table, names: list[str], options: Options) -> dict[int, Type]:
    """Return the type of each column that becomes metadata, by column number."""
    roles = set(_roles(names).values())
    others = {name: number for number, name in enumerate(names) if name and number not in roles}
    if unknown := [name for name in options.types if name not in others]:
        there = shown(", ".join(others)) if others else "none"
        raise CorpusError(
            f"{named(table.path)}: no column {shown(unknown[0])} to set the type of; there are {there}"
        )
    found = {number: ColumnType() for name, number in others.items() if name not in options.types}
    if found:
        _look(table, len(names), found)
    for number, column in found.items():
        if column.odd and column.type == "text":
            tell(AssumedText(table.path, names[number], *column.odd), options.assuming)
    said = {others[name]: type for name, type in options.types.items()}
    return said | {number: column.type for number, column in found.items()}


def _look(table: _Table, width: int, columns: Mapping[int, ColumnType]) -> None:
    for row in islice(table.rows(), 1, None):
        if len(row.cells) == width:
            for number, column in columns.items():
                if (cell := row.cells[number]).strip():
                    column.see(row.line, cell)


def _document(names: list[str], roles: dict[str, int], types: Mapping[int, Type], row: _Row) -> Document:
    if row.wrong:
        raise BadRecord(row.wrong)
    cells = row.cells
    if len(cells) != len(names):
        raise BadRecord(f"{len(cells)} cells where the header row has {len(names)}")
    metadata = {
        names[number]: _value(names[number], cells[number], type)
        for number, type in types.items()
        if cells[number].strip()
    }
    record = {role: cells[number] for role, number in roles.items()}
    return records.document({**record, "id": record["id"].strip(), "metadata": metadata})


def _value(name: str, cell: str, type: Type) -> str | int | float | bool:
    try:
        return value(cell, type)
    except BadRecord as error:
        raise BadRecord(f"column {shown(name)}: {error}") from error
