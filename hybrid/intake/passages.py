"""A document cut once into passages, on its structure: the rows of both legs.

No encoder is asked, so that an index without one, or with another, has the same passages. Lengths are in
units that stand for tokens: 4,000 Latin or 1,400 Chinese characters are a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import regex

from hybrid import sentences
from hybrid.intake.blocks import Block, blocks
from hybrid.intake.documents import check_passages
from hybrid.intake.outline import Outline
from hybrid.ledger.passages import Piece, covering, whole
from hybrid.limits import shown
from hybrid.ruler import NARROW, WHOLE, Ruler, fits
from hybrid.types import Document, Passage

_MOST: Final = WHOLE // 2
"""Of a part of a block that is cut."""
_LEAST: Final = _MOST // 4
"""Less is a crumb."""
_LONGEST: Final = _MOST + _LEAST
"""A block of more is cut: one of hardly more than ``_MOST`` would fall into small halves."""
_SPACES: Final = regex.compile(r"\s++")


def pieces(text: str, title: str = "", spans: Sequence[tuple[int, int]] | None = None) -> list[Piece]:
    """The passages of a document, in order: it is cut, or they are given as ``spans``. One that is all of
    the text has no heading and no page."""
    if spans is None and fits(text):
        return whole(text)
    structure = list(blocks(text))
    outline = Outline.of(text, structure)
    if spans is None:
        spans = list(_cut(text, structure)) or [(0, 0)]
    return [
        Piece(start, end) if (start, end) == (0, len(text)) else _placed(start, end, outline, title)
        for start, end in spans
    ]


def _placed(start: int, end: int, outline: Outline, title: str) -> Piece:
    path = [heading for heading in outline.path(start) if heading.name != title.strip()]
    above = tuple(heading.name for heading in path if heading.start < start)
    return Piece(start, end, tuple(heading.name for heading in path), outline.page(start), above)


def cut(document: Document) -> list[Piece]:
    """The passages of a document: those given with its vectors, and what text they leave out; or else it is
    cut. Raises DocumentError for given ones that are no parts of its text."""
    given = document.passages if document.text_passages is None else document.text_passages
    if given is None or document.vector is None:
        return pieces(document.text, document.title)
    where = f"document {shown(document.id)}"
    checked = check_passages(given, len(given), document.text, where).tolist()
    spans = covering(document.text, [(start, end) for start, end in checked])
    return pieces(document.text, document.title, spans or [(0, 0)])


# -- cutting


class _Stretch(NamedTuple):
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
    ruler = Ruler(text)
    for stretch in _joined(ruler, structure):
        yield from _parts(text, ruler, stretch) if stretch.long else [Passage(stretch.start, stretch.end)]


def _joined(ruler: Ruler, structure: Iterable[Block]) -> Iterator[_Stretch]:
    last: _Stretch | None = None
    before: _Stretch | None = None
    for start, end, _, _, code in structure:
        long = ruler.length(start, end) > _LONGEST
        if last is not None and ruler.length(last.start, start) < _LEAST:
            last = _Stretch(last.start, end, ruler.length(last.start, end), long, code)
            continue
        if before is not None:
            yield before
        before, last = last, _Stretch(start, end, ruler.length(start, end), long, code)
    if before is not None and last is not None and last.length < _LEAST:
        length = ruler.length(before.start, last.end)
        if length <= _LONGEST:  # so that the one before is not long
            before, last = before._replace(end=last.end, length=length), None
    yield from (one for one in (before, last) if one is not None)


def _parts(text: str, ruler: Ruler, stretch: _Stretch) -> Iterator[Passage]:
    at, left = stretch.start, stretch.length
    while left > _MOST:
        end = _end(text, ruler, at, left / -(-left // _MOST), stretch.code)
        yield from _solid(text, at, end)
        at, left = end, ruler.length(end, stretch.end)
    yield from _solid(text, at, stretch.end)


def _end(text: str, ruler: Ruler, start: int, share: float, code: bool) -> int:
    """The place to cut at that is nearest to ``share`` units from ``start``, at least half of them and at
    most ``_MOST``: where a sentence ends, or else a line, or a word."""
    before = ruler.lengths(start, _MOST // NARROW)
    low = start + int(np.searchsorted(before, share / 2))
    high = start + int(np.searchsorted(before, _MOST, "right")) - 1
    ends: list[int] = []
    lines: list[int] = []
    for found in sentences.END.finditer(text, low, high + 1):  # which looks at the character after an end
        (lines if found[0][-1] == "\n" else ends).append(found.end())
    words = (found.end() for found in _SPACES.finditer(text, low, high))
    for choice in (lines, ends, words) if code else (ends, lines, words):
        if places := [place - start for place in choice if low < place <= high]:
            return start + places[int(np.argmin(np.abs(before[places] - share)))]
    return start + int(np.searchsorted(before, share))


def _solid(text: str, start: int, end: int) -> Iterator[Passage]:
    """The stretch without the blanks at its ends, unless it is nothing else."""
    part = text[start:end]
    if part and not part.isspace():
        yield Passage(start + len(part) - len(part.lstrip()), start + len(part.rstrip()))
