"""Chinese and English in one text, as in "iPhone15手机壳": each script goes its own way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from hybrid.analyzers.chinese import Chinese
from hybrid.analyzers.dictionary import check_user_words, versioned
from hybrid.analyzers.english import English
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import ScriptAnalyzer

_ENGLISH = English()


@dataclass(frozen=True)
class Mixed(ScriptAnalyzer):
    """Chinese characters as ``Chinese`` has them, all other words as ``English`` has them.

    ``user_words`` as for ``Chinese``.
    """

    user_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_user_words(self.user_words)

    @property
    def id(self) -> str:
        return versioned("mixed-1", self.user_words)

    def word(self, run: str) -> Sequence[Span]:
        return _ENGLISH.word(run)

    def word_terms(self, run: str) -> Sequence[str]:
        return _ENGLISH.word_terms(run)

    def han_terms(self, run: str) -> Iterable[str]:
        return self._chinese.han_terms(run)

    def han(self, run: str) -> Sequence[Span]:
        return self._chinese.han(run)

    def whole(self, text: str) -> Sequence[Span]:
        return self._chinese.whole(text)

    @cached_property
    def _chinese(self) -> Chinese:
        return Chinese(self.user_words)
