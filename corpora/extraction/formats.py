"""Which reader reads which kind of file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, TypeAlias

from hybrid.corpora.extraction import foreign
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.files import beginning, opened
from hybrid.corpora.kinds import HTML, OLD, kind_of
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.limits import MAX_FILE

Read: TypeAlias = Callable[[Path, Options], Iterator[Extracted]]

_READERS: Final = {
    **dict.fromkeys(HTML, "html"),
    **dict.fromkeys((".eml", ".mbox"), "mail"),
    ".pdf": "pdf",
    ".docx": "word",
    ".xlsx": "sheets",
    ".epub": "epub",
    ".parquet": "parquet",
}
# What files begin with: https://en.wikipedia.org/wiki/List_of_file_signatures
_MAGIC: Final = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a ZIP archive, as .docx, .xlsx and .epub are",
    b"\xd0\xcf\x11\xe0": "an old Office file (.doc, .xls, .ppt), or one with a password",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "packed by gzip",
    b"PAR1": "Parquet",
    b"MZ": "a program",
    b"\x7fELF": "a program",
    b"<!doc": "a page of HTML",
    b"<html": "a page of HTML",
}


def read(path: Path, options: Options) -> Iterator[Extracted]:
    """The documents of a file. Raises CorpusError, BadRecord for what is wrong with it, MissingExtra."""
    kind = kind_of(path, options.readers) or ""
    if kind[1:] in options.readers:
        yield from foreign.read(path, kind[1:])
        return
    if kind in OLD:
        raise BadRecord(f"an old {kind} file is not read; save it as {OLD[kind]}")
    reader: Read = import_module(f"{__package__}.{_READERS[kind]}").read
    yield from reader(path, options)


def whole(path: Path) -> bytes:
    """All bytes of a file that is not too large."""
    with opened(path) as file:
        content = b"".join(beginning(file, MAX_FILE))
    if len(content) > MAX_FILE:
        raise BadRecord(f"larger than {MAX_FILE:,} bytes")
    if not content:
        raise BadRecord("empty")
    return content


def lying(content: bytes, what: str) -> BadRecord:
    """That a file is not ``what`` its name says, and what it looks like."""
    head = content[:8].lower()
    found = next((known for magic, known in _MAGIC.items() if head.startswith(magic.lower())), None)
    return BadRecord(f"not {what}" + (f", but {found}" if found else "; broken, or wrongly named"))


def some(text: str) -> str:
    """``text``, unless there is none."""
    if not text.strip():
        raise BadRecord("holds no text; are these pictures of pages? They need OCR first")
    return text.strip("\n")
