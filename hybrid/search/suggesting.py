"""Suggestions on a state of an index: every word shown is in a document of it that passes the filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hybrid.analyzers.segment import is_han
from hybrid.lexical.terms import of_query
from hybrid.search.source import Source
from hybrid.suggest import completing, corrections
from hybrid.types import Mask, Suggestion


def suggest(source: Source, query: str | None, allowed: Mask | None) -> Suggestion | None:
    """What may have been meant by ``query``."""
    if query is None:
        return None
    return corrections.suggest(query, source.lookups, Answerable(source, allowed))


def autocomplete(source: Source, text: str, limit: int, allowed: Mask | None) -> list[str]:
    """What ``text`` may become."""
    return completing.autocomplete(text, limit, source.lookups.completions, Answerable(source, allowed))


@dataclass(frozen=True)
class Answerable:
    """The documents among ``allowed``, bool (n,) over ordinals; all if None."""

    source: Source
    allowed: Mask | None

    def __len__(self) -> int:
        return self.source.size if self.allowed is None else int(np.count_nonzero(self.allowed))

    def holding(self, word: str) -> int:
        return self.source.lexical.holding(_tokens(word), self.allowed)

    def holds(self, word: str) -> bool:
        return self.source.lexical.holds(_tokens(word), self.allowed)

    def finding(self, word: str) -> int:
        return self.source.lexical.count(of_query(self.source.analyzer, word), self.allowed)

    def words(self, stretch: str) -> Sequence[tuple[int, int]]:
        return [(start, end) for _, start, end in self.source.analyzer.spans(stretch)]


def _tokens(word: str) -> Sequence[str]:
    """A folded word as `hybrid.analyzers.literal` has it in documents."""
    return list(word) if is_han(word) else [word]
