"""Autocomplete: a query that is being typed, its last word completed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from hybrid.analyzers.literal import literal_spans
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import is_han
from hybrid.suggest.completions import Completions
from hybrid.suggest.held import Held

_LONGEST: Final = 8  # Chinese characters that are taken for the beginning of one word
_TRIES: Final = 4  # candidates for each completion that is wanted


def autocomplete(text: str, limit: int, completions: Completions, held: Held) -> list[str]:
    """Up to ``limit`` queries that ``text`` may become, most likely first; what stands before the last word
    stays. Every completed word is in a document that ``held`` knows."""
    for start, prefix in _beginnings(text):
        likely = completions.starting(prefix, _TRIES * limit)
        found: list[str] = []
        for word in likely:
            if len(found) < limit and held.holds(word):
                found.append(_completed(text, start, prefix, word))
        if found:
            return found
    return []


def _beginnings(text: str) -> Iterator[tuple[int, str]]:
    """Where the last word may begin, and its beginning, folded: of Chinese, which has no spaces, the most
    characters first."""
    tokens = literal_spans(text)
    if not tokens or tokens[-1][2] != len(text):
        return
    if not is_han(tokens[-1][0]):
        yield tokens[-1][1], tokens[-1][0]
        return
    tail = tokens[-_LONGEST:]
    for first in range(len(tail)):
        if all(is_han(token) for token, _, _ in tail[first:]) and _joined(tail[first:]):
            yield tail[first][1], "".join(token for token, _, _ in tail[first:])


def _joined(tokens: Sequence[Span]) -> bool:
    return all(one[2] == other[1] for one, other in pairwise(tokens))


def _completed(text: str, start: int, prefix: str, word: str) -> str:
    """What was typed stays as it was typed."""
    return text + word[len(prefix) :] if word.startswith(prefix) else text[:start] + word
