"""Near-duplicates: texts that share most of their shingles."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, TypeAlias

from hybrid.types import Analyzer

Shingles: TypeAlias = frozenset[tuple[str, ...]]

SHINGLE: Final = 3
"""Terms in a row."""
ALIKE: Final = 0.8
"""The resemblance from which on two texts are near-duplicates."""


def shingles(terms: Sequence[str]) -> Shingles:
    """Every ``SHINGLE`` terms in a row; fewer terms are one shingle."""
    last = max(1, len(terms) - SHINGLE + 1)
    return frozenset(tuple(terms[at : at + SHINGLE]) for at in range(last))


class Seen:
    """Texts, to be compared with others. The resemblance of two is the Jaccard index of their sets of
    shingles, the terms of an analyzer three in a row. Broder, "On the resemblance and containment of
    documents", 1997."""

    def __init__(self, analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._sizes: list[int] = []
        self._having: dict[tuple[str, ...], list[int]] = defaultdict(list)

    def shingles(self, text: str) -> Shingles:
        """The shingles of a text; one without terms is its own."""
        return shingles(self._analyzer.terms(text) or [text])

    def like(self, shingles: Shingles) -> bool:
        """Whether one of the texts is a near-duplicate."""
        shared = Counter(number for one in shingles for number in self._having.get(one, ()))
        return any(
            both >= ALIKE * (len(shingles) + self._sizes[number] - both) for number, both in shared.items()
        )

    def add(self, shingles: Shingles) -> None:
        for one in shingles:
            self._having[one].append(len(self._sizes))
        self._sizes.append(len(shingles))
