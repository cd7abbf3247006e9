"""Highlights stand where the query's words are, and nothing of a text is more than text."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hybrid import Document, Index, MemoryIndex
from hybrid.analyzers import Mixed
from hybrid.errors import QueryError
from hybrid.search import highlights
from hybrid.search.highlights import MOST, SIZE, Highlighter
from hybrid.types import Fragment, Highlights, Passage

ANALYZER = Mixed()
WORDS = st.sampled_from(
    [
        "kettle",
        "Kettles",
        "running",
        "ＫＥＴＴＬＥ",
        "wi-fi",
        "水壺",
        "电热水壶",
        "降噪耳机",
        "，",
        "。",
        ". ",
        " ",
        "\n",
        "<b>",
        "&",
    ]
)
TEXTS = st.lists(WORDS, max_size=40).map("".join)


def highlighted(query: str, text: str, title: str = "", passage: Passage | None = None) -> Highlights:
    return Highlighter(ANALYZER, query)(Document("1", text, title), passage)


def marked(fragment: Fragment) -> list[str]:
    return [part for part, is_marked in fragment.parts() if is_marked]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("universities", "A University of many universities.", ["University", "universities"]),
        ("kettle", "ＫＥＴＴＬＥ and kettles", ["ＫＥＴＴＬＥ", "kettles"]),
        ("水壶", "不锈钢電熱水壺", ["水壺"]),
        ("wifi", "the Wi-Fi box", ["Wi-Fi"]),
        ("to be", "To be, or not to be. Beer.", ["To", "be", "to", "be"]),
        ("你好", "你好，世界", ["你好"]),
        ("absent", "a kettle", []),
        ("", "a kettle", []),
    ],
)
def test_words_are_marked_in_all_their_forms(query: str, text: str, expected: list[str]) -> None:
    assert marked(highlighted(query, text).snippet) == expected


def test_neighbours_are_one_mark_and_the_title_has_its_own() -> None:
    found = highlighted("降噪耳机", "主动降噪耳机,续航三十小时", "耳机")
    assert (marked(found.snippet), marked(found.title)) == (["降噪耳机"], ["耳机"])


@given(query=TEXTS, text=TEXTS, title=TEXTS)
def test_offsets_point_at_what_they_claim(query: str, text: str, title: str) -> None:
    found = highlighted(query, text, title)
    for fragment in found.fragments:
        assert text[fragment.start : fragment.start + len(fragment.text)] == fragment.text
        assert fragment.before == (fragment.start > 0)
        assert fragment.after == (fragment.start + len(fragment.text) < len(text))
    for fragment in (found.title, *found.fragments):
        assert "".join(part for part, _ in fragment.parts()) == fragment.text
        assert all(a.end < b.start for a, b in zip(fragment.marks, fragment.marks[1:], strict=False))
        assert all(part for part in marked(fragment))


@given(text=st.text(st.sampled_from("<>&\"'abc kettle/"), max_size=60))
def test_html_has_no_tags_but_ours(text: str) -> None:
    html = highlighted("kettle", text).snippet.html()
    plain = re.sub(r"</?mark>", "", html)
    assert not re.search("[<>]", plain)
    assert unescape(plain) == highlighted("kettle", text).snippet.text


def test_a_text_does_not_command_a_terminal() -> None:
    said = highlighted("kettle", "red\x1b[31m kettle\nx\x07\x9b").snippet.terminal()
    assert said == "red\ufffd[31m \x1b[1mkettle\x1b[22m x\ufffd\ufffd"


def test_the_best_fragment_shows_most_different_words() -> None:
    text = (
        "A kettle. A kettle, a kettle. "
        + "Filler here. " * 40
        + "One steel kettle, of 2 l. "
        + "More. " * 50
    )
    found = highlighted("kettle of steel", text)
    assert found.snippet.text.startswith("One steel kettle")
    assert len(found.snippet.text) <= SIZE
    assert [marked(fragment) for fragment in found.fragments] == [["steel", "kettle"], ["kettle"] * 3]


def test_rarer_words_weigh_more() -> None:
    text = "A kettle, with a lid. " + "Filler here. " * 40 + "Some vanadium."
    rare = {"kettl": 0.2, "lid": 0.3, "vanadium": 4.0}
    found = Highlighter(ANALYZER, "kettle lid vanadium", weights=lambda: rare)(Document("1", text), None)
    assert [marked(fragment) for fragment in found.fragments] == [["vanadium"], ["kettle", "lid"]]
    assert marked(highlighted("kettle lid vanadium", text).snippet) == ["kettle", "lid"]


def counts(texts: Sequence[str]) -> NDArray[np.float32]:
    """Of how many a, b, c, … a text is."""
    letters = [[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
    return np.array(letters, np.float32) + 0.01


@pytest.mark.parametrize("made", ["index", "memory"])
@pytest.mark.parametrize("mode", ["hybrid", "vector"])
def test_without_a_word_the_nearest_sentence_is_shown(tmp_path: Path, made: str, mode: Any) -> None:
    read: list[str] = []

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        read.extend(texts)
        return counts(texts)

    maker: Any = MemoryIndex if made == "memory" else partial(Index.create, tmp_path / "idx")
    text = "Boats lay in mud. Gale! ...  Quizzes vex a jinx.\n\nThe tide came back. Nobody left."
    with maker(encoder=encode) as index:
        index.add([Document("1", text)])
        read.clear()
        for query, options, says in (
            ("qqzzzxx", {"sentences": 9}, "Quizzes vex"),
            ("qqzzzxx", {"sentences": 2}, "Gale!"),
            ("qqzzzxx", {}, "Boats lay"),
            ("qqzzzxx tides", {"sentences": 9}, "The tide"),
        ):
            (hit,) = index.search(query, mode=mode, **options).hits
            assert len(read) <= 1  # the query
            assert hit.highlights.snippet.text.startswith(says)
            assert len(read) <= 1 + min(5, options.get("sentences", 0))
            assert not {text, "..."} & set(read)
            read.clear()
        for bad in (-1, 65, True, "1"):
            with pytest.raises(QueryError, match="sentences"):
                index.search("x", sentences=bad)


def test_among_equals_the_passage_decides() -> None:
    text = "A kettle. " + "Filler here. " * 40 + "Another kettle."
    at = text.index("Another")
    assert highlighted("kettle", text, passage=Passage(at, len(text))).snippet.text == "Another kettle."
    assert highlighted("kettle", text).snippet.start == 0


def test_without_a_word_the_passage_is_shown() -> None:
    text = "Nothing. " * 50
    assert highlighted("kettle", text, passage=Passage(90, 200)).snippet.start == 90
    assert highlighted("kettle", "").fragments == ()
    assert highlighted("kettle", "").snippet == Fragment("")


def test_of_a_long_text_the_likely_blocks_are_analysed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    spans = Mixed.spans
    monkeypatch.setattr(Mixed, "spans", lambda self, text: read.append(text) or spans(self, text))  # type: ignore[func-returns-value]
    text = "不相干的文字。" * 100_000 + "Universities sell 不锈钢水壶。" + "不相干的文字。" * 100_000
    found = highlighted("university 水壶", text, passage=Passage(3_000, 5_000))
    assert marked(found.snippet) == ["Universities", "水壶"]
    assert sum(map(len, read)) < 2 * MOST
    read.clear()
    highlighted("文字", text)
    assert sum(map(len, read)) < 2 * MOST


def test_blocks_do_not_cut_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ("kettle " * 400)[: MOST - 1]
    whole = Highlighter(ANALYZER, "kettle").matches(text)
    monkeypatch.setattr(highlights, "MOST", 2_000)
    found = Highlighter(ANALYZER, "kettle").matches(text)
    assert set(found) <= set(whole)
    assert len(found) > 250


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
def test_hits_have_highlights_and_are_plain_records_all_the_same(tmp_path: Path, mode: str) -> None:
    document = Document("1", "A kettle of steel.", "Kettles", vector=[1.0, 0.0])
    with Index.create(tmp_path / "idx", encoder=None) as index:
        memory = MemoryIndex()
        for one in (index, memory):
            one.add([document])
        (mine,), (its,) = (
            one.search("steel kettle", vector=[1.0, 0.0], mode=mode).hits  # type: ignore[arg-type]
            for one in (index, memory)
        )
    assert mine.document == its.document == document
    assert mine.highlights == its.highlights
    assert mine.highlights is not None
    assert mine.highlights.snippet.html() == "A <mark>kettle</mark> of <mark>steel</mark>."
    assert pickle.loads(pickle.dumps(mine)) == mine
    assert pickle.loads(pickle.dumps(mine)).highlights is None
    assert set(asdict(mine)) == {"id", "score", "rank", "document", "passages", "relevance", "folded"}
