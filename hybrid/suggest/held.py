"""What is asked of the documents that may be answered, before a word of theirs is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Held(Protocol):
    """The living documents of a state of an index that pass a filter."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def holding(self, word: str) -> int:
        """How many hold ``word``, or a stretch of Chinese characters, as it is written."""
        ...

    def holds(self, word: str) -> bool:
        """Whether any does; quicker than to count them."""
        ...

    def finding(self, word: str) -> int:
        """How many a keyword search for ``word`` finds: those with other forms of it, too."""
        ...

    def words(self, stretch: str) -> Sequence[tuple[int, int]]:
        """The words of a stretch of Chinese characters, as the analyzer has them; they may overlap."""
        ...
