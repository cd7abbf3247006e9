"""Chinese: jieba's words and the words inside them, stop words, a user dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from hybrid.analyzers.dictionary import check_user_words, folded_words
from hybrid.analyzers.identity import former_identity, identity
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import ScriptAnalyzer
from hybrid.analyzers.segmenter import Segmenter, segmenter
from hybrid.analyzers.stopwords import DEFAULT, StopWords, check_stop_words, chosen
from hybrid.analyzers.words import Words


@dataclass(frozen=True)
class Chinese(ScriptAnalyzer):
    """Chinese text. English words in it are folded and split, but not stemmed: see ``Mixed``.

    ``user_words`` are lines of a dictionary in jieba's format, as ``read_user_dictionary`` returns
    them; ``stop_words`` replaces the built-in list, None turns stop words off. A user word is never a
    stop word. Raises SettingsError for an invalid line.
    """

    user_words: tuple[str, ...] = ()
    stop_words: StopWords = DEFAULT

    def __post_init__(self) -> None:
        check_user_words(self.user_words)
        check_stop_words(self.stop_words)

    @property
    def id(self) -> str:
        return identity("chinese", self.user_words, self.stop_words)

    @property
    def former_id(self) -> str | None:
        return former_identity("chinese", self.user_words, self.stop_words)

    @cached_property
    def words(self) -> Words:
        own = () if self.stop_words == DEFAULT else self.stop_words
        return Words(chosen(own, "zh", folded_words(self.user_words)))

    @cached_property
    def han(self) -> Segmenter:
        stop_words = chosen(self.stop_words, "zh", folded_words(self.user_words))
        return segmenter(self.user_words, stop_words)

    def whole(self, text: str) -> Sequence[Span]:
        return self.han.literals.parts(text) if self.user_words else ()
