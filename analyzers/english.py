"""English: Unicode words, the forms of compounds, stop words, Snowball stems."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from hybrid.analyzers.identity import former_identity, identity
from hybrid.analyzers.segment import Bigrams, ScriptAnalyzer
from hybrid.analyzers.stopwords import DEFAULT, StopWords, check_stop_words, chosen
from hybrid.analyzers.words import Words

if TYPE_CHECKING:
    from Stemmer import Stemmer


@dataclass(frozen=True)
class English(ScriptAnalyzer):
    """English text. Chinese in it becomes character bigrams: for a mix use ``Mixed``.

    ``stop_words``: a tuple of str that replaces Lucene's list; None turns stop words off. Raises
    SettingsError for an invalid word.
    """

    stop_words: StopWords = DEFAULT

    def __post_init__(self) -> None:
        check_stop_words(self.stop_words)

    @property
    def id(self) -> str:
        return identity("english", (), self.stop_words)

    @property
    def former_id(self) -> str | None:
        return former_identity("english", (), self.stop_words)

    @cached_property
    def words(self) -> Words:
        return english_words(chosen(self.stop_words, "en"))

    @cached_property
    def foreign(self) -> Words | None:
        return english_words(frozenset()) if self.stop_words == DEFAULT else None

    @cached_property
    def han(self) -> Bigrams:
        return Bigrams()


@lru_cache(maxsize=16)
def english_words(stop_words: frozenset[str]) -> Words:
    """Return the shared instance for these ``stop_words``."""
    return Words(stop_words, stem)


def stem(word: str) -> str:
    """Return Snowball's English stem; a word with anything but English letters stays as it is."""
    return _stemmer().stemWord(word) if word.isascii() and word.isalpha() else word


_local = threading.local()  # PyStemmer's objects must not be shared between threads


def _stemmer() -> Stemmer:
    if not hasattr(_local, "stemmer"):
        from Stemmer import Stemmer

        _local.stemmer = Stemmer("english", 0)  # no cache of its own: Words has one
    return _local.stemmer
