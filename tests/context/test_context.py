"""A context keeps its budget and its word: offsets, whole sentences, no near-duplicates, abstention."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import Document, Index, MemoryIndex, sentences
from hybrid.context import Context, estimate
from hybrid.errors import QueryError
from hybrid.rerank.calibration import SIGNALS, Calibration, Logistic
from tests.contracts.index import letters

WORDS = ("harbour", "boat", "tide", "treasure", "cook", "lamp", "灯塔", "水手", "船", "宝藏")


def book() -> Document:
    """Sixty days of some 900 characters; day 41 alone names the treasure."""
    filler = "The harbour was quiet and the boats lay in the mud until the tide came back. "
    days = [f"## Day {n}\n\nEntry {n}. {filler * 12}" for n in range(60)]
    days[41] += "Then the cook found the treasure beneath the lighthouse. "
    return Document("book", "\f".join(["\n\n".join(days[:30]), "\n\n".join(days[30:])]), "Diary")


def made(*documents: Document, **settings: Any) -> MemoryIndex:
    index = MemoryIndex(**settings)
    index.add(documents)
    return index


def spans(context: Context) -> list[tuple[str, int, int]]:
    return [(one.id, one.start, one.end) for one in context]


LIBRARY = made(book(), Document("map", "A treasure lies beneath a tree, says the old map.", "Old map"))


# -- passages


def test_a_context_is_ready_for_a_prompt() -> None:
    found = LIBRARY.context("cook treasure lighthouse", tokens=100)
    assert found.text.startswith("[1] Diary › Day 41 (page 2)\n")
    assert found.passages[0].text.endswith("Then the cook found the treasure beneath the lighthouse.")
    assert (found.passages[0].heading, found.passages[0].page) == (("Day 41",), 2)
    wide = LIBRARY.context("cook treasure lighthouse")
    assert wide.text.endswith("\n\n[2] Old map\nA treasure lies beneath a tree, says the old map.")
    assert [one.number for one in wide] == [1, 2]


@pytest.mark.parametrize("neighbours", [0, 1, 2, 3])
def test_neighbours_are_merged_with_what_they_touch(neighbours: int) -> None:
    found = LIBRARY.context("cook lighthouse", neighbours=neighbours, tokens=10_000)
    days = range(41 - neighbours, 42 + neighbours)
    assert len(found) == 1
    assert [f"Entry {day}." in found.text for day in range(60)] == [day in days for day in range(60)]


def test_passages_of_a_document_are_bounded() -> None:
    for most in (1, 2, 5):
        found = LIBRARY.context("entry 3 20 44 50 55", per_document=most, neighbours=0, tokens=10_000)
        assert len(found) == most
        assert spans(found) == sorted(spans(found))


def test_the_order_is_that_of_the_document_or_of_the_scores() -> None:
    asked: dict[str, Any] = {"query": "entry 50 50 3", "neighbours": 0, "per_document": 2}
    by_place = LIBRARY.context(**asked)
    by_score = LIBRARY.context(**asked, order="score")
    first = LIBRARY.search("entry 50 50 3").hits[0].passages
    assert spans(by_score)[0][1] == first[0].start
    assert sorted(spans(by_score)) == spans(by_place)


def test_near_duplicates_are_dropped_and_the_better_one_stays() -> None:
    text = " ".join(f"word{n}" for n in range(60))
    index = made(
        Document("a", f"treasure {text}"),
        Document("b", f"treasure {text} treasure"),
        Document("c", "treasure and something else"),
        Document("d", "treasure and something else!"),
    )
    found = index.context("treasure")
    best = [hit.id for hit in index.search("treasure")]
    assert len(found) == 2
    assert {one.id for one in found} == {min("ab", key=best.index), min("cd", key=best.index)}


def test_passages_that_cut_sentences_are_mended() -> None:
    text = "The cook sang. The boat left at noon today. It rained."
    vectors = letters([text, text, text])
    index = made(Document("1", text, vector=vectors, passages=[(0, 20), (20, 30), (30, len(text))]))
    found = index.context("left", mode="lexical", neighbours=0)
    assert [one.text for one in found] == ["The boat left at noon today."]


def test_a_long_stretch_without_sentences_is_left_out() -> None:
    index = made(Document("1", "treasure " * 3_000), Document("2", "One treasure."))
    found = index.context("treasure", tokens=30, mode="lexical")
    assert [one.id for one in found] == ["2"]


# -- the budget


def documents(seed: int) -> list[Document]:
    """Short and long ones, some with headings, some hardly with sentences."""
    draw = random.Random(seed)
    made = []
    for number in range(draw.randint(1, 5)):
        marks = draw.choice([[". "], [". ", "。", "!\n", "\n\n", "\n\n# Head\n\n"], [" "] * 30 + ["? "]])
        sentences = (
            " ".join(draw.choices(WORDS, k=draw.randint(1, 12))) for _ in range(draw.choice([3, 30, 200]))
        )
        text = "".join(sentence + draw.choice(marks) for sentence in sentences)
        made.append(Document(str(number), text, draw.choice(["", "Log"])))
    return made


COUNTERS: list[Callable[[str], int] | None] = [
    None,
    len,
    lambda text: len(text.split()),
    lambda text: len(text) // 3 + len(text) ** 2 // 1000,  # does not add up
    lambda text: 7 + len(text) // 4,
]


@settings(max_examples=50)
@given(
    seed=st.integers(0, 1 << 32),
    query=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    tokens=st.integers(1, 600),
    count=st.sampled_from(COUNTERS),
    neighbours=st.integers(0, 2),
    order=st.sampled_from(["document", "score"]),
)
def test_the_budget_holds_and_offsets_point_at_the_text(
    seed: int, query: str, tokens: int, count: Any, neighbours: int, order: Any
) -> None:
    index = made(*documents(seed))
    found = index.context(query, tokens=tokens, count=count, neighbours=neighbours, order=order)
    assert (count or estimate)(found.text) == found.tokens <= tokens or not found.passages
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    for one in found:
        document = index.get(one.id)
        assert document is not None
        assert document.text[one.start : one.end] == one.text == one.text.strip() != ""
        ends = {0, len(document.text)} | {end.end() for end in sentences.END.finditer(document.text)}
        before = max(end for end in ends if end <= one.start)
        after = min(end for end in ends if end >= one.end)
        for start, end in ((before, one.start), (one.end, after)):  # long sentences may be cut
            assert not document.text[start:end].strip() or end - start > 400
    by_place = sorted(spans(found))
    assert all(a[0] != b[0] or a[2] <= b[1] for a, b in pairwise(by_place))


def test_an_encoder_with_tokens_counts(tmp_path: Path) -> None:
    class Letters:
        id, dim, max_tokens = "letters", 32, 400

        def documents(self, texts: Any) -> Any:
            return letters(texts)

        queries = documents

        def token_offsets(self, text: str) -> Any:
            import numpy as np

            return np.array([(at, at + 1) for at in range(len(text))], np.int64).reshape(-1, 2)

    with Index.create(tmp_path / "idx", encoder=Letters()) as index:
        index.add([book()])
        found = index.context("cook treasure lighthouse", tokens=500)
        assert len(found.text) == found.tokens <= 500
        words = index.context("cook treasure lighthouse", tokens=500, mode="lexical")
        assert words.tokens == estimate(words.text) <= 500
        with index.searcher() as searcher:
            assert searcher.context("cook treasure lighthouse", tokens=500) == found


def test_a_budget_for_no_sentence() -> None:
    found = LIBRARY.context("treasure", tokens=3)
    assert (found.text, len(found), found.tokens, found.abstained) == ("", 0, 0, False)
    assert found.reason == "no sentence of the passages found fits into 3 tokens"
    assert not found


# -- abstention


def calibrated(path: Path) -> Index:
    """An index whose relevance is a step at a tenth of the most that BM25 can give."""
    index = Index.create(path, encoder=None)
    index.add([Document("1", "The cook sang of the treasure."), Document("2", "The boat left at noon.")])
    model = Logistic(("bm25",), -2.0, (20.0,), (0.0,), (1.0,))
    profile = index.profiles.serving
    kept = index.keep_calibration(Calibration(SIGNALS, (model,), 0.1))
    index.install(profile.model_copy(update={"calibration": kept}))
    return index


def test_it_abstains_below_the_floor(tmp_path: Path) -> None:
    with calibrated(tmp_path / "idx") as index:
        found = index.context("cook treasure", min_relevance=0.5)
        assert ([one.id for one in found], found.abstained, found.reason) == (["1"], False, None)
        relevance = index.search("cook treasure").hits[0].relevance
        assert found.passages[0].relevance == relevance
        weak = index.context("cook of planets, comets, moons, suns and stars", min_relevance=0.99)
        assert (weak.passages, weak.abstained) == ((), True)
        assert weak.reason is not None
        assert weak.reason.endswith("min_relevance is 0.99")
        nothing = index.context("zebra", min_relevance=0.1)
        assert (nothing.abstained, nothing.reason) == (True, "nothing was found")
        assert index.context("zebra").abstained is False


def test_without_a_calibration_it_never_abstains_and_says_so() -> None:
    found = LIBRARY.context("treasure")
    assert (found.abstained, found.passages[0].relevance) == (False, None)
    assert found.reason == "it never abstains: without a calibration no relevance is known"
    with pytest.raises(QueryError, match="min_relevance needs a calibration"):
        LIBRARY.context("treasure", min_relevance=0.5)


# -- what is asked


@pytest.mark.parametrize(
    "bad",
    [
        {"tokens": 0},
        {"tokens": True},
        {"tokens": 10**9},
        {"per_document": 0},
        {"neighbours": -1},
        {"neighbours": 1.5},
        {"order": "random"},
        {"count": 5},
        {"min_relevance": 2},
        {"min_relevance": "much"},
        {"k": 0},
        {"count": lambda text: -1},
        {"count": lambda text: "many"},
    ],
)
def test_what_cannot_be_asked(bad: Any) -> None:
    with pytest.raises(QueryError):
        LIBRARY.context("treasure", **bad)


def test_a_filter_holds_and_an_empty_index_has_no_context() -> None:
    index = made(Document("1", "treasure", metadata={"n": 1}), Document("2", "treasure here"))
    assert [one.id for one in index.context("treasure", filter={"n": 1})] == ["1"]
    assert made().context("treasure").reason == "nothing was found"
    with pytest.raises(QueryError, match="nothing to search for"):
        index.context()


def test_a_title_is_one_line_of_a_header() -> None:
    index = made(Document("1", "treasure", "A\nlong\t title " * 100), Document("2", "treasure island"))
    headers = [one.header for one in index.context("treasure")]
    assert all("\n" not in header and len(header) < 210 for header in headers)
    assert "[1] 2" in headers or "[2] 2" in headers


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("一二三四五六七", 5)])
def test_the_estimate(text: str, tokens: int) -> None:
    assert estimate(text) == tokens
