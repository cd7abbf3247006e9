"""The encoding of a text file: UTF-8, or GB18030 as many Chinese programs still write; and its lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, AnyStr

from hybrid.errors import CorpusError
from hybrid.limits import MAX_TEXT_LINE, shown

# GB18030 contains GBK and GB2312. "utf-8-sig" is UTF-8 that drops a byte order mark.
_CANDIDATES = ("utf-8-sig", "gb18030")
_BLOCK = 1 << 20


def encoding_of(path: Path) -> str:
    """The first of UTF-8 and GB18030 in which the whole file is valid."""
    check_file(path)
    with reading(path):
        for encoding in _CANDIDATES:
            if _valid(path, encoding):
                return encoding
    raise CorpusError(f"{named(path)}: neither UTF-8 nor GB18030 text; convert it to UTF-8")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number from 1 and without its line break."""
    with reading(path), path.open(encoding=encoding_of(path)) as file:
        for number, line in enumerate(lines(file, MAX_TEXT_LINE), start=1):
            if line is None:
                what = f"longer than {MAX_TEXT_LINE:,} characters; is this a file of lines?"
                raise CorpusError(f"{named(path)}:{number}: {what}")
            if line.strip():
                yield number, line.rstrip("\n")


def lines(file: IO[AnyStr], limit: int) -> Iterator[AnyStr | None]:
    """The lines of a file; None for one longer than ``limit``, passed over without holding it whole."""
    while line := file.readline(limit):
        if len(line) < limit or _ends(line):
            yield line
            continue
        while line and not _ends(line):
            line = file.readline(_BLOCK)
        yield None


def as_path(path: str | Path) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        raise CorpusError(f"a path is a str or a Path, not a {type(path).__name__}") from error


def check_file(path: Path) -> None:
    """CorpusError unless ``path`` is a file: opening a named pipe would wait for a writer for ever."""
    with reading(path):
        if not path.is_file():
            what = "not a file, but a folder, pipe or device" if path.exists() else "no such file"
            raise CorpusError(f"{named(path)}: {what}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What the operating system says, as a CorpusError."""
    try:
        yield
    except OSError as error:
        raise CorpusError(f"{named(path)}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{named(path)}: cannot be read: it was changed meanwhile") from error


def named(path: Path) -> str:
    """A path as a message names it: one line."""
    name = str(path)
    return name if name.isprintable() else shown(name)


def _ends(line: str | bytes) -> bool:
    return line[-1:] in ("\n", b"\n")


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
