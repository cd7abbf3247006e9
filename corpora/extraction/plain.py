"""Text, Markdown and source code, whose text is the file; and files of records that have ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hybrid.corpora import jsonl, tables
from hybrid.corpora.encodings import opened_text
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.files import kind
from hybrid.corpora.kinds import MARKDOWN, TEXT, kind_of
from hybrid.corpora.options import Options
from hybrid.errors import CorpusError
from hybrid.limits import MAX_TEXT, named

_RECORDS: Final = {".jsonl": jsonl, ".csv": tables, ".tsv": tables}
_FENCE: Final = re.compile(r" {0,3}(```|~~~)")
_HEADING: Final = re.compile(r" {0,3}# +(.*?)(?: +#+)? *$")


def reads(path: Path, options: Options) -> bool:
    """Whether this reads files of that kind."""
    known = kind_of(path, options.readers) or ""
    return known in (*TEXT, *_RECORDS) and known[1:] not in options.readers


def read(path: Path, options: Options) -> Iterator[Extracted]:
    """A record a document, where the records have ids; otherwise the file is one."""
    records = _RECORDS.get(kind(path))
    if records is not None and records.has_ids(path, options):
        yield from map(Extracted.of, records.documents(path, options))
        return
    with opened_text(path, options.encoding_of(path)) as file:
        if len(text := file.read(MAX_TEXT + 1)) > MAX_TEXT:
            raise CorpusError(
                f"{named(path)}: longer than {MAX_TEXT:,} characters; cut it into several files"
            )
    yield Extracted(text, _heading(text) if kind(path) in MARKDOWN else "")


def _heading(text: str) -> str:
    """The first heading of the first level in a text of Markdown."""
    fenced = False
    for line in text.splitlines():
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (found := _HEADING.match(line)):
            return found[1]
    return ""
