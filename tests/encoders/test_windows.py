"""Long texts to windows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid import sentences
from hybrid.encoders import Bundle, HashEncoder, compose, cut
from hybrid.encoders.tokens import PIECE
from hybrid.types import Matrix, Passage
from tests.encoder_models import bundle_of_letters


@pytest.fixture
def letters(tmp_path: Path) -> Bundle:
    return bundle_of_letters(tmp_path / "letters")


class Words:
    """An encoder whose tokens are words or single Chinese characters."""

    id = "words"
    dim = 1

    def __init__(self, max_tokens: int = 12) -> None:
        self.max_tokens = max_tokens

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        spans = [found.span() for found in regex.finditer(r"\p{Han}|[^\s\p{Han}]+", text)]
        return np.array(spans, np.int64).reshape(-1, 2)

    def documents(self, texts: Sequence[str]) -> Matrix:
        return np.ones((len(texts), 1), np.float32)

    def queries(self, texts: Sequence[str]) -> Matrix:
        return self.documents(texts)


def pieces(text: str, title: str = "", max_tokens: int = 12) -> list[str]:
    return [text[start:end] for start, end in cut(text, title, Words(max_tokens))]


def test_what_fits_is_not_cut() -> None:
    assert cut("one two three", "", Words()) == [Passage(0, 13)]
    assert cut("", "title", Words()) == [Passage(0, 0)]
    assert cut("word " * 500, "title", HashEncoder()) == [Passage(0, 2500)]


def test_windows_end_at_sentences_and_overlap_by_one() -> None:
    text = "a b c d e f. g h. i j k l m. n o."
    assert pieces(text) == ["a b c d e f. g h. ", "g h. i j k l m. n o."]


def test_chinese_sentences() -> None:
    text = "今天天气很好。走吧！好的，走。"
    assert pieces(text, max_tokens=16) == ["今天天气很好。走吧！", "走吧！好的，走。"]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Pi is 3.14 today. Yes.", ["Pi is 3.14 today.", " Yes."]),
        ("Dr. Who met J. Doe. Fine!", ["Dr. Who met J. Doe.", " Fine!"]),
        ("他说：“走吧。”然后离开了。", ["他说：“走吧。”", "然后离开了。"]),
        ("line one\nline two", ["line one\n", "line two"]),
        ("Really?! Yes (sure.) Go", ["Really?!", " Yes (sure.)", " Go"]),
        ("see example.com now", ["see example.com now"]),
    ],
)
def test_where_sentences_end(text: str, ends: list[str]) -> None:
    bounds = [0, *(found.end() for found in sentences.END.finditer(text)), len(text)]
    assert [text[a:b] for a, b in pairwise(bounds) if a < b] == ends


def test_a_text_without_sentences_is_cut_all_the_same() -> None:
    text = " ".join(str(i) for i in range(100))
    windows = pieces(text, max_tokens=18)
    assert [len(window.split()) for window in windows[:-1]] == [16] * (len(windows) - 1)
    assert windows[1].split()[:2] == windows[0].split()[-2:]  # an eighth of 16


def test_the_title_takes_room_in_each_window() -> None:
    text = " ".join("x" * 30)
    assert all(len(window.split()) <= 20 - 2 - 3 for window in pieces(text, "a fine title", 20))


def test_a_long_title_takes_a_quarter_of_a_window() -> None:
    encoder, title, text = Words(20), " ".join("t" * 40), " ".join("x" * 40)
    for start, end in cut(text, title, encoder):
        whole = compose(title, text[start:end], encoder)
        assert whole.startswith("t t t t t \nx")
        assert len(encoder.token_offsets(whole)) <= 20


def test_compose() -> None:
    assert compose("Title", "text") == "Title\ntext"
    assert compose("", "text") == "text"
    assert compose("Title", "") == "Title"
    assert compose("a b c d e f g", "x", Words()) == "a b c d e f g\nx"


TEXT = st.text(
    st.sampled_from(list("abcdefgh 123") * 3 + list(" .!?\n。！？；…，你好世界ﬁ😀\u3000\x00")), max_size=400
)


@example(" ", "a title of six words is", 3)
@given(
    text=TEXT, title=st.sampled_from(["", "t", "a title of six words is"]), max_tokens=st.integers(3, 40)
)
def test_windows_cover_the_text_in_order_within_the_budget(text: str, title: str, max_tokens: int) -> None:
    encoder = Words(max_tokens)
    windows = cut(text, title, encoder)
    assert windows[0].start == 0
    assert windows[-1].end == len(text)
    for before, after in pairwise(windows):
        assert before.start < after.start <= before.end < after.end
    for start, end in windows:
        room = max(1, max_tokens - min(len(encoder.token_offsets(title)), max_tokens // 4))
        assert len(encoder.token_offsets(text[start:end])) <= room


def test_megabytes_are_cut_in_pieces(letters: Bundle) -> None:
    text = ("abc defg. " * 100 + "甲乙丙。" * 10) * 300 + "a" * (3 * PIECE) + "。end"
    windows = cut(text, "", letters)
    assert windows[-1].end == len(text)
    assert len(text) / 40 < len(windows) < len(text) / 5
    letters.documents([text[start:end] for start, end in windows[-2:]])
