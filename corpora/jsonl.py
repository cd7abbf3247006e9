"""JSON Lines: one object per line, as in BEIR's ``corpus.jsonl`` and ``queries.jsonl``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import orjson

from hybrid.corpora import records
from hybrid.corpora.encodings import NotText, opened_text
from hybrid.corpora.files import lines, opened
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.limits import MAX_JSON_LINE, named
from hybrid.types import Document

_BOM = b"\xef\xbb\xbf"
# Any escape in a JSON string; the group matches a surrogate without its partner.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
# An integer that may exceed 64 bits: orjson would make it a float.
_LONG = re.compile(rb"(?<![.0-9])[0-9]{19}")
_Made = TypeVar("_Made")


def documents(path: Path, options: Options) -> Iterator[Document]:
    """Read the documents of a ``.jsonl`` file; see `records.document` for the keys."""
    return read(path, records.document, options)


def has_ids(path: Path, options: Options) -> bool:
    """Whether the first line is a document with an id."""
    for _, line in _lines(path, replace(options, assuming=lambda _: None)):
        try:
            return line is not None and bool(records.document(parse(line)).id)
        except BadRecord:
            return False
    return False


def read(path: Path, make: Callable[[dict[str, Any]], _Made], options: Options) -> Iterator[_Made]:
    """Call ``make`` on each object and yield the results. Accepts blank lines, CRLF and a byte order
    mark. If an object has a key twice, the last one counts."""
    for number, line in _lines(path, options):
        try:
            if line is None:
                raise BadRecord(f"longer than {MAX_JSON_LINE:,} bytes; give each record a line of its own")
            made = make(parse(line))
        except BadRecord as error:
            options.report(CorpusError(f"{named(path)}:{number}: {error}"))
        else:
            yield made


def parse(line: bytes) -> dict[str, Any]:
    """Parse one line's object. An escaped lone surrogate (``\\ud800``), which UTF-8 cannot encode, becomes
    U+FFFD; in an id it is refused."""
    try:
        return _object(_loads(line))
    except orjson.JSONDecodeError as error:
        whole = _ESCAPE.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], line)
        if whole == line:
            raise _refusal(line, error) from error
    record = parse(whole)
    if "\ufffd" in records.identifier(record):
        raise BadRecord("the id holds a lone surrogate")
    return record


def _loads(line: bytes) -> Any:
    value = orjson.loads(line)
    if not _LONG.search(line):
        return value
    try:
        return json.loads(line)
    except RecursionError as error:
        raise BadRecord("nested too deep") from error


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRecord(f"expected one JSON object a line, found {records.kind(value)}")
    return value


def _refusal(line: bytes, error: orjson.JSONDecodeError) -> BadRecord:
    try:
        line.decode()
    except UnicodeDecodeError as decoding:
        return BadRecord(
            f"not valid UTF-8 at byte {decoding.start + 1} of the line; is it another encoding?"
        )
    return BadRecord(f"not valid JSON: {error.msg} at column {error.colno}")


def _lines(path: Path, options: Options) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that are not blank, in UTF-8, each with its number from 1; None if it is too long."""
    for number, line in enumerate(_raw(path, options), start=1):
        if line is not None:
            line = line.removeprefix(_BOM) if number == 1 else line
            if not line.strip():
                continue
        yield number, line


def _raw(path: Path, options: Options) -> Iterator[bytes | None]:
    try:
        encoding = options.encoding_of(path, guess=False)
    except NotText:
        encoding = "utf-8"  # as JSON should be; bad lines are then reported one by one
    if encoding == "utf-8":
        with opened(path) as file:
            yield from lines(file, MAX_JSON_LINE)
        return
    with opened_text(path, encoding, newline="\n") as text:
        for line in lines(text, MAX_JSON_LINE):
            yield None if line is None else line.encode("utf-8", "surrogatepass")
