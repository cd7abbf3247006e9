"""Chinese: jieba's words and the words inside them, stop words, a user dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from hybrid.analyzers.compounds import LONGEST_WORD, parts
from hybrid.analyzers.dictionary import check_user_words, versioned
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import ScriptAnalyzer, clip
from hybrid.analyzers.segmenter import Segmenter, segmenter


@dataclass(frozen=True)
class Chinese(ScriptAnalyzer):
    """Chinese text. English words in it are folded and taken apart, but not stemmed: see ``Mixed``.

    ``user_words`` are lines of a dictionary in jieba's format, as ``read_user_dictionary`` returns
    them. Raises SettingsError for a line that is none.
    """

    user_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_user_words(self.user_words)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.user_words,)  # without the segmenter

    @property
    def id(self) -> str:
        return versioned("chinese-1", self.user_words)

    def word(self, run: str) -> Sequence[Span]:
        return plain_word(run[:LONGEST_WORD])

    def han(self, run: str) -> Sequence[Span]:
        return self._segmenter.parts(run)

    def han_terms(self, run: str) -> Iterable[str]:
        return self._segmenter.terms(run)

    def whole(self, text: str) -> Sequence[Span]:
        return self._segmenter.literals.parts(text) if self.user_words else ()

    @cached_property
    def _segmenter(self) -> Segmenter:
        return segmenter(self.user_words)


@lru_cache(maxsize=1 << 14)
def plain_word(run: str) -> tuple[Span, ...]:
    """The forms of a word or compound as they are."""
    return tuple((clip(term), start, end) for term, start, end in parts(run))
