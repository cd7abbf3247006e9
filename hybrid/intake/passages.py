"""A document cut once into passages, on its structure: the rows of both legs.

No encoder is asked, so that an index without one, or with another, has the same passages. Lengths are in
units that stand for tokens: 4,000 Latin or 1,400 Chinese characters are a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import regex
from numpy.typing import NDArray

from hybrid import sentences
from hybrid.intake.blocks import Block, blocks
from hybrid.intake.outline import Outline
from hybrid.types import Passage

_NARROW: Final = 7
"""Units of a character: 28 are a token of 4 Latin characters, or of 1.4 Chinese ones."""
_WIDE: Final = 20
_FIRST_WIDE: Final = 0x2E80  # Chinese, Japanese and Korean, with their punctuation, begin here
_WHOLE: Final = 28_000
"""A document of at most a thousand tokens is one passage: to cut abstracts costs (BM25 on scifact, nDCG@10
.700 as they are, .692 cut at 1,000 characters)."""
_MOST: Final = _WHOLE // 2
"""Of a part of a block that is cut."""
_LEAST: Final = _MOST // 4
"""Less is a crumb."""
_LONGEST: Final = _MOST + _LEAST
"""A block of more is cut: one of hardly more than ``_MOST`` would fall into small halves."""
_SLICE: Final = 1 << 16  # characters measured at once
_SPACES: Final = regex.compile(r"\s++")


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage, ``text[start:end]``, and where it stands: the ``heading`` path that its text is under,
    without the document's title; the ``page`` it begins on, from 1. ``above``: those of the headings whose
    lines stand before the passage, so that it does not hold them itself. With the title they are its
    context."""

    span: Passage
    heading: tuple[str, ...] = ()
    page: int | None = None
    above: tuple[str, ...] = ()

    def context(self, title: str) -> str:
        """What stands before the passage where it is encoded: title and headings above, a line each."""
        return "\n".join([title, *self.above] if title else self.above)


def pieces(text: str, title: str = "", spans: Sequence[Passage] | None = None) -> list[Piece]:
    """The passages of a document, in order: it is cut, or they are given as ``spans``. All of a text as one
    passage has no heading and no page."""
    if spans is None and _fits(text):
        return [Piece(Passage(0, len(text)))]
    structure = list(blocks(text))
    outline = Outline.of(text, structure)
    spans = list(_cut(text, structure)) if spans is None else spans
    return [
        Piece(span) if tuple(span) == (0, len(text)) else _placed(span, outline, title)
        for span in spans or [Passage(0, 0)]
    ]


def _placed(span: Passage, outline: Outline, title: str) -> Piece:
    path = [heading for heading in outline.path(span.start) if heading.name != title.strip()]
    above = tuple(heading.name for heading in path if heading.start < span.start)
    return Piece(span, tuple(heading.name for heading in path), outline.page(span.start), above)


# -- cutting


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Some blocks in a row and their ``length``. One block that is too long by itself, of ``code`` or not,
    may be among them, as the last: then it is ``long``."""

    start: int
    end: int
    length: int
    long: bool
    code: bool


def _cut(text: str, structure: Iterable[Block]) -> Iterator[Passage]:
    """Blocks are passages; crumbs join the next block, the last one that before it. A block that is too
    long by itself is cut into even parts, with the crumbs before it; no other is."""
    for stretch in _joined(text, structure):
        yield from _parts(text, stretch) if stretch.long else [Passage(stretch.start, stretch.end)]


def _joined(text: str, structure: Iterable[Block]) -> Iterator[_Stretch]:
    last: _Stretch | None = None
    before: _Stretch | None = None
    for block in structure:
        length = _length(text, block.start, block.end)
        one = _Stretch(block.start, block.end, length, length > _LONGEST, block.code)
        if last is not None and last.length + (gap := _length(text, last.end, one.start)) < _LEAST:
            last = replace(one, start=last.start, length=last.length + gap + length)
            continue
        if before is not None:
            yield before
        before, last = last, one
    if before is not None and last is not None and not before.long:
        length = before.length + _length(text, before.end, last.start) + last.length
        if last.length < _LEAST and length <= _LONGEST:
            before, last = replace(before, end=last.end, length=length), None
    yield from (one for one in (before, last) if one is not None)


def _parts(text: str, stretch: _Stretch) -> Iterator[Passage]:
    at, left = stretch.start, stretch.length
    while left > _MOST:
        end = _end(text, at, left / -(-left // _MOST), stretch.code)
        yield from _solid(text, at, end)
        at, left = end, left - _length(text, at, end)
    yield from _solid(text, at, stretch.end)


def _end(text: str, start: int, share: float, code: bool) -> int:
    """The place to cut at that is nearest to ``share`` units from ``start``, at least half of them and at
    most ``_MOST``: where a sentence ends, or else a line, or a word."""
    before = np.r_[0, np.cumsum(_units(text[start : start + _MOST // _NARROW]))]
    low = start + int(np.searchsorted(before, share / 2))
    high = start + int(np.searchsorted(before, _MOST, "right")) - 1
    ends: list[int] = []
    lines: list[int] = []
    for found in sentences.END.finditer(text, low, high + 1):  # which looks at the character after an end
        (lines if found[0][-1] == "\n" else ends).append(found.end())
    words = (found.end() for found in _SPACES.finditer(text, low, high))
    for choice in (lines, ends, words) if code else (ends, lines, words):
        if places := [place for place in choice if low < place <= high]:
            return min(places, key=lambda place: abs(before[place - start] - share))
    return start + int(np.searchsorted(before, share))


def _solid(text: str, start: int, end: int) -> Iterator[Passage]:
    """The stretch without the blanks at its ends, unless it is nothing else."""
    part = text[start:end]
    if part and not part.isspace():
        yield Passage(start + len(part) - len(part.lstrip()), start + len(part.rstrip()))


# -- lengths


def _fits(text: str) -> bool:
    return len(text) * _WIDE <= _WHOLE or (
        len(text) * _NARROW <= _WHOLE and _length(text, 0, len(text)) <= _WHOLE
    )


def _length(text: str, start: int, end: int) -> int:
    """The units of ``text[start:end]``."""
    return sum(
        int(_units(text[at : min(at + _SLICE, end)]).sum(dtype=np.int64))
        for at in range(start, end, _SLICE)
    )


def _units(text: str) -> NDArray[np.int64]:
    """Of each character."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.where(codes >= _FIRST_WIDE, _WIDE, _NARROW)
