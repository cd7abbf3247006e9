"""Passages to windows of an encoder."""

from __future__ import annotations

from hybrid import Document, encoders
from hybrid.encoders import HashEncoder
from hybrid.intake.passages import pieces
from hybrid.intake.windows import Window, windows
from tests.encoders.test_windows import Words

TEXT = "\n\n".join(f"## Part {i}\n\n" + "one two three four five. " * 20 for i in range(12))
BOOK = Document("book", TEXT, "Title")


def test_a_short_document_has_the_windows_of_its_whole_text() -> None:
    short, encoder = Document("short", "one two three. " * 20, "title"), Words(12)
    found = windows(short, pieces(short.text, "title"), encoder)
    assert [(one.start, one.end) for one in found] == encoders.cut(short.text, "title", encoder)


def test_windows_lie_within_passages_and_carry_their_context() -> None:
    cut, encoder = pieces(TEXT, "Title"), Words(40)
    found = list(windows(BOOK, cut, encoder))
    assert len(found) > len(cut) > 1
    for piece in cut:
        own = [one for one in found if piece.start <= one.start < piece.end]
        assert (own[0].start, max(one.end for one in own)) == (piece.start, piece.end)
        for window in own:
            assert window.encoded == f"{piece.context('Title')}\n{TEXT[window.start : window.end]}"
            assert len(encoder.token_offsets(window.encoded)) <= encoder.max_tokens


def test_an_encoder_without_a_window_takes_passages_whole() -> None:
    cut = pieces(TEXT, "")
    found = windows(Document("book", TEXT), cut, HashEncoder())
    assert [(one.start, one.end) for one in found] == [(one.start, one.end) for one in cut]


def test_a_document_of_a_title_alone_has_one_window() -> None:
    assert list(windows(Document("a", "", "Title"), pieces("", "Title"), Words())) == [
        Window(0, 0, "Title")
    ]
