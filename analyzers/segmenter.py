"""jieba: one table of words a process, one tokenizer a user dictionary."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from hybrid.analyzers.dictionary import Literals, UserWord, parse_user_word
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import clip, is_han
from hybrid.analyzers.stopwords import stop_words

if TYPE_CHECKING:
    from jieba import Tokenizer

_loading = threading.Lock()


def segmenter(user_words: tuple[str, ...] = ()) -> Segmenter:
    """The shared one for these ``user_words``; the first takes a second to load the dictionary."""
    with _loading:
        return _segmenter(user_words)


@lru_cache(maxsize=8)
def _segmenter(user_words: tuple[str, ...]) -> Segmenter:
    return Segmenter([parse_user_word(entry) for entry in user_words])


class Segmenter:
    """Cuts runs of Chinese characters by the words of jieba's dictionary and of the user's.

    As in jieba's search mode a long word also gives the shorter words inside it. jieba's guess at words
    that it does not know (HMM) is off: it cuts one name differently in different sentences, which cost
    .006 nDCG@10 or more on each of three judged collections. Unknown words become single characters.
    """

    def __init__(self, user_words: Sequence[UserWord]) -> None:
        self.literals = Literals([user.word for user in user_words if not is_han(user.word)])
        self._tokenizer = _tokenizer([user for user in user_words if is_han(user.word)])
        self._stop_words = stop_words("zh")
        self._word_parts = lru_cache(maxsize=1 << 16)(self._parts_of_word)

    def parts(self, run: str) -> list[Span]:
        """The terms of a run of Chinese characters, folded before."""
        found: list[Span] = []
        offset = 0
        for word in self._tokenizer.cut(run, HMM=False):
            found += [(term, offset + start, offset + end) for term, start, end in self._word_parts(word)]
            offset += len(word)
        return found

    def _parts_of_word(self, word: str) -> tuple[Span, ...]:
        frequency = self._tokenizer.FREQ
        places = {
            (start, start + size)
            for size in (2, 3)
            for start in range(len(word) - size + 1)
            if frequency.get(word[start : start + size])
        }
        ordered = sorted(places | {(0, len(word))}, key=lambda place: (place[0], -place[1]))
        found = ((clip(word[start:end]), start, end) for start, end in ordered)
        return tuple(span for span in found if span[0] not in self._stop_words)


def _tokenizer(user_words: Sequence[UserWord]) -> Tokenizer:
    tokenizer, table, total = _dictionary()
    if not user_words:
        return tokenizer
    extended = type(tokenizer)()
    extended.FREQ, extended.total, extended.initialized = dict(table), total, True
    for word, frequency in user_words:
        extended.add_word(word, frequency)
    return extended


@cache
def _dictionary() -> tuple[Tokenizer, dict[str, int], int]:
    # Read by hand: Tokenizer.initialize() unmarshals a cache file out of the shared temporary folder,
    # logs to stderr, and is no faster (0.9 s against 0.8 s).
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in its source, pkg_resources
        import jieba
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer, tokenizer.FREQ, tokenizer.total
