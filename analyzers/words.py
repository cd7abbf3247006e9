"""Words of scripts that are written with spaces, as terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from hybrid.analyzers.compounds import LONGEST_WORD, parts
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import RunTerms, clip

_REMEMBERED: Final = 1 << 16  # words
_SHORT: Final = 64  # characters; longer words are not cached


class Words:
    """Splits compounds, drops stop words and reduces the other words to their ``stem``."""

    def __init__(self, stop_words: frozenset[str], stem: Callable[[str], str] = str) -> None:
        self._stop_words, self._stem = stop_words, stem
        self._short = lru_cache(_REMEMBERED)(self._parts)
        self.terms: Callable[[str], RunTerms] = _Remembered(self._terms).__getitem__
        """The terms of a run, and the stop words among its parts."""

    def parts(self, run: str) -> Sequence[Span]:
        """Return the terms of ``run`` with their positions."""
        return self._short(run) if len(run) <= _SHORT else self._parts(run)

    def _parts(self, run: str) -> tuple[Span, ...]:
        kept = (part for part in parts(run[:LONGEST_WORD]) if part[0] not in self._stop_words)
        return tuple((clip(self._stem(term)), start, end) for term, start, end in kept)

    def _terms(self, run: str) -> RunTerms:
        forms = [term for term, _, _ in parts(run[:LONGEST_WORD])]
        stop = self._stop_words
        return tuple(clip(self._stem(t)) for t in forms if t not in stop), tuple(
            t for t in forms if t in stop
        )


class _Remembered(dict[str, RunTerms]):
    """Caches the result for short runs. Takes a third of the time of an lru_cache."""

    def __init__(self, make: Callable[[str], RunTerms]) -> None:
        self._make = make

    def __missing__(self, run: str) -> RunTerms:
        found = self._make(run)
        if len(run) <= _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[run] = found
        return found
