"""The words of a state of an index."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

import numpy as np


class Vocabulary:
    """Folded words, ascending, and about how many documents hold each, int64 (n,). The counts order
    candidates, which are then held against the documents."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.words = sorted(counts)
        self.counts = np.fromiter((counts[word] for word in self.words), np.int64, len(counts))
        self.largest = int(self.counts.max(initial=0))

    def __len__(self) -> int:
        return len(self.words)

    def count(self, word: str) -> int:
        """About how many documents hold ``word``; 0 for a word that is not listed."""
        place = bisect_left(self.words, word)
        known = place < len(self.words) and self.words[place] == word
        return int(self.counts[place]) if known else 0
