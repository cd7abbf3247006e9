"""Texts token by token."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.analyzers.literal import literal, literal_spans

TEXTS = st.text(max_size=60) | st.text("降噪耳機乾隆着著 abC,'é²½ﬁＡ", max_size=40)


def test_tokens() -> None:
    assert literal("The state-of-the-art C++, AT&T") == [
        "the",
        "state",
        "of",
        "the",
        "art",
        "c++",
        "at",
        "t",
    ]
    assert literal("降噪耳機 iPhone15手机壳") == [*"降噪耳机", "iphone15", *"手机壳"]
    assert literal("Café ﬁne ＡＢＣ") == ["cafe", "fine", "abc"]


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_spans_are_the_same_tokens_and_each_can_be_a_term(text: str) -> None:
    spans = literal_spans(text)
    assert [token for token, _, _ in spans] == literal(text)
    assert all(token.split() == [token] and len(token.encode()) <= 255 for token in literal(text))
    assert all(0 <= start < end <= len(text) for _, start, end in spans)


@settings(max_examples=200, deadline=None)
@given(st.text("降噪耳機乾隆燥着著名髮发", min_size=1, max_size=30), st.data())
def test_any_stretch_of_chinese_has_the_tokens_that_it_has_in_its_text(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    assert literal(text[start:end]) == literal(text)[start:end]
