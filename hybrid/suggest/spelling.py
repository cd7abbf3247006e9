"""Words that differ from a misspelt one by few edits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.analyzers.segment import is_han
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
        for place in (np.flatnonzero(likely) + first).tolist():
            distance = osa(word, self._words[place], most)
            if 0 < distance <= most:
                yield Near(self._words[place], distance, int(self._counts[place]))

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


def osa(a: str, b: str, most: int) -> int:
    """The optimal string alignment distance: insertions, deletions, substitutions, and transpositions of
    two neighbours, no letter edited twice; ``most`` + 1 for any larger one. Damerau, CACM 1964."""
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    a, b = a[start:], b[start:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    if not a or not b or most < 2:
        one = max(len(a), len(b))
        return 1 if (len(a), len(b)) == (2, 2) and a == b[::-1] else min(one, most + 1)
    return min(_distance(a, b), most + 1)


def _distance(a: str, b: str) -> int:
    """A row for each letter of ``a``, a cell for each beginning of ``b``."""
    before, last = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        row = [i]
        for j, other in enumerate(b, start=1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and other == a[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


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
