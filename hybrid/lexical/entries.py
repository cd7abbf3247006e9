"""Find the entries of a list in a query, token by token."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TypeAlias

Entry: TypeAlias = tuple[str, ...]


def standing(tokens: Sequence[str], text: Sequence[str]) -> Iterator[int]:
    """The places at which ``tokens`` stand side by side in the tokens of a text."""
    size = len(tokens)
    for place, token in enumerate(text):
        if token == tokens[0] and text[place : place + size] == tokens:
            yield place


def recognised(tokens: Entry, known: Collection[Entry]) -> Iterator[Entry]:
    """The entries among ``known`` that stand in ``tokens``, in order: at each place the longest, and none
    overlaps another."""
    sizes = sorted({len(entry) for entry in known}, reverse=True)
    at = 0
    while at < len(tokens):
        size = next((size for size in sizes if tokens[at : at + size] in known), 0)
        if size:
            yield tokens[at : at + size]
        at += size or 1
