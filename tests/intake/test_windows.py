"""Passages to windows of an encoder."""

from __future__ import annotations

from hybrid import encoders
from hybrid.encoders import HashEncoder
from hybrid.intake.passages import pieces
from hybrid.intake.windows import Window, windows
from hybrid.types import Passage
from tests.encoders.test_windows import Words

TEXT = "\n\n".join(f"## Part {i}\n\n" + "one two three four five. " * 20 for i in range(12))


def test_a_short_document_has_the_windows_of_its_whole_text() -> None:
    text, encoder = "one two three. " * 20, Words(12)
    found = windows(text, pieces(text, "title"), encoder)
    assert [window.span for window in found] == encoders.cut(text, "title", encoder)


def test_windows_lie_within_passages_and_carry_their_context() -> None:
    cut, encoder = pieces(TEXT, "Title"), Words(40)
    found = list(windows(TEXT, cut, encoder))
    assert len(found) > len(cut) > 1
    for window in found:
        piece = cut[window.passage]
        assert piece.span.start <= window.span.start < window.span.end <= piece.span.end
        assert window.text == f"{piece.context}\n{TEXT[slice(*window.span)]}"
        assert len(encoder.token_offsets(window.text)) <= encoder.max_tokens
    for number, piece in enumerate(cut):
        own = [window.span for window in found if window.passage == number]
        assert (own[0].start, own[-1].end) == piece.span


def test_an_encoder_without_a_window_takes_passages_whole() -> None:
    cut = pieces(TEXT, "")
    assert [window.span for window in windows(TEXT, cut, HashEncoder())] == [piece.span for piece in cut]


def test_a_document_of_a_title_alone_has_one_window() -> None:
    assert list(windows("", pieces("", "Title"), Words())) == [Window(0, Passage(0, 0), "Title")]
