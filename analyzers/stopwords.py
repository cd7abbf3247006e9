"""Stop words, too common to search for: ``stopwords_en.txt``, ``stopwords_zh.txt``, or a user's list."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from os import PathLike
from typing import Final, Literal, TypeAlias

from hybrid.analyzers.compounds import CONTRACTIONS, parts
from hybrid.analyzers.lists import read_lines
from hybrid.analyzers.normalize import fold
from hybrid.errors import SettingsError
from hybrid.limits import MAX_USER_WORD, MAX_USER_WORDS, shown

Language: TypeAlias = Literal["en", "zh"]

StopWords: TypeAlias = tuple[str, ...] | Literal["default"] | None
"""The built-in lists ("default"), a list that replaces them, or none (None, ())."""

DEFAULT: Final = "default"


@cache
def stop_words(language: Language) -> frozenset[str]:
    """Return the built-in list."""
    lines = files("hybrid.analyzers").joinpath(f"stopwords_{language}.txt").read_text("utf-8").splitlines()
    listed = frozenset(word for line in lines if not line.startswith("#") for word in line.split())
    return listed | CONTRACTIONS if language == "en" else listed


def chosen(given: StopWords, language: Language, spared: Iterable[str] = ()) -> frozenset[str]:
    """Return the folded stop words to use for a language, without those that are ``spared``."""
    listed = stop_words(language) if given == DEFAULT else frozenset(map(_form, given or ()))
    return listed.difference(spared)


def _form(word: str) -> str:
    """Fold a word the way a text of this one word is folded: "e-mail" becomes email."""
    folded = fold(word).text
    return next((term for term, _, _ in parts(folded)), folded)


def check_stop_words(given: StopWords) -> None:
    """Raises SettingsError for anything but a list of words."""
    if given is None or given == DEFAULT:
        return
    if not isinstance(given, tuple):
        raise SettingsError(
            f"stop words are a tuple of str, None for none, or 'default', not {shown(given)}"
        )
    if len(given) > MAX_USER_WORDS:
        raise SettingsError(f"{len(given):,} stop words; the limit is {MAX_USER_WORDS:,}")
    for word in given:
        _check(word)


def read_stop_words(path: str | PathLike[str]) -> tuple[str, ...]:
    """Read a UTF-8 file of words, one per line. Skips empty lines and lines that begin with ``#``. Raises
    CorpusError, naming file and line."""
    return read_lines(path, "list of stop words", _check)


def _check(word: str) -> None:
    """Raises SettingsError unless ``word`` is a single word."""
    if not isinstance(word, str) or word.split() != [word] or any("\ud800" <= c <= "\udfff" for c in word):
        raise SettingsError(f"{shown(word)} is not a stop word; write one word")
    if len(word) > MAX_USER_WORD:
        raise SettingsError(f"{shown(word)}: a stop word has at most {MAX_USER_WORD} characters")
