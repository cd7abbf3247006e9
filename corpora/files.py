"""Files as all readers open them: checked, unpacked where their name ends in ``.gz``, line by line."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, AnyStr

from hybrid.errors import CorpusError
from hybrid.limits import MAX_EXPANSION, MIN_EXPANDED, named

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 1 << 20
_PACKED = ".gz"


def as_path(path: str | Path) -> Path:
    try:
        return Path(path)
    except TypeError as error:
        raise CorpusError(f"a path is a str or a Path, not a {type(path).__name__}") from error


def plain_name(path: Path) -> Path:
    """``path`` as it would be called unpacked: ``corpus.jsonl`` for ``corpus.jsonl.gz``."""
    return path.with_suffix("") if path.suffix.lower() == _PACKED else path


def kind(path: Path) -> str:
    """The suffix that says what is in a file: ``.jsonl`` for ``corpus.JSONL`` and ``corpus.jsonl.gz``."""
    return plain_name(path).suffix.lower()


def check_file(path: Path) -> None:
    """CorpusError unless ``path`` is a file: opening a named pipe would wait for a writer for ever."""
    with reading(path):
        if not path.is_file():
            what = "it is not a file, but a folder, pipe or device" if path.exists() else "no such file"
            raise CorpusError(f"{named(path)}: cannot be read: {what}")


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The bytes of a file, unpacked. What the operating system says, and damage, as a CorpusError."""
    check_file(path)
    with reading(path):
        packed = path.suffix.lower() == _PACKED
        file: io.BufferedReader = io.BufferedReader(_Unpacked(path) if packed else io.FileIO(path))
        with file:
            yield file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What goes wrong while a file is read, as a CorpusError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorpusError(f"{named(path)}: damaged, or not packed by gzip: {error}") from error
    except OSError as error:
        raise CorpusError(f"{named(path)}: cannot be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise CorpusError(f"{named(path)}: cannot be read: it was changed meanwhile") from error


def lines(file: IO[AnyStr], limit: int) -> Iterator[AnyStr | None]:
    """The lines of a file; None for one longer than ``limit``, passed over without holding it whole."""
    while line := file.readline(limit):
        if len(line) < limit or _ends(line):
            yield line
            continue
        while line and not _ends(line):
            line = file.readline(_BLOCK)
        yield None


def beginning(file: IO[AnyStr], limit: int) -> list[AnyStr]:
    """The pieces of a file up to its end, or up to a little more than ``limit``. One ``read(limit)`` would
    take that much memory for a small file, too."""
    pieces: list[AnyStr] = []
    size = 0
    while size <= limit and (piece := file.read(_BLOCK)):
        pieces.append(piece)
        size += len(piece)
    return pieces


def _ends(line: str | bytes) -> bool:
    return line[-1:] in ("\n", b"\n")


class _Unpacked(io.RawIOBase):
    """A gzip file that refuses to unpack to far more than its own size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._limit = self._left = max(MIN_EXPANDED, MAX_EXPANSION * path.stat().st_size)
        self._file = gzip.GzipFile(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = self._file.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise CorpusError(
                f"{named(self._path)}: unpacks to more than {self._limit:,} bytes, too many for its size; "
                "if that is right, unpack it and give what comes out"
            )
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
