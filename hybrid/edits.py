"""Which of many words are a few edits away from one, all compared at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LONGEST: Final = 64  # characters


def within(word: str, words: Sequence[tuple[str, int]], edits: int) -> list[tuple[str, int]]:
    """Those of ``words``, pairs whose first is the word, that are at most ``edits`` away from ``word``, in
    their order."""
    near = [pair for pair in words if abs(len(pair[0]) - len(word)) <= edits]
    if not near or len(word) > _LONGEST:
        return []
    away = distances(word, [other for other, _ in near]).tolist()
    return [pair for pair, distance in zip(near, away, strict=True) if distance <= edits]


def distances(word: str, others: Sequence[str]) -> NDArray[np.int16]:
    """The optimal string alignment distance of ``word`` to each: insertions, deletions, replacements, and
    swaps of neighbours. Rows of the usual table, for all words at once: table[i] is (n, longest + 1)."""
    lengths = np.array([len(other) for other in others])
    longest = int(lengths.max())
    letters = np.array(others, f"<U{longest}").view(np.uint32).reshape(len(others), longest)
    codes = [ord(letter) for letter in word]
    start = np.repeat(np.arange(longest + 1, dtype=np.int16)[None], len(others), axis=0)
    before, last = start, start
    for i, code in enumerate(codes):
        row = np.empty_like(start)
        row[:, 0] = i + 1
        for j in range(longest):
            row[:, j + 1] = np.minimum(
                np.minimum(last[:, j + 1], row[:, j]) + 1, last[:, j] + (letters[:, j] != code)
            )
            if i and j:
                swapped = (letters[:, j] == codes[i - 1]) & (letters[:, j - 1] == code)
                row[swapped, j + 1] = np.minimum(row[swapped, j + 1], before[swapped, j - 1] + 1)
        before, last = last, row
    found: NDArray[np.int16] = last[np.arange(len(others)), lengths]
    return found
