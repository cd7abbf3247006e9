"""Chinese: jieba's words and the words inside them, stop words, a user dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import Any

from hybrid.analyzers.compounds import parts
from hybrid.analyzers.dictionary import Literals, parse_user_word, versioned
from hybrid.analyzers.segment import Part, ScriptAnalyzer, clip


@dataclass(frozen=True)
class Chinese(ScriptAnalyzer):
    """Chinese text. English words in it are folded and taken apart, but not stemmed: see ``Mixed``.

    ``user_words`` are lines of a dictionary in jieba's format (``read_user_dictionary``). Raises
    SettingsError for a line that is none.
    """

    user_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for entry in self.user_words:
            parse_user_word(entry)

    def __reduce__(self) -> tuple[type[Chinese], tuple[Any, ...]]:
        return type(self), (self.user_words,)  # without the segmenter, which holds locks

    @property
    def id(self) -> str:
        return versioned("chinese-1", self.user_words)

    def word(self, run: str) -> Sequence[Part]:
        return plain_word(run)

    def han(self, run: str) -> Sequence[Part]:
        return self._segmenter.parts(run)

    def whole(self, text: str) -> Sequence[Part]:
        return self._segmenter.literals.parts(text)

    @cached_property
    def _segmenter(self) -> Segmenter:
        return _segmenter(self.user_words)


@lru_cache(maxsize=1 << 14)
def plain_word(run: str) -> tuple[Part, ...]:
    """The forms of a word or compound, as they are."""
    return tuple(Part(clip(term), start, end) for term, start, end in parts(run))


class Segmenter:
    """Cuts runs of Chinese characters into words by jieba's dictionary and that of the user.

    jieba's model for unknown names (HMM) is off: it cuts the same name differently in different
    sentences, which cost .006 to .01 nDCG@10 on three judged collections. What the dictionary does
    not know becomes single characters, in documents and queries alike.
    """

    def __init__(self, user_words: tuple[str, ...]) -> None:
        from hybrid.analyzers.jieba_dictionary import load_tokenizer

        words = [parse_user_word(entry) for entry in user_words]
        self.literals = Literals([word for word, _ in words if not _is_han(word)])
        self._tokenizer = load_tokenizer([word for word in words if _is_han(word.word)])
        self._stop_words = stop_words()
        self._terms = lru_cache(maxsize=1 << 16)(self._word_parts)

    def parts(self, run: str) -> list[Part]:
        found = []
        offset = 0
        for word in self._tokenizer.cut(run, HMM=False):
            found += [Part(term, offset + start, offset + end) for term, start, end in self._terms(word)]
            offset += len(word)
        return found
