"""The passages of documents, as the ledger keeps them: of those only that are several.

They were cut when a document was added and stay as they are, whatever cuts the next one: both legs, and
what is shown of a hit, agree on them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import orjson

from hybrid.ledger.rows import Rows
from hybrid.order import firsts
from hybrid.ruler import fits
from hybrid.types import Document, Passage

Pieces: TypeAlias = Sequence["Piece"]
Row: TypeAlias = tuple[int, int, bytes, int]
"""Ordinal, number of passages, the passages, and a checksum."""

ROW: Final = "ordinal, count, passages, crc"
"""The columns that ``read`` takes."""
LONGEST_HEADING: Final = 200
"""Characters of a heading, and of a title, that stand before each passage."""
WHOLE: Final = 1
"""The number of passages of a document that was not cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage, ``text[start:end]``, and where it stands: the ``heading`` path that its text is under,
    without the document's title; the ``page`` it begins on, from 1. ``above``: those of the headings whose
    lines stand before the passage, so that it does not hold them itself. With the title they are its
    context."""

    start: int
    end: int
    heading: tuple[str, ...] = ()
    page: int | None = None
    above: tuple[str, ...] = ()

    def context(self, title: str) -> str:
        """What stands before the passage where it is encoded: title and headings above, a line each."""
        return "\n".join([title[:LONGEST_HEADING], *self.above] if title else self.above)

    @property
    def passage(self) -> Passage:
        return Passage(self.start, self.end, self.heading, self.page)


def whole(text: str) -> list[Piece]:
    """All of a text as one passage."""
    return [Piece(0, len(text))]


def with_rows(document: Document, rows: Rows, pieces: Pieces | None) -> Document:
    """``document`` with its ``rows`` as ready-made vectors (n, dim) and its ``pieces``: what an index takes
    back to the bit. Without rows it is cut anew; without pieces (None) the vectors' windows are its
    passages."""
    if not len(rows):
        return replace(document, vector=None, passages=None, text_passages=None)
    spans = [(start, end) for start, end in rows.spans.tolist()]
    own = spans if pieces is None else [(one.start, one.end) for one in pieces]
    return replace(
        document, vector=rows.vectors, passages=spans, text_passages=None if own == spans else own
    )


def covering(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ``spans`` in order, and between them the parts of ``text`` that they leave out and that are not
    blank: no word is lost to the keyword leg."""
    found, at = [], 0
    for start, end in [*sorted(spans), (len(text), len(text) + 1)]:
        gap = text[at:start]
        if gap.strip():
            found.append((at + len(gap) - len(gap.lstrip()), at + len(gap.rstrip())))
        if end <= len(text):
            found.append((start, end))
        at = max(at, end)
    return found


def windows(rows: Rows, texts: Callable[[list[int]], Sequence[str]]) -> Iterator[tuple[int, list[Piece]]]:
    """The ordinals of long documents with several vectors, and as their passages the windows of these.
    ``texts`` reads the texts of some ordinals."""
    if rows.aligned:
        return
    starts = np.flatnonzero(firsts(rows.ordinals))
    ends = np.append(starts[1:], len(rows))
    many = ends - starts > WHOLE
    for start, end in zip(starts[many].tolist(), ends[many].tolist(), strict=True):
        ordinal = int(rows.ordinals[start])
        (text,) = texts([ordinal])
        if not fits(text):
            spans = [(first, last) for first, last in rows.spans[start:end].tolist()]
            yield ordinal, [Piece(*span) for span in covering(text, spans)]


def row(ordinal: int, pieces: Pieces) -> Row:
    """A row of the table. Paths of headings stand in it once."""
    paths: dict[tuple[str, ...], int] = {}
    listed = [
        (one.start, one.end, one.page, paths.setdefault(one.heading, len(paths)), len(one.above))
        for one in pieces
    ]
    body = orjson.dumps([list(paths), listed])
    return ordinal, len(pieces), body, zlib.crc32(body, ordinal)


def read(ordinal: int, count: int, body: bytes, crc: int) -> list[Piece]:
    """The passages of a row. ValueError where it is damaged."""
    if zlib.crc32(body, ordinal) != crc:
        raise ValueError(f"the passages of document number {ordinal} are damaged")
    paths, listed = orjson.loads(body)
    headings = [tuple(path) for path in paths]
    pieces = [
        Piece(start, end, headings[path], page, headings[path][:above])
        for start, end, page, path, above in listed
    ]
    if len(pieces) != count:
        raise ValueError(f"the passages of document number {ordinal} are not as many as were written")
    return pieces
