"""Chinese and English in one text, as in "iPhone15手机壳": each script is analysed by its own rules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hybrid.analyzers.chinese import Chinese
from hybrid.analyzers.dictionary import folded_words
from hybrid.analyzers.english import english_words
from hybrid.analyzers.identity import former_identity, identity
from hybrid.analyzers.stopwords import DEFAULT, chosen
from hybrid.analyzers.words import Words


@dataclass(frozen=True)
class Mixed(Chinese):
    """Analyses Chinese characters as ``Chinese`` does, all other words as ``English`` does.

    ``user_words`` as for ``Chinese``; ``stop_words`` replaces both built-in lists.
    """

    @property
    def id(self) -> str:
        return identity("mixed", self.user_words, self.stop_words)

    @property
    def former_id(self) -> str | None:
        return former_identity("mixed", self.user_words, self.stop_words)

    @cached_property
    def words(self) -> Words:
        return english_words(chosen(self.stop_words, "en", folded_words(self.user_words)))

    @cached_property
    def foreign(self) -> Words | None:
        return english_words(frozenset()) if self.stop_words == DEFAULT else None
