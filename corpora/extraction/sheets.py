"""XLSX: a heading for each sheet, a line for each row."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import some
from hybrid.corpora.extraction.packed import unpacked
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import require
from hybrid.limits import MAX_TEXT


def read(path: Path, _: Options) -> Iterator[Extracted]:
    require("reading XLSX", "python_calamine", extra="files")
    import python_calamine

    with unpacked(path, "an XLSX") as archive:
        archive.check_office()
        title = archive.title()
        try:
            book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(archive.content))
            text = "\n\n".join(_sheets(book))
        except python_calamine.CalamineError as error:
            raise BadRecord("a broken XLSX") from error
    yield Extracted(some(text), title)


def _sheets(book: Any) -> Iterator[str]:
    left = MAX_TEXT
    for name in book.sheet_names:
        rows: list[str] = []
        for row in book.get_sheet_by_name(name).iter_rows():
            line = " | ".join(map(_shown, row)).strip(" |")
            left -= len(line)
            if left < 0:
                raise BadRecord(f"longer than {MAX_TEXT:,} characters; cut it into several files")
            if line or (rows and rows[-1]):
                rows.append(line)
        if any(rows):
            yield f"# {name}\n\n" + "\n".join(rows).strip("\n")


def _shown(cell: Any) -> str:
    """A cell in one line, a whole number without a decimal point."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, (datetime.date, datetime.time)):
        return cell.isoformat()
    return " ".join(str(cell).split())
