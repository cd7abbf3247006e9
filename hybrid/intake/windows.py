"""Passages to windows that an encoder takes whole: most passages are one; a small encoder cuts within."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hybrid import encoders
from hybrid.ledger.passages import WHOLE, Pieces
from hybrid.types import Document, Encoder


class Window(NamedTuple):
    """A part of a document, ``text[start:end]``, and the text that is ``encoded`` for it: the context of
    its passage, a line break, the part."""

    start: int
    end: int
    encoded: str


def windows(document: Document, pieces: Pieces, encoder: Encoder) -> Iterator[Window]:
    """The windows of a document, in the order of its passages."""
    for piece in pieces:
        context = document.title if len(pieces) == WHOLE else piece.context(document.title)
        within = document.text[piece.start : piece.end]
        for start, end in encoders.cut(within, context, encoder):
            encoded = encoders.compose(context, within[start:end], encoder)
            yield Window(piece.start + start, piece.start + end, encoded)
