"""The encoding of a text file: UTF-8, or GB18030 as many Chinese programs still write."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from hybrid.errors import CorpusError

# GB18030 contains GBK and GB2312. "utf-8-sig" is UTF-8 that drops a byte order mark.
_CANDIDATES = ("utf-8-sig", "gb18030")
_BLOCK = 1 << 20


def encoding_of(path: Path) -> str:
    """The first of UTF-8 and GB18030 in which the whole file is valid."""
    try:
        for encoding in _CANDIDATES:
            if _valid(path, encoding):
                return encoding
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from error
    raise CorpusError(f"{path}: neither UTF-8 nor GB18030 text; convert it to UTF-8")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number from 1 and without its line break."""
    with path.open(encoding=encoding_of(path)) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, line.rstrip("\n")


def _valid(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
