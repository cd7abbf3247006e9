"""Parquet: a record a document."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hybrid.corpora import records
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import lying
from hybrid.corpora.files import opened
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError, require
from hybrid.limits import MAX_EXPANSION, MIN_EXPANDED, named, shown

_ROWS: Final = 1000
_MAGIC: Final = b"PAR1"
_ROW: Final = 16  # bytes that a row counts for, beside its texts


def read(path: Path, options: Options) -> Iterator[Extracted]:
    require("reading Parquet", "pyarrow", extra="parquet")
    import pyarrow
    from pyarrow import parquet

    with opened(path) as file:
        head = file.read(8)
    if not head.startswith(_MAGIC):
        raise lying(head, "Parquet")
    left = max(MIN_EXPANDED, MAX_EXPANSION * path.stat().st_size)
    try:
        with parquet.ParquetFile(path) as table:
            _check(table.schema_arrow.names)
            for number, row in enumerate(_rows(table), start=1):
                left -= _ROW + sum(len(value) for value in row.values() if isinstance(value, (str, bytes)))
                if left < 0:
                    raise BadRecord("unpacks to far more than its own size; is it built to?")
                try:
                    yield Extracted.of(records.document(row))
                except BadRecord as error:
                    options.report(CorpusError(f"{named(path)}: row {number:,}: {error}"))
    except (pyarrow.ArrowException, OSError) as error:
        raise BadRecord(f"broken Parquet: {shown(str(error))}") from error


def _check(names: list[str]) -> None:
    if not {*records.ID_KEYS} & {*names} or not {"text", "contents", "title"} & {*names}:
        there = shown(", ".join(names))
        raise BadRecord(f'the columns are {there}: one must be "id" or "_id", one "text" or "title"')


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.iter_batches(_ROWS):
        for row in batch.to_pylist():
            yield {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    """As JSON has it: a date as ISO 8601 writes it; bytes, which JSON has not, as none."""
    if isinstance(value, list):
        return [_value(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _value(one) for name, one in value.items()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, (str, int, float, bool)) else None
