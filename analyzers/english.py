"""English: Unicode words, the forms of compounds, stop words, Snowball stems."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from hybrid.analyzers.compounds import LONGEST_WORD, parts
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import ScriptAnalyzer, bigrams, clip
from hybrid.analyzers.stopwords import stop_words

if TYPE_CHECKING:
    from Stemmer import Stemmer


@dataclass(frozen=True)
class English(ScriptAnalyzer):
    """English text. Chinese is taken as pairs of characters: use ``Mixed`` where there is any."""

    @property
    def id(self) -> str:
        return "english-1"

    def word(self, run: str) -> Sequence[Span]:
        return english_word(run[:LONGEST_WORD])

    def word_terms(self, run: str) -> Sequence[str]:
        return english_terms(run[:LONGEST_WORD])

    def han(self, run: str) -> Sequence[Span]:
        return bigrams(run)


@lru_cache(maxsize=1 << 16)
def english_word(run: str) -> tuple[Span, ...]:
    """The forms of a word or compound, stop words left out, words stemmed."""
    stop = stop_words("en")
    return tuple((clip(stem(term)), start, end) for term, start, end in parts(run) if term not in stop)


@lru_cache(maxsize=1 << 16)
def english_terms(run: str) -> tuple[str, ...]:
    """The terms of ``english_word``."""
    return tuple(term for term, _, _ in english_word(run))


def stem(word: str) -> str:
    """Snowball's English stem; what is not all English letters stays as it is."""
    return _stemmer().stemWord(word) if word.isascii() and word.isalpha() else word


_local = threading.local()  # PyStemmer's objects must not be shared between threads


def _stemmer() -> Stemmer:
    if not hasattr(_local, "stemmer"):
        from Stemmer import Stemmer

        _local.stemmer = Stemmer("english", 0)  # english_word remembers
    return _local.stemmer
