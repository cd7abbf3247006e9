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
    steps = np.arange(longest + 1, dtype=np.int16)
    before = last = np.repeat(steps[None], len(others), axis=0)
    for i, code in enumerate(codes):
        row = last + 1
        row[:, 1:] = np.minimum(row[:, 1:], last[:, :-1] + (letters != code))
        if i:
            swapped = (letters[:, 1:] == codes[i - 1]) & (letters[:, :-1] == code)
            row[:, 2:] = np.where(swapped, np.minimum(row[:, 2:], before[:, :-2] + 1), row[:, 2:])
        row = np.minimum.accumulate(row - steps, axis=1) + steps  # letters inserted
        before, last = last, row
    found: NDArray[np.int16] = last[np.arange(len(others)), lengths]
    return found
