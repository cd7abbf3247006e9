"""Where sentences end, in Chinese and English."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import regex

Span: TypeAlias = tuple[int, int]
"""``text[start:end]``, with no blank at either end."""

END: Final = regex.compile(
    r"""
      [。！？；…]++ [”’」』）》"')\]]*+
    | (?: (?<! [!?]) [!?]++
        | (?<! \.) \.{2,}+
        | (?<! \. | \b (?: \p{Lu} | Dr | Mr | Mrs | Ms | Prof | St | No | vs | e\.g | i\.e ) ) \.
      ) [”’"')\]]*+ (?=\s)
    | \n++
    """,
    regex.VERBOSE,
)
"""A match ends where a sentence does; one of line breaks where a line does. Runs of marks are taken whole,
so that a million of them take time in proportion."""


def split(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentences of ``text[start:end]``, also those that it cuts."""
    at = start
    for found in END.finditer(text, start, end + 1):
        if (stop := min(found.end(), end)) > at:
            yield from (span for span in [solid(text, at, stop)] if span[0] < span[1])
            at = stop
    yield from (span for span in [solid(text, at, end)] if span[0] < span[1])


def solid(text: str, start: int, end: int) -> Span:
    """``text[start:end]`` without the blanks at its ends."""
    part = text[start:end]
    lead = len(part) - len(part.lstrip())
    return start + lead, max(start + lead, start + len(part.rstrip()))
