"""Work grows in proportion to what is passed, however it is made up. Sizes are compared with sizes, so that
a slow machine does not matter."""

from __future__ import annotations

import contextlib
import gc
import itertools
import time
from collections.abc import Callable
from functools import partial

import pytest

from hybrid import Document
from hybrid.analyzers import Mixed, by_name
from hybrid.corpora import jsonl
from hybrid.corpora.records import BadRecord
from hybrid.errors import SettingsError
from hybrid.intake.documents import check_batch
from hybrid.intake.passages import pieces
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import parse
from hybrid.query import parse as parse_query


def seconds(work: Callable[[], object]) -> float:
    """The least of two runs, of this thread alone, without collecting the garbage of other tests."""
    best = float("inf")
    gc.disable()
    try:
        for _ in range(2):
            started = time.thread_time()
            work()
            best = min(best, time.thread_time() - started)
    finally:
        gc.enable()
    return best


def grows_in_proportion(work: Callable[[int], object], size: int) -> None:
    """Four times the size takes four times as long, not sixteen; a tenth of a second is noise."""
    work(size)
    small, large = seconds(lambda: work(size)), seconds(lambda: work(4 * size))
    assert large < 10 * small + 0.1, f"{small:.3f} s at {size:,}, {large:.3f} s at {4 * size:,}"


@pytest.mark.parametrize(
    "unit",
    [
        "ﷺ", "㍿", "½", "ſ", "é", "9²", "字", "\u3099", "\U0001f1e6", "\u0e33", "\u1100\u1161",
        "Z\u0301\u0327\u0489\u0340", "a\u0300" * 40 + " ", "\u202e\u2066x\u2069", "\u200b", "\ufe0f",
        "x\u200d", "a.", "1,000,", "a'", "@", "c++", ".net", "&a", "\0", "\ud800",
    ],
)  # fmt: skip
def test_analyzers_take_time_in_proportion(unit: str) -> None:
    analyzer = Mixed(("字字字", "T恤", "a.b"))
    grows_in_proportion(lambda size: analyzer.spans(unit * (size // len(unit))), 6_000)


@pytest.mark.parametrize(
    "unit", ["!", ".", "?!", "。", '."', "J.", "\n", "a\n---\n", "```x\n", "# a\n", "- "]
)
def test_passages_take_time_in_proportion(unit: str) -> None:
    grows_in_proportion(lambda size: pieces(unit * (size // len(unit)) + "x"), 30_000)


def test_user_words_are_looked_up_at_once() -> None:
    words = tuple(f"{letters}字" for letters in map("".join, itertools.product("abcdefgh", repeat=4)))
    few, many = Mixed(words[:4]), Mixed(words)
    text = "The abcd字 quick fox 字 jumped T恤. " * 300
    few.terms(text)
    many.terms(text)
    assert seconds(lambda: many.terms(text)) < 5 * seconds(lambda: few.terms(text)) + 0.1


def test_metadata_takes_time_in_proportion() -> None:
    grows_in_proportion(
        lambda size: check_batch([Document("a", "x", metadata={"k": list(range(size))})]), 2_000
    )
    grows_in_proportion(lambda size: Columns().append(0, {f"a.b{i}": i for i in range(size)}), 2_000)
    grows_in_proportion(lambda size: check_batch([Document("a", "x", metadata={"." * size: 1})]), 200)


def test_filters_take_time_in_proportion() -> None:
    columns = Columns()
    columns.extend((i, {"n": i % 100, "s": f"v{i}"}) for i in range(1000))
    grows_in_proportion(lambda size: parse({"s": {"in": [f"v{i}" for i in range(size)]}}), 10_000)
    grows_in_proportion(
        lambda size: columns.mask(parse({"or": [{"n": i} for i in range(size)]}), 1000), 200
    )


@pytest.mark.parametrize("content", ['{"a":' * 500, "\\ud800" * 500, "[1," * 700, "12345678901234567890,"])
def test_lines_of_json_take_time_in_proportion(content: str) -> None:
    def parse_line(size: int) -> None:
        text = content * (size // len(content))
        with contextlib.suppress(BadRecord):
            jsonl.parse(f'{{"id": "a", "text": "{text}'.encode())
        with contextlib.suppress(BadRecord):
            jsonl.parse(f'{{"id": "a", "text": "{text}"}}'.encode())

    grows_in_proportion(parse_line, 60_000)


def test_user_words_of_any_shape_take_time_in_proportion() -> None:
    for unit in ("字", "\ufdfa", " ", "a ", "1 "):
        grows_in_proportion(partial(_refused, unit), 5_000)


def _refused(unit: str, size: int) -> None:
    with pytest.raises(SettingsError):
        by_name("chinese", [unit * size])


@pytest.mark.parametrize(
    "unit",
    ['("', "、“", ' "\\"', '中"', "(a ", "-(", "a OR ", " title:", "(((()", "^2", "\\", "-aa ", "aa* "],
)
def test_queries_are_read_in_time_in_proportion(unit: str) -> None:
    grows_in_proportion(lambda size: parse_query(unit * (size // len(unit)) + "”"), 20_000)
