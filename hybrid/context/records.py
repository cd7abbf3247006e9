"""A context: numbered passages, and the text that a prompt takes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_LONGEST: Final = 200
"""Characters of a title, and of a path of headings, in a prompt."""


@dataclass(frozen=True, slots=True)
class NumberedPassage:
    """A part of a document, ``text``, which is the characters from ``start`` to ``end`` of the document's
    text. ``number`` counts from 1; ``id`` and ``title`` are the document's; ``heading``: the path of
    headings above it; ``page``: the page where it begins, from 1. ``relevance``: the probability, 0 to 1,
    that the document is relevant; None without a calibration."""

    number: int
    id: str
    title: str
    heading: tuple[str, ...]
    page: int | None
    start: int
    end: int
    text: str
    relevance: float | None

    @property
    def header(self) -> str:
        """The line above it in a prompt: ``[1] Title › heading (page 3)``. The id stands for a title that
        there is not."""
        names = _line(self.title), _line(" › ".join(self.heading))
        where = " › ".join(filter(None, names)) or _line(self.id)
        return f"[{self.number}] {where}" + ("" if self.page is None else f" (page {self.page})")

    def __str__(self) -> str:
        return f"{self.header}\n{self.text}"


def _line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]


@dataclass(frozen=True, slots=True)
class Context:
    """The passages to answer ``query`` from. ``tokens``: what ``text`` counts to. ``abstained``: whether
    nothing was found that is relevant enough, so that it is better to answer nothing; the passages are
    empty then. ``reason``: why there are none, or why it never abstains; else None. Iterates over its
    passages; false where it has none."""

    query: str | None
    passages: tuple[NumberedPassage, ...]
    tokens: int
    abstained: bool
    reason: str | None

    @property
    def text(self) -> str:
        """All passages for a prompt, each below its header. They are text of documents: tell the model to
        follow no instruction in them."""
        return render(self.passages)

    def __iter__(self) -> Iterator[NumberedPassage]:
        return iter(self.passages)

    def __len__(self) -> int:
        return len(self.passages)


def render(passages: tuple[NumberedPassage, ...]) -> str:
    return "\n\n".join(map(str, passages))
