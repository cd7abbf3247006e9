"""Stretches of a text that begin and end where sentences do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hybrid.sentences import END, Span, solid

_REACH: Final = 400
"""Characters that the end of a sentence is looked for in."""


def whole_sentences(text: str, start: int, end: int) -> Span:
    """``text[start:end]``, and the rest of the sentences that it cuts, unless they are long."""
    low, high = max(0, start - _REACH), min(len(text), end + _REACH)
    before = [found.end() for found in END.finditer(text, low, start + 1) if found.end() <= start]
    ends = (found.end() for found in END.finditer(text, max(start, end - _REACH), high + 1))
    first = before[-1] if before else 0 if low == 0 else start
    last = next((place for place in ends if place >= end), len(text) if high == len(text) else end)
    return solid(text, first, last)


def fitting(parts: list[Span], anchor: int, room: int, cost: Callable[[Span], int]) -> Span | None:
    """As many of ``parts`` around that at ``anchor`` as cost no more than ``room`` together; None where
    that one alone does not fit."""
    low = high = anchor
    left = room - cost(parts[anchor])
    if left < 0:
        return None
    after, before = True, True
    while after or before:
        if after := after and high + 1 < len(parts) and (price := cost(parts[high + 1])) <= left:
            high, left = high + 1, left - price
        if before := before and low > 0 and (price := cost(parts[low - 1])) <= left:
            low, left = low - 1, left - price
    return parts[low][0], parts[high][1]
