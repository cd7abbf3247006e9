"""Queries with operators: what they find equals brute force, in both legs and under filters."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybrid import Document, Index, MemoryIndex
from hybrid.analyzers.literal import literal, literal_spans
from hybrid.corpora import read_documents, sample
from hybrid.errors import QueryError
from hybrid.query import Fuzzy, Not, Phrase, Required, Title, Words
from hybrid.suggest.edits import within

LONG = "\n\n".join(
    f"Part {n} of the book. " + "Nothing happens here at all, 什么也没有。 " * 60 for n in range(4)
)
WORDS = ["kettle", "kettles", "steel", "steal", "headphones", "降噪", "噪耳", "耳机", "the", "c++"]
ATOMS = st.sampled_from(WORDS) | st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(
    lambda words: f'"{" ".join(words)}"'
)
SIGNED = st.tuples(st.sampled_from(["", "", "+", "-", "title:", "-title:"]), ATOMS).map("".join)
SPELT = st.sampled_from(
    ["ke*", "ste*", "steel~", "kettel~2", "+steel~", "-ket*", "title:ke*", "降*", "kettle^2"]
)
QUERIES = st.lists(SIGNED | SPELT, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), " OR ".join(parts), f"({' OR '.join(parts)}) steel"])
)


def texts(document: Document) -> list[list[str]]:
    return [literal(document.title), literal(document.text)]


def holds(phrase: list[str], tokens: list[str]) -> bool:
    return any(tokens[at : at + len(phrase)] == phrase for at in range(len(tokens)))


@pytest.fixture(scope="module")
def collection() -> list[Document]:
    return list(read_documents(sample()))


@pytest.fixture(scope="module")
def index(collection: list[Document], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with Index.create(tmp_path_factory.mktemp("queries") / "idx", encoder=None) as index:
        index.add(collection)
        yield index


def test_phrases_are_found_where_they_stand_and_nowhere_else(
    index: Index, collection: list[Document]
) -> None:
    draw, known = random.Random(14), [(one.id, texts(one)) for one in collection]
    for _ in range(300):
        document = draw.choice(collection)
        spans = literal_spans(document.text)
        first = draw.randrange(len(spans))
        last = min(first + draw.randint(0, 6), len(spans) - 1)
        phrase = document.text[spans[first][1] : spans[last][2]].replace('"', " ")
        tokens = literal(phrase)
        expected = {id for id, fields in known if any(holds(tokens, field) for field in fields)}
        found = index.search(Phrase(phrase), mode="lexical", k=len(collection))
        assert document.id in expected
        assert (
            index.count(query=Phrase(phrase)) == len(expected & {hit.id for hit in found}) == len(expected)
        )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, MemoryIndex]]:
    draw = random.Random(3)
    documents = [
        Document(
            f"d{n}",
            " ".join(draw.choices(WORDS, k=draw.randint(0, 5))),
            " ".join(draw.choices(WORDS, k=draw.randint(0, 2))) or "title",
            {"n": n % 3},
            [draw.gauss(0, 1) for _ in range(4)],
        )
        for n in range(40)
    ]
    documents += [Document("book", LONG + " steel kettle", "kettle", {"n": 0}, [1, 0, 0, 0])]
    memory = MemoryIndex()
    memory.add(documents)
    with Index.create(tmp_path_factory.mktemp("pair") / "idx", encoder=None) as index:
        index.add(documents)
        yield index, memory


@settings(max_examples=120, deadline=None)
@given(QUERIES, st.sampled_from([None, {"n": 1}]))
def test_the_textbook_agrees(
    pair: tuple[Index, MemoryIndex], query: str, where: dict[str, Any] | None
) -> None:
    mine, its = (one.search(query, k=50, mode="lexical", filter=where) for one in pair)
    assert [hit.id for hit in mine] == [hit.id for hit in its]
    assert np.allclose([hit.score for hit in mine], [hit.score for hit in its], rtol=1e-5)
    assert mine.total == its.total == len(mine)
    assert pair[0].count(query=query, filter=where) == pair[1].count(query=query, filter=where) == len(mine)
    vector = [0.3, 0.1, 0.9, -0.2]
    mine, its = (one.search(query, vector=vector, k=50, filter=where) for one in pair)
    assert [hit.id for hit in mine] == [hit.id for hit in its]


@pytest.mark.parametrize("mode", ["hybrid", "lexical", "vector"])
def test_conditions_bind_both_legs_and_filters_hold(pair: tuple[Index, MemoryIndex], mode: Any) -> None:
    index, _ = pair
    demanded = {"steel", "kettle"}
    everyone = {one.id: one for one in index.documents()}
    found = index.search("+steel -kettle", vector=[1, 0, 0, 0], k=50, mode=mode, filter={"n": 2})
    assert found.hits
    for hit in found:
        tokens = {token for field in texts(everyone[hit.id]) for token in field}
        assert tokens & demanded == {"steel"}
        assert hit.document.metadata == {"n": 2}


def test_a_document_fulfils_conditions_as_a_whole(pair: tuple[Index, MemoryIndex]) -> None:
    """One part of it stands in its first passage, the other in its last."""
    index, memory = pair
    for one in (index, memory):
        assert [hit.id for hit in one.search('+"Part 0 of" +"steel kettle"')] == ["book"]


def test_a_phrase_runs_on_into_the_next_passage(pair: tuple[Index, MemoryIndex]) -> None:
    index, _ = pair
    (pieces,) = [one.text_passages or one.passages for one in index.documents({"_id": "book"})]
    assert pieces is not None
    assert len(pieces) > 2
    for _, end in list(pieces)[:-1]:
        spans = [
            (start, last) for _, start, last in literal_spans(LONG) if end - 60 < start and last < end + 60
        ]
        phrase = LONG[spans[0][0] : spans[-1][1]]
        assert "book" in {hit.id for hit in index.search(Phrase(phrase))}


def test_no_phrase_runs_from_the_title_into_the_text_or_into_another_document() -> None:
    memory = MemoryIndex()
    memory.add([Document("a", "b c", "a"), Document("b", "d e", "c")])
    assert [hit.id for query in ('"a b"', '"c d"', '"c a"') for hit in memory.search(query)] == []


def test_only_exclusions_leave_all_others() -> None:
    memory = MemoryIndex()
    memory.add([Document("a", "kettle"), Document("b", "steel"), Document("c", "jug")])
    found = memory.search("-kettle")
    assert {hit.id for hit in found} == {"b", "c"}
    assert (found.total, memory.count(query="-kettle")) == (2, 2)
    assert {hit.id for hit in memory.search(Not(Words("kettle")), mode="lexical")} == {"b", "c"}
    with pytest.raises(QueryError, match="only excludes"):
        memory.search("-kettle", mode="vector")


def test_a_word_counts_more_than_what_is_spelt_like_it() -> None:
    memory = MemoryIndex()
    memory.add([Document("exact", "steel pot"), *(Document(f"{n}", "steal pot") for n in range(1))])
    memory.add([Document(f"x{n}", "something else") for n in range(9)])
    assert [hit.id for hit in memory.search("steel~", mode="lexical")] == ["exact", "0"]


@pytest.mark.parametrize("query", ["“噪耳”", "+噪耳", "title:噪耳", '"动降 噪" OR 噪耳', "+噪耳*"])
def test_any_stretch_of_chinese_is_found(query: str) -> None:
    memory = MemoryIndex()
    memory.add([Document("a", "主动降噪耳机", "降噪耳机"), Document("b", "耳机", "噪音")])
    assert [hit.id for hit in memory.search(query, mode="lexical")] == ["a"]


def test_values_and_plain_syntax() -> None:
    memory = MemoryIndex()
    memory.add([Document("a", "red kettle", "Jug"), Document("b", "kettle red", "Pot")])
    assert [hit.id for hit in memory.search(Phrase("red kettle"))] == ["a"]
    assert [hit.id for hit in memory.search(Title(Words("jugs")))] == ["a"]
    assert len(memory.search('-"red kettle"', syntax="plain")) == 2
    assert len(memory.run({"q": '"red kettle" -jug'})["q"]) == 2  # judged queries are words
    found = memory.search('"red kettle')
    assert found.query is not None
    assert found.query.fell_back
    assert str(memory.search("kettle  -jug").query) == "kettle -jug"
    for bad in ({"syntax": "lucene"}, {"syntax": None}):
        with pytest.raises(QueryError, match="syntax"):
            memory.search("a", **bad)
    with pytest.raises(QueryError, match="1 or 2 edits"):
        memory.search(Required(Fuzzy("word", 7)))


def test_what_is_marked() -> None:
    memory = MemoryIndex()
    memory.add([Document("a", "A state of the art kettle; the state wired wires. 主动降噪耳机。")])
    for query, marked in [
        ('"state of the art"', "A <mark>state of the art</mark> kettle"),
        ("wir*", "the state <mark>wired</mark> <mark>wires</mark>."),
        ("ketle~", "art <mark>kettle</mark>;"),
        ("“噪耳”", "主动降<mark>噪耳</mark>机"),
        ("kettle -jug", "art <mark>kettle</mark>;"),
    ]:
        highlights = memory.search(query).hits[0].highlights
        assert highlights is not None
        assert marked in highlights.snippet.html()


@settings(max_examples=60, deadline=None)
@given(st.text("abc", min_size=1, max_size=6), st.lists(st.text("abc", min_size=1, max_size=7), min_size=1))
def test_edits_are_those_of_the_textbook(word: str, others: list[str]) -> None:
    for edits in (1, 2):
        found = [other for other, _ in within(word, [(other, 1) for other in others], edits)]
        assert found == [other for other in others if distance(word, other) <= edits]


def distance(a: str, b: str) -> int:
    """Optimal string alignment: Boytsov, ACM Journal of Experimental Algorithmics 2011."""
    table = {(i, -1): i + 1 for i in range(-1, len(a))} | {(-1, j): j + 1 for j in range(-1, len(b))}
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (x != y))
            if i and j and x == b[j - 1] and y == a[i - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[len(a) - 1, len(b) - 1]
