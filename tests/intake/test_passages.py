"""Documents to passages."""

from __future__ import annotations

import re
import sys
import tracemalloc
from collections import Counter
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid.intake.passages import pieces
from hybrid.ledger.passages import LONGEST_HEADING, Piece
from hybrid.texts import clean
from hybrid.types import Passage

TOKENS = 28  # units of one
BOUND = (500 + 125 + 125) * TOKENS  # the longest block that stays whole, with a crumb before it


def units(text: str) -> int:
    return sum(20 if ord(sign) >= 0x2E80 else 7 for sign in text)


def cut(text: str) -> list[str]:
    return [text[start:end] for (start, end), *_ in map(of, pieces(text))]


def of(piece: Piece) -> tuple[Passage, tuple[str, ...], int | None]:
    return piece.passage, piece.heading, piece.page


def prose(tokens: int, sentence: str = "It is so and so. ") -> str:
    """Sentences of some ``tokens`` in all."""
    return (sentence * (1 + tokens * TOKENS // units(sentence)))[: tokens * 4].strip()


def chinese(characters: int) -> str:
    return ("今天天气很好，我们去公园走走。" * (1 + characters // 15))[:characters]


@pytest.mark.parametrize("text", ["", " ", "short", "a" * 4000, "字" * 1400, "a" * 2000 + "字" * 700])
def test_up_to_a_thousand_tokens_a_document_is_one_passage(text: str) -> None:
    assert pieces(text, "title") == [Piece(0, len(text))]


@pytest.mark.parametrize("text", ["a" * 4001, "字" * 1401, "a" * 2001 + "字" * 700])
def test_one_character_more_and_it_is_cut(text: str) -> None:
    assert len(pieces(text)) > 1


def test_paragraphs_are_passages() -> None:
    paragraphs = [prose(200), prose(500), prose(300), chinese(400)]
    assert cut("\n\n".join(paragraphs)) == paragraphs


def test_crumbs_join_the_next_block_and_the_last_one_that_before() -> None:
    text = f"{prose(1000)}\n\nCrumb.\n\n{prose(300)}\n\nLast."
    *_, last = cut(text)
    assert last == f"Crumb.\n\n{prose(300)}\n\nLast."


def test_a_crumb_does_not_join_across_a_void() -> None:
    void = "\n" * 3000
    assert cut(f"{prose(600)}{void}Crumb.{void}{prose(600)}{void}Last.") == [
        prose(600), "Crumb.", prose(600), "Last.",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [prose(3000), chinese(4200)])
def test_long_blocks_are_cut_evenly_at_sentence_ends(text: str) -> None:
    found = cut(text)
    assert len(found) == pytest.approx(3000 / 500, abs=1)
    assert all(part[-1] in ".。" for part in found[:-1])
    lengths = [units(part) / TOKENS for part in found]
    assert min(lengths) > 0.8 * max(lengths)
    assert max(lengths) <= 500


def test_without_sentence_ends_lines_and_then_words_are_kept_whole() -> None:
    words = cut("word " * 2000)
    assert all(re.fullmatch(r"(word ?)+", part) for part in words)
    rows = cut("a line of some words\n" * 500)
    assert all(line == "a line of some words" for part in rows for line in part.split("\n"))
    assert {len(part) for part in cut("x" * 8000)} == {2000}


def test_code_is_not_cut_unless_too_long() -> None:
    code = "```\n" + "call(x); \n\n" * 200 + "```"  # 550 tokens
    text = f"{prose(490)}\n\nFor example:\n{code}\n\n{prose(400)}"
    assert f"For example:\n{code}" in cut(text)
    long = "```\n" + "if x: y(); z. \n" * 1000 + "```"
    lines = [line for part in cut(long) for line in part.split("\n")]
    assert set(lines) == {"```", "if x: y(); z. ", "if x: y(); z."}


def test_headings_and_pages() -> None:
    text = (
        f"# The Guide\n\n{prose(200)}\f## Install\n\n### On Linux\n\n{prose(200)}\n\n{prose(200)}"
        f"\f\n## Use\n\n{prose(600)}"
    )
    found = pieces(text, "The Guide")
    assert [piece.heading for piece in found] == [
        (), ("Install", "On Linux"), ("Install", "On Linux"), ("Use",),
    ]  # fmt: skip
    assert [piece.page for piece in found] == [1, 2, 2, 3]
    assert [piece.context("The Guide") for piece in found] == [
        "The Guide", "The Guide", "The Guide\nInstall\nOn Linux", "The Guide",
    ]  # fmt: skip
    assert [piece.context("") for piece in pieces(text)][2] == "The Guide\nInstall\nOn Linux"


def test_a_long_text_without_pages_has_none() -> None:
    assert {piece.page for piece in pieces(prose(2000))} == {None}


def test_a_cut_document_s_long_title_is_shortened() -> None:
    assert {piece.context("t" * 10_000) for piece in pieces(prose(2000))} == {"t" * LONGEST_HEADING}


def test_given_passages_are_placed() -> None:
    text = f"# One\n{prose(20)}\n# Two\n{prose(20)}"
    two = text.index("# Two")
    spans = [Passage(two + 6, len(text)), Passage(two, len(text)), Passage(8, 12), Passage(0, len(text))]
    found = pieces(text, "T", spans)
    assert [piece.passage for piece in found] == spans
    assert [piece.heading for piece in found] == [("Two",), ("Two",), ("One",), ()]
    assert [piece.context("T") for piece in found] == ["T\nTwo", "T", "T\nOne", "T"]
    assert pieces(text, "T", []) == []


def test_a_long_text_of_nothing_is_one_empty_passage() -> None:
    assert pieces("\n" * 10_000, "title") == [Piece(0, 0)]


MARKS = (
    "# One\n",
    "## Two\n",
    "\n\n",
    "\f",
    "\r\n\r\n",
    "- item\n",
    "```\n",
    "~~~\n",
    "第二章 风\n",
    "---\n",
)
UNITS = "It is so. ", "今天天气很好。", "word ", "好", "x", "😀", "e\u0301", "\u3000", "\ud800", " "
PART = st.one_of(
    st.sampled_from(MARKS),
    st.sampled_from(UNITS).flatmap(lambda unit: st.integers(1, 600).map(lambda n: unit * n)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PART, max_size=30))
def test_passages_are_in_order_hold_all_and_are_not_too_long(parts: list[str]) -> None:
    text = clean("".join(parts))
    found = [piece.passage for piece in pieces(text)]
    assert found[0].start >= 0
    assert found[-1].end <= len(text)
    assert all(before.end <= after.start for before, after in pairwise(found))
    between = [0, *(place for span in found for place in span), len(text)]
    assert not "".join(text[a:b] for a, b in zip(between[::2], between[1::2], strict=True)).strip()
    if found != [(0, len(text))]:
        for start, end in found:
            assert text[start:end] == text[start:end].strip()
            assert units(text[start:end]) <= BOUND
            assert end > start or len(found) == 1
    # Crumbs are not left apart without need: two in a row only across a void.
    assert len(found) <= 2 + 2 * units(text) // (125 * TOKENS)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=8), st.booleans())
def test_fences_are_not_split(lengths: list[int], han: bool) -> None:
    line = "变量甲等于乙；\n" if han else "x = f(y). z\n"
    fences = ["```\n" + line * (length * TOKENS // units(line)) + "```" for length in lengths]
    text = f"{prose(900)}\n\n" + "\n\ntext. \n".join(fences)
    found = [piece.passage for piece in pieces(text)]
    at = 0
    for fence in fences:
        at = text.index(fence, at)
        if units(fence) <= 625 * TOKENS:
            assert any(start <= at and at + len(fence) <= end for start, end in found)
        at += len(fence)


HOSTILE = (
    *("\n", "a\n", "a\n\n", "# a\n", "###### a\n", "- a\n", "```x\n", "```\n", "~~~~\n", "\f", "\f\n"),
    *("a\n---\n", "<h1>a</h1>\n", "<h1>a\n", "第一章\n", "Chapter 1\n\n"),
    *("word ", "x", "字", "字。", "!", "...", "\u3000\n", "1. "),
)  # fmt: skip


def calls(text: str) -> Counter[str]:
    """How often each function is called while the text is cut."""
    found: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            found[frame.f_code.co_name] += 1
        elif event == "c_call":
            closing = str(getattr(argument.__self__, "pattern", "")).endswith(",}[^\\S\\n]*$")
            found["closing" if closing else argument.__name__] += 1

    sys.setprofile(count)
    try:
        pieces(text, "title")
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("unit", HOSTILE)
def test_work_grows_with_the_text(unit: str) -> None:
    small, large = (calls(unit * (size // len(unit))) for size in (16_000, 64_000))
    assert large.total() < 6 * small.total()  # sixteen times where it is quadratic


def test_a_text_is_searched_for_the_ends_of_fences_a_few_times() -> None:
    longer = "".join("`" * length + "x\n" for length in range(200, 2, -1))
    assert calls("```x\n" * 5_000 + longer)["closing"] <= 8
    assert calls(longer + "~\n" * 5_000)["closing"] <= 8


@pytest.mark.parametrize("unit", ["word ", "字", "# a\n", "a\n\n"])
def test_memory_is_bounded_by_the_text(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    tracemalloc.start()
    pieces(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * len(text)
