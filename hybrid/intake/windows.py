"""Passages to windows that an encoder takes whole: most passages are one; a small encoder cuts within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hybrid import encoders
from hybrid.intake.passages import Piece
from hybrid.types import Encoder, Passage


class Window(NamedTuple):
    """A stretch ``span`` of a document, within its ``passage``th passage from 0, and the ``text`` that is
    encoded for it: the passage's context, a line break, the stretch."""

    passage: int
    span: Passage
    text: str


def windows(text: str, pieces: Iterable[Piece], encoder: Encoder) -> Iterator[Window]:
    """The windows of a document, in the order of its passages."""
    for number, piece in enumerate(pieces):
        first, last = piece.span
        within = text[first:last]
        for start, end in encoders.cut(within, piece.context, encoder):
            encoded = encoders.compose(piece.context, within[start:end], encoder)
            yield Window(number, Passage(first + start, first + end), encoded)
