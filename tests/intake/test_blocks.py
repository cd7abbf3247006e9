"""The structure of a text."""

from __future__ import annotations

import pytest

from hybrid.intake.blocks import Block, blocks
from hybrid.ledger.passages import LONGEST_HEADING


def cut(text: str) -> list[str]:
    return [text[block.start : block.end] for block in blocks(text)]


def headings(text: str) -> list[tuple[int, str]]:
    return [(block.level, block.name) for block in blocks(text) if block.level]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" \n\n\u3000\n", []),
        ("one\ntwo\n\nthree", ["one\ntwo", "three"]),
        ("one\r\n\r\ntwo\r\n", ["one", "two"]),
        ("one\n \u3000\ntwo", ["one", "two"]),
        ("page one\fpage two", ["page one", "page two"]),
        ("so:\n- a\n- b\n  more\n* c", ["so:", "- a", "- b\n  more", "* c"]),
        ("1. a\n12. b\n1990. c", ["1. a", "12. b\n1990. c"]),
        ("一、甲\n（二）乙\n3、丙", ["一、甲", "（二）乙", "3、丙"]),
        ("-5 degrees\n*so*", ["-5 degrees\n*so*"]),
        ("# a\nb\n## c", ["# a", "b", "## c"]),
    ],
)
def test_blocks_end_at_blank_lines_pages_items_and_headings(text: str, found: list[str]) -> None:
    assert cut(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("# Guide #", [(1, "Guide")]),
        ("###### deep", [(6, "deep")]),
        ("#tag\n#include <x>\n####### seven", []),
        ("# \n## ##", []),
        ("# C#", [(1, "C#")]),
        ("Guide\n=====\n\nSub\n---\ntext", [(1, "Guide"), (2, "Sub")]),
        ("two\nlines\n---\n", []),
        ("a | b\n--- | ---", []),
        ('<h2 class="x">A <b>b</b></h2>\n<H3>c</H3 >', [(2, "A b"), (3, "c")]),
        ("say <h1>no</h1>\n<h1>not closed", []),
        ("第十二章 起风\n　第3节\n第一卷：上", [(2, "第十二章 起风"), (3, "第3节"), (1, "第一卷：上")]),
        ("第一章讲述了风。\n第三节，她来了。", []),
        ("Chapter 3: The End\n\nCHAPTER IV\n", [(2, "Chapter 3: The End"), (2, "CHAPTER IV")]),
        ("It was in\nchapter 3 of\n\nthe book\nPart 2 of the book\nis long", []),
        ("\f# after a page", [(1, "after a page")]),
        ("# " + "a" * LONGEST_HEADING, [(1, "a" * LONGEST_HEADING)]),
        ("# " + "a" * (LONGEST_HEADING + 1), []),
    ],
)
def test_headings(text: str, found: list[tuple[int, str]]) -> None:
    assert headings(text) == found


def test_fenced_code_is_one_block() -> None:
    code = "```python\n# no heading\n\n- no item\n~~~\n```"
    found = list(blocks(f"so:\n{code}\nafter"))
    assert found == [Block(0, 3), Block(4, 4 + len(code), code=True), Block(5 + len(code), 10 + len(code))]
    longer = "````\n```\n\n```\n````"
    assert [block.code for block in blocks(longer)] == [True]


def test_a_fence_that_nothing_closes_is_a_line() -> None:
    assert cut("```\n# a\n\nb ~~~") == ["```", "# a", "b ~~~"]
    assert cut("````\na\n```\n\nb\n\n```\nc\n```") == ["````\na", "```\n\nb\n\n```", "c\n```"]
    assert not any(block.code for block in blocks("``` inline ```\n\n```"))
