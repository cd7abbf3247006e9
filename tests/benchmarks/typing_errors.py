"""Misspelt words, as people type them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from random import Random
from string import ascii_lowercase

from hybrid.analyzers.segment import is_han
from hybrid.suggest.pinyin import pinyin
from hybrid.suggest.vocabulary import Vocabulary


def misspelt(word: str, random: Random) -> str:
    """One letter after the first more, less, or another, or two exchanged; each as likely."""
    at = random.randrange(1, len(word))
    kind = random.randrange(4)
    if kind == 0:
        return word[:at] + random.choice(ascii_lowercase) + word[at:]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + random.choice(ascii_lowercase) + word[at + 1 :]
    return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]


class Misread:
    """Replaces one character of a Chinese word by another that is read alike and occurs in the
    vocabulary."""

    def __init__(self, words: Sequence[str]) -> None:
        self._alike: dict[str, list[str]] = defaultdict(list)
        for one in sorted({character for word in words for character in word}):
            self._alike[pinyin(one)[0]].append(one)

    def __call__(self, word: str, random: Random) -> str:
        """The word itself where there is no such character, or the whole would be read otherwise."""
        at, read = random.randrange(len(word)), pinyin(word)
        made = word[:at] + random.choice(self._alike[read[at]] or [word[at]]) + word[at + 1 :]
        return made if pinyin(made) == read else word


def typos(
    vocabulary: Vocabulary, language: str, number: int, known: Callable[[str], bool], seed: int = 7
) -> Iterator[tuple[str, str]]:
    """``number`` words that at least two documents hold, drawn as often as documents hold them, each with a
    misspelling that is not ``known``: of English words of six letters or more, of Chinese words of two to
    four characters."""
    random, counts = Random(seed), dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True))
    fits = _chinese if language == "zh" else _english
    words = [word for word in vocabulary.words if counts[word] > 1 and fits(word)]
    if not words:
        return
    spoil = Misread(words) if language == "zh" else misspelt
    weights = [counts[word] for word in words]
    tries = 0
    while number and tries < 100_000:
        tries += 1
        word = random.choices(words, weights)[0]
        typo = spoil(word, random)
        if len(typo) < (2 if language == "zh" else 5) or typo == word or known(typo):
            continue
        number -= 1
        yield word, typo


def _english(word: str) -> bool:
    return word.isascii() and word.isalpha() and len(word) >= 6


def _chinese(word: str) -> bool:
    return is_han(word) and 2 <= len(word) <= 4
