"""Words that differ from a misspelt one by few edits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.analyzers.segment import is_han
from hybrid.suggest.edits import distances
from hybrid.suggest.near import Near
from hybrid.suggest.vocabulary import Vocabulary

SHORT: Final = 5
"""Letters from which on a word is compared, with one edit."""

LONG: Final = 9
"""Letters from which on two edits are looked for, or one of the first letter, which counts double."""

_LONGEST: Final = 40
_CLOSE: Final = 16  # candidates that are handed on
_LIKELIER: Final = 5
_Bits: TypeAlias = NDArray[np.uint64]


def edits(word: str) -> int:
    """How many edits are allowed. None for words that are short, endless, or not of letters alone."""
    if not word.isalpha() or not SHORT <= len(word) <= _LONGEST:
        return 0
    return 1 if len(word) < LONG else 2


class Spelling:
    """Compares with the words of a vocabulary that consist of letters.

    A candidate begins with the same letter, or differs by nothing else, since a change of the first letter
    counts double. Of those that begin alike, length, letters and pairs of letters (sets of 64 bits) leave
    some dozens, whose distance is worked out.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        places = [place for place, word in enumerate(vocabulary.words) if _wordy(word)]
        self._words = [vocabulary.words[place] for place in places]
        self._counts = vocabulary.counts[places]
        self._lengths = np.fromiter(map(len, self._words), np.int64, len(places))
        self._letters, self._pairs = _sets(self._words, self._lengths)
        self._initials = sorted({word[0] for word in self._words})

    def near(self, word: str) -> list[Near]:
        """The words that few edits make of ``word``, nearest first, equals by how many documents hold them;
        ``word`` itself is left out. That a letter is missing or two are exchanged is likelier than any one
        of the many letters that may be too much or wrong (the noisy channel of Kernighan, Church and Gale,
        COLING 1990)."""
        most = edits(word)
        found = {*self._alike(word, most), *self._otherwise_begun(word)} if most else set()
        order = sorted(found, key=lambda near: (near.edits, -near.documents * _chance(word, near.word)))
        return order[:_CLOSE]

    def _alike(self, word: str, most: int) -> Iterator[Near]:
        first, end = (bisect_left(self._words, start) for start in (word[0], chr(ord(word[0]) + 1)))
        part = slice(first, end)
        letters, pairs = _sets([word], np.array([len(word)]))
        likely = (
            (np.abs(self._lengths[part] - len(word)) <= most)
            & (np.bitwise_count(self._letters[part] ^ letters) <= 2 * most)
            & (np.bitwise_count(self._pairs[part] ^ pairs) <= 6 * most)
        )
        places = (np.flatnonzero(likely) + first).tolist()
        others = [self._words[place] for place in places]
        away = distances(word, others).tolist() if others else []
        for place, other, distance in zip(places, others, away, strict=True):
            if 0 < distance <= most and not _continues(word, other):
                yield Near(other, distance, int(self._counts[place]))

    def _otherwise_begun(self, word: str) -> Iterator[Near]:
        """Words that another first letter, one more, one less, or the first two exchanged make of it."""
        if edits(word) < 2:
            return
        forms = {word[1:], word[1] + word[0] + word[2:]}
        forms |= {first + rest for first in self._initials for rest in (word, word[1:])}
        for form in forms - {word}:
            place = bisect_left(self._words, form)
            if place < len(self._words) and self._words[place] == form:
                yield Near(form, 2, int(self._counts[place]))


def _continues(word: str, other: str) -> bool:
    """Whether ``word`` is rather another form of ``other``, as leaky of leak; not by a letter twice."""
    return word.startswith(other) and set(word[len(other) :]) != {other[-1]}


def _chance(word: str, meant: str) -> int:
    return _LIKELIER if len(meant) > len(word) or sorted(meant) == sorted(word) else 1


def _wordy(word: str) -> bool:
    return SHORT - 1 <= len(word) <= _LONGEST + 2 and word.isalpha() and not is_han(word[0])


def _sets(words: Sequence[str], lengths: NDArray[np.int64]) -> tuple[_Bits, _Bits]:
    """For each word the set of its letters, and of its pairs of neighbours, uint64 (n,): a bit for each of
    64 classes."""
    if not words:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    letters = np.frombuffer("".join(words).encode("utf-32-le"), np.uint32).astype(np.uint64)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    pairs = letters * np.uint64(37) + np.roll(letters, 1)
    pairs[starts] = pairs[np.minimum(starts + 1, len(pairs) - 1)]  # not across words
    return _union(letters, starts), _union(pairs, starts)


def _union(codes: _Bits, starts: NDArray[np.int64]) -> _Bits:
    found: _Bits = np.bitwise_or.reduceat(np.uint64(1) << (codes & np.uint64(63)), starts)
    return found
