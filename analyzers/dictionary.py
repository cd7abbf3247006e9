"""The user dictionary: words that segmentation must keep whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from os import PathLike
from typing import NamedTuple

from hybrid.analyzers.lists import read_lines
from hybrid.analyzers.normalize import Span, fold
from hybrid.analyzers.segment import LETTER, clip
from hybrid.errors import SettingsError
from hybrid.limits import MAX_USER_WORD, MAX_USER_WORDS, shown

_entry = re.compile(r"(?P<word>\S+)(?:[ \t]+(?P<frequency>[0-9]{1,12}))?(?:[ \t]+(?P<tag>[A-Za-z]+))?")


class UserWord(NamedTuple):
    """``word`` is folded as texts are; without a ``frequency`` it is made just high enough."""

    word: str
    frequency: int | None


def read_user_dictionary(path: str | PathLike[str]) -> tuple[str, ...]:
    """The entries of a file in jieba's format: ``word [frequency] [tag]``, one a line, UTF-8.

    Empty lines and lines that begin with ``#`` are left out. Raises CorpusError, naming file and line.
    """
    return read_lines(path, "user dictionary", parse_user_word)


def as_user_words(entries: Iterable[str]) -> tuple[str, ...]:
    """Raises SettingsError for what is no list."""
    try:
        if isinstance(entries, str):
            raise TypeError
        return tuple(entries)
    except TypeError as cause:
        raise SettingsError(f"user words are a list of str, not {shown(entries)}") from cause


def check_user_words(entries: tuple[str, ...]) -> None:
    """Raises SettingsError unless all of ``entries`` parse and are not too many."""
    if not isinstance(entries, tuple):
        raise SettingsError(f"user words are a tuple of str, not {shown(entries)}")
    if len(entries) > MAX_USER_WORDS:
        raise SettingsError(
            f"{len(entries):,} user words; the limit is {MAX_USER_WORDS:,}: keep those of use"
        )
    for entry in entries:
        parse_user_word(entry)


def parse_user_word(entry: str) -> UserWord:
    """Raises SettingsError unless ``entry`` reads ``word [frequency] [tag]``, the word of at most 100
    characters."""
    match = _entry.fullmatch(entry.strip()) if _is_text(entry) else None
    frequency = int(match["frequency"]) if match and match["frequency"] else None
    word = fold(match["word"]).text if match else ""
    if word.split() != [word] or frequency == 0:
        raise SettingsError(f"{shown(entry)} is no user word; write: word [frequency, at least 1] [tag]")
    if len(word) > MAX_USER_WORD:
        raise SettingsError(f"{shown(entry)}: a user word has at most {MAX_USER_WORD} characters")
    return UserWord(word, frequency)


def _is_text(entry: object) -> bool:
    """A str without surrogates: it goes into the settings of the index, as JSON."""
    return isinstance(entry, str) and not any("\ud800" <= c <= "\udfff" for c in entry)


def folded_words(entries: Iterable[str]) -> list[str]:
    """The words of a dictionary's lines."""
    return [parse_user_word(entry).word for entry in entries]


class Literals:
    """User words that are not all Chinese characters (T恤, 卡拉OK): found as they stand, beside what
    the runs of each script give; of two that begin at one place, the longer. As fast with 100,000 words
    as with one: a regular expression would try them one after the other."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = frozenset(words)
        lengths: dict[str, set[int]] = {}
        for word in words:
            lengths.setdefault(word[0], set()).add(len(word))
        self._lengths = {first: sorted(known, reverse=True) for first, known in lengths.items()}
        self._first = re.compile(f"[{re.escape(''.join(lengths))}]" if lengths else "(?!)")

    def parts(self, text: str) -> list[Span]:
        return [
            (clip(text[start:end]), start, end)
            for start, end in self._found(text)
            if self._stands_alone(text, start, end)
        ]

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        at = 0
        while match := self._first.search(text, at):
            start = match.start()
            pieces = (text[start : start + length] for length in self._lengths[text[start]])
            if longest := next((piece for piece in pieces if piece in self._words), ""):
                yield start, start + len(longest)
            at = start + max(1, len(longest))

    def _stands_alone(self, text: str, start: int, end: int) -> bool:
        """Not cut out of a longer word: "ai" is not in "said"."""
        inside = _inside_word()
        return not inside.match(text, start) and not inside.match(text, end)


@cache
def _inside_word() -> re.Pattern[str]:
    return re.compile(rf"(?<={LETTER})(?={LETTER})")
