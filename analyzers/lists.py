"""Word lists from users: UTF-8, one entry per line, ``#`` begins a comment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

from hybrid.errors import CorpusError, SettingsError
from hybrid.limits import MAX_DICTIONARY_BYTES, MAX_USER_WORDS, named


def read_lines(path: str | PathLike[str], what: str, check: Callable[[str], object]) -> tuple[str, ...]:
    """Read the entries of a file, without empty lines and comments, and ``check`` each.

    Raises CorpusError where ``check`` raises SettingsError; names file and line. ``what`` says in messages
    what kind of list it is.
    """
    name = named(path)
    found = tuple(_lines(_content(path, f"{what} {name}"), name, what, check))
    if len(found) > MAX_USER_WORDS:
        raise CorpusError(
            f"{name}: {len(found):,} words; the limit is {MAX_USER_WORDS:,}: keep those of use"
        )
    return found


def _content(path: str | PathLike[str], what: str) -> bytes:
    try:
        if Path(path).exists() and not Path(path).is_file():  # opening a named pipe would block for ever
            raise CorpusError(f"{what}: not a file, but a folder, pipe or device")
        with Path(path).open("rb") as file:
            content = file.read(MAX_DICTIONARY_BYTES + 1)
    except (OSError, TypeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise CorpusError(f"{what}: {why}") from error
    if len(content) > MAX_DICTIONARY_BYTES:
        raise CorpusError(f"{what}: larger than {MAX_DICTIONARY_BYTES:,} bytes; is this the right file?")
    return content


def _lines(content: bytes, name: str, what: str, check: Callable[[str], object]) -> Iterator[str]:
    for number, raw in enumerate(content.splitlines(), 1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if line and not line.startswith("#"):
                check(line)
                yield line
        except UnicodeDecodeError as error:
            raise CorpusError(f"{name}:{number}: not UTF-8; save the {what} as UTF-8") from error
        except SettingsError as error:
            raise CorpusError(f"{name}:{number}: {error}") from error
