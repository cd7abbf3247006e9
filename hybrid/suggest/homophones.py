"""Chinese words that are read as another stretch of characters is."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from hybrid.analyzers.segment import is_han
from hybrid.suggest.near import Near
from hybrid.suggest.pinyin import pinyin
from hybrid.suggest.vocabulary import Vocabulary

LONGEST: Final = 8
"""Characters of a word that is compared."""

_CLOSE: Final = 16  # candidates that are handed on


class Homophones:
    """The words of a vocabulary by their pinyin."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._words: dict[tuple[str, ...], list[Near]] = defaultdict(list)
        for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True):
            if 2 <= len(word) <= LONGEST and is_han(word):
                self._words[pinyin(word)].append(Near(word, 0, count))

    def near(self, stretch: str) -> list[Near]:
        """The words that are read like ``stretch``, those with fewest other characters first, then those
        that most documents hold. ``stretch`` itself is left out."""
        found = [
            Near(word, sum(a != b for a, b in zip(word, stretch, strict=True)), documents)
            for word, _, documents in self._words.get(pinyin(stretch), ())
            if word != stretch
        ]
        return sorted(found, key=lambda near: (near.edits, -near.documents, near.word))[:_CLOSE]
