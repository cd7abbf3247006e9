"""The user dictionary: words that segmentation must keep whole."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from hybrid.analyzers.normalize import Span, fold
from hybrid.analyzers.segment import LETTER, clip
from hybrid.errors import CorpusError, SettingsError

_entry = re.compile(r"(?P<word>\S+)(?:[ \t]+(?P<frequency>[0-9]{1,12}))?(?:[ \t]+(?P<tag>[A-Za-z]+))?")


class UserWord(NamedTuple):
    """``word`` is folded as texts are; without a ``frequency`` it is made just high enough."""

    word: str
    frequency: int | None


def read_user_dictionary(path: str | PathLike[str]) -> tuple[str, ...]:
    """The entries of a file in jieba's format: ``word [frequency] [tag]``, one a line, UTF-8.

    Empty lines and lines that begin with ``#`` are left out. Raises CorpusError, naming file and line.
    """
    try:
        lines = Path(path).read_bytes().splitlines()
    except OSError as error:
        raise CorpusError(f"user dictionary {path}: {error.strerror or error}") from error
    entries = (_line(path, number, line) for number, line in enumerate(lines, 1))
    return tuple(entry for entry in entries if entry)


def _line(path: str | PathLike[str], number: int, raw: bytes) -> str:
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        if line and not line.startswith("#"):
            parse_user_word(line)
            return line
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}:{number}: not UTF-8; save the user dictionary as UTF-8") from error
    except SettingsError as error:
        raise CorpusError(f"{path}:{number}: {error}") from error
    return ""


def parse_user_word(entry: str) -> UserWord:
    """Raises SettingsError unless ``entry`` reads ``word [frequency] [tag]``."""
    match = _entry.fullmatch(entry.strip())
    frequency = int(match["frequency"]) if match and match["frequency"] else None
    word = fold(match["word"]).text if match else ""
    if word.split() != [word] or frequency == 0:
        raise SettingsError(f"{entry!r} is no user word; write: word [frequency, at least 1] [tag]")
    return UserWord(word, frequency)


class Literals:
    """User words that are not all Chinese characters (T恤, 卡拉OK): found as they stand, beside what
    the runs of each script give."""

    def __init__(self, words: Sequence[str]) -> None:
        longest_first = "|".join(map(re.escape, sorted(set(words), key=len, reverse=True)))
        self._pattern = re.compile(f"(?:{longest_first})" if words else "(?!)")
        self._inside_word = re.compile(rf"(?<={LETTER})(?={LETTER})")

    def parts(self, text: str) -> list[Span]:
        found = (match.span() for match in self._pattern.finditer(text))
        return [
            (clip(text[start:end]), start, end)
            for start, end in found
            if self._stands_alone(text, start, end)
        ]

    def _stands_alone(self, text: str, start: int, end: int) -> bool:
        """Not cut out of a longer word: "ai" is not in "said"."""
        return not self._inside_word.match(text, start) and not self._inside_word.match(text, end)


def versioned(name: str, user_words: tuple[str, ...]) -> str:
    """The analyzer's id: its name and version, and a short hash of the user words if there are any."""
    if not user_words:
        return name
    return f"{name}+{sha256(chr(10).join(user_words).encode('utf-8', 'replace')).hexdigest()[:8]}"
