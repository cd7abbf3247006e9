"""The user dictionary: words that segmentation keeps whole."""

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
    """A ``word``, folded as texts are. With no ``frequency``, it gets the lowest one that keeps it
    whole."""

    word: str
    frequency: int | None


def read_user_dictionary(path: str | PathLike[str]) -> tuple[str, ...]:
    """Read a UTF-8 file in jieba's format: ``word [frequency] [tag]``, one entry per line.

    Skips empty lines and lines that begin with ``#``. Raises CorpusError, naming file and line.
    """
    return read_lines(path, "user dictionary", parse_user_word)


def as_user_words(entries: Iterable[str]) -> tuple[str, ...]:
    """Return the entries as a tuple. Raises SettingsError for anything but a list."""
    try:
        if isinstance(entries, str):
            raise TypeError
        return tuple(entries)
    except TypeError as cause:
        raise SettingsError(f"user words are a list of str, not {shown(entries)}") from cause


def check_user_words(entries: tuple[str, ...]) -> None:
    """Raises SettingsError for an invalid entry, or for more than `MAX_USER_WORDS` of them."""
    if not isinstance(entries, tuple):
        raise SettingsError(f"user words are a tuple of str, not {shown(entries)}")
    if len(entries) > MAX_USER_WORDS:
        raise SettingsError(
            f"{len(entries):,} user words; the limit is {MAX_USER_WORDS:,}: keep those of use"
        )
    for entry in entries:
        parse_user_word(entry)


def parse_user_word(entry: str) -> UserWord:
    """Parse ``word [frequency] [tag]``. Raises SettingsError if it has another form, or if the word has
    more than `MAX_USER_WORD` characters."""
    match = _entry.fullmatch(entry.strip()) if _is_text(entry) else None
    frequency = int(match["frequency"]) if match and match["frequency"] else None
    word = fold(match["word"]).text if match else ""
    if word.split() != [word] or frequency == 0:
        raise SettingsError(f"{shown(entry)} is not a user word; write: word [frequency, at least 1] [tag]")
    if len(word) > MAX_USER_WORD:
        raise SettingsError(f"{shown(entry)}: a user word has at most {MAX_USER_WORD} characters")
    return UserWord(word, frequency)


def _is_text(entry: object) -> bool:
    """Whether this is a str without surrogates: the settings of the index keep it as JSON."""
    return isinstance(entry, str) and not any("\ud800" <= c <= "\udfff" for c in entry)


def folded_words(entries: Iterable[str]) -> list[str]:
    """The words of a dictionary's lines."""
    return [parse_user_word(entry).word for entry in entries]


class Literals:
    """Finds user words that are not purely Chinese (T恤, 卡拉OK) in the text as it stands, in addition to
    the terms of each script's runs; of two words that begin at the same position, the longer. Takes as long
    for 100,000 words as for one: a regular expression would try them one by one."""

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
        """Whether this is not part of a longer word: "ai" is not found in "said"."""
        inside = _inside_word()
        return not inside.match(text, start) and not inside.match(text, end)


@cache
def _inside_word() -> re.Pattern[str]:
    return re.compile(rf"(?<={LETTER})(?={LETTER})")
