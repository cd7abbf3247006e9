"""Under which headings, and on which page, a place in a text stands."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Self

from hybrid.intake.blocks import Block


class Outline:
    """The headings and pages of one text."""

    def __init__(
        self, headings: list[Block], parents: list[int], last: list[int], feeds: list[int]
    ) -> None:
        """Of each heading the number of the one above it, -1 for none, and that of the ``last`` with
        nothing but headings between; where the form feeds are."""
        self._headings, self._parents, self._last, self._feeds = headings, parents, last, feeds
        self._starts = [heading.start for heading in headings]

    @classmethod
    def of(cls, text: str, blocks: Sequence[Block]) -> Self:
        headings: list[Block] = []
        parents: list[int] = []
        run: list[int] = []  # the first of the headings that follow one another, for each
        path: list[int] = []
        for before, block in zip([None, *blocks], blocks, strict=False):
            if not block.level:
                continue
            while path and headings[path[-1]].level >= block.level:
                path.pop()
            parents.append(path[-1] if path else -1)
            path.append(len(headings))
            run.append(run[-1] if before and before.level else len(headings))
            headings.append(block)
        last = {first: number for number, first in enumerate(run)}
        feeds = [place for place, sign in enumerate(text) if sign == "\f"] if "\f" in text else []
        return cls(headings, parents, [last[first] for first in run], feeds)

    def path(self, start: int) -> list[Block]:
        """The headings, from the top, that what begins at ``start`` stands under. A passage that begins
        with headings stands under these."""
        number = bisect_right(self._starts, start) - 1
        if number >= 0 and self._starts[number] == start:
            number = self._last[number]
        found = []
        while number >= 0:
            found.append(self._headings[number])
            number = self._parents[number]
        return found[::-1]

    def page(self, start: int) -> int | None:
        """From 1; None in a text without pages."""
        return bisect_right(self._feeds, start) + 1 if self._feeds else None
