"""Limits hold, and say what they are and how to get along with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hybrid import RRF, Document, MemoryIndex, limits
from hybrid.analyzers import Mixed, by_name, read_stop_words, read_user_dictionary
from hybrid.errors import CorpusError, DocumentError, FilterError, InputError, QueryError, SettingsError
from hybrid.intake.documents import check_batch
from hybrid.limits import shown
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import parse
from hybrid.texts import check_lookups
from tests.conftest import Write
from tests.fuzzing.inputs import BrokenMapping, EndlessMapping, laughing_dict, laughing_list


def says(error: type[InputError], *parts: str) -> Any:
    """An error in one line that names the parts, a limit and the way out among them."""
    return pytest.raises(error, match=".*".join(map(str, parts)))


# --- queries


@pytest.fixture(scope="module")
def index() -> MemoryIndex:
    made = MemoryIndex()
    made.add([Document("a", "kettle", metadata={"n": 1}), Document("b", "steel", vector=[1.0, 0.0])])
    return made


def test_the_length_of_a_query(index: MemoryIndex) -> None:
    text = "kettle " + "x" * (limits.MAX_QUERY - 7)
    assert [hit.id for hit in index.search(text, mode="lexical")] == ["a"]
    with says(QueryError, "100,001 characters; the limit is 100,000: ask a part of it"):
        index.search(text + "x")


@pytest.mark.parametrize("name", ["k", "depth"])
def test_how_many_hits(index: MemoryIndex, name: str) -> None:
    def ask(count: Any) -> int:
        options: dict[str, Any] = {"mode": "lexical", name: count}
        return len(index.search("kettle", **options))

    assert ask(limits.MAX_HITS) == ask(np.int64(3)) == 1
    for bad in (limits.MAX_HITS + 1, 10**5000, -(10**5000), 0, True, 1.0, "3", [3]):
        with says(QueryError, f"{name} is .*whole number from 1 to 100,000"):
            ask(bad)


def test_many_queries_are_a_list(index: MemoryIndex) -> None:
    for bad in ("kettle", {"q1": "kettle"}, 5, object()):
        with says(QueryError, "list"):
            index.search_many(bad)  # type: ignore[arg-type]
    with says(QueryError, "vectors is a int, not a list"):
        index.search_many(vectors=5)


def test_rrf_stays_where_ranks_differ() -> None:
    assert RRF(1_000_000).k == 1_000_000
    for bad in (1_000_001, 2**53, 10**400, -1, 1.5, "60"):
        with says(QueryError, "an integer from 0 to 1,000,000"):
            RRF(bad)  # type: ignore[arg-type]


# --- filters


def test_conditions_of_a_filter() -> None:
    most = {"or": [{"n": i} for i in range(limits.MAX_CONDITIONS)]}
    assert parse(most).matches({"n": 999})
    with says(FilterError, "more than 1,000 conditions", "in"):
        parse({"and": [most, {"n": 1}]})
    with says(FilterError, "more than 1,000 conditions"):
        parse({"and": [{}] * 1_001})


def test_values_of_a_filter() -> None:
    most = {"n": {"in": list(range(limits.MAX_FILTER_VALUES))}}
    assert parse(most).matches({"n": 99_999})
    with says(FilterError, "at and.1..m.in: more than 100,000 values"):
        parse({"and": [most, {"m": {"in": [1]}}]})


@pytest.mark.parametrize("source", [laughing_dict("and", 30), laughing_dict("or", 30), EndlessMapping()])
def test_filters_without_end(source: Any) -> None:
    with says(FilterError, "more than 1,000 conditions"):
        parse(source)


def test_a_filter_that_breaks() -> None:
    with says(FilterError, "cannot be read: RuntimeError.'broken'."):
        parse(BrokenMapping())
    with says(FilterError, "cannot be read"):
        parse({"a": BrokenMapping()})


def test_where_in_a_filter_is_one_readable_line() -> None:
    with says(FilterError, r"at 'a\\nb': null"):
        parse({"a\nb": None})
    with pytest.raises(FilterError) as caught:
        parse({"a" * 10_000: {"b" * 10_000: 10**5000}})
    assert len(str(caught.value)) < 400
    with says(FilterError, "unknown operator 'an integer of 16610 bits'"):
        parse({"a": {10**5000: 1}})


# --- documents


def doc(**fields: Any) -> Document:
    return Document(**{"id": "a", "text": "kettle", **fields})


@pytest.mark.parametrize(
    ("field", "limit", "way_out"),
    [
        ("id", limits.MAX_ID, "use its hash"),
        ("title", limits.MAX_TITLE, "put the rest into the text"),
        ("text", limits.MAX_TEXT, "cut it into several documents"),
    ],
)
def test_lengths_of_a_document(field: str, limit: int, way_out: str) -> None:
    assert check_batch([doc(**{field: "無" * limit})])
    with says(DocumentError, f"{field} has {limit + 1:,} characters; the limit is {limit:,}: {way_out}"):
        check_batch([doc(**{field: "無" * (limit + 1)})])


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize(
    ("largest", "too_large", "complaint"),
    [
        ({"k": "x" * 999_999}, {"k": "x" * 1_000_000}, "more than 1,000,000 characters"),
        ({f"k{i}": [i] for i in range(5_000)}, {"k": [1] * 10_000}, "more than 10,000 values"),
        ({"k": nested(64)}, {"k": nested(65)}, "nested deeper than 64"),
        ({"k" * 1_024: 1}, {"k" * 1_025: 1}, "1,025 characters; the limit is 1,024: write it as a value"),
        ({"k" * 500: [{"k" * 523: 1}]}, {"k" * 500: [{"k" * 524: 1}]}, "1,025 characters; the limit is"),
        ({"n": 2**1024 - 1}, {"n": 2**1024}, r"\['n'\] is an integer of more than 1,024 bits"),
    ],
)  # fmt: skip
def test_metadata(largest: dict[str, Any], too_large: dict[str, Any], complaint: str) -> None:
    assert check_batch([doc(metadata=largest)])[0].metadata == largest
    with says(DocumentError, "document 'a': metadata", complaint):
        check_batch([doc(metadata=too_large)])


@pytest.mark.parametrize(
    "metadata", [laughing_dict(), {"x": laughing_list()}, EndlessMapping(), {"x": [EndlessMapping()] * 9}]
)
def test_metadata_without_end(metadata: Any) -> None:
    with says(DocumentError, "more than|nested deeper"):
        check_batch([doc(metadata=metadata)])


class Text(str):
    """What a template engine or an ORM hands out: a str that does as it likes."""

    def __len__(self) -> int:
        return 1

    def encode(self, *_: Any) -> bytes:
        raise RuntimeError("not now")

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def test_subclasses_lend_their_characters_and_nothing_else() -> None:
    (made,) = check_batch([Document(Text("a"), Text("t"), Text("T"), {Text.__str__(Text("k")): Text("v")})])
    assert made == Document("a", "t", "T", {"k": "v"})
    assert {type(part) for part in (made.id, made.text, made.title, made.metadata["k"])} == {str}
    assert parse({"k": Text("v")}).matches({"k": "v"})


def test_a_mapping_that_breaks_is_a_document_error() -> None:
    with says(DocumentError, "document 'a': cannot be read: RuntimeError.'broken'."):
        check_batch([doc(metadata=BrokenMapping())])
    with says(DocumentError, "not one int"):
        check_batch(5)  # type: ignore[arg-type]


def test_what_the_iterable_raises_is_passed_on() -> None:
    def broken() -> Any:
        yield doc()
        raise CorpusError("file.jsonl:2: no id")

    with says(CorpusError, "file.jsonl:2"):
        check_batch(broken())


def test_ids_to_look_up() -> None:
    assert check_lookups(["a", "", "a\n"]) == ["a", "", "a\n"]
    for bad in ("a", 5, None, ["a", 5], [b"a"]):
        with says(DocumentError, "id"):
            check_lookups(bad)  # type: ignore[arg-type]


def test_many_paths_cost_a_column_each_and_nothing_above() -> None:
    columns = Columns()
    columns.append(0, {"." * 1_000 + str(i): i for i in range(100)})
    assert len(columns._columns) == 100
    assert columns.mask(parse({"...": {"exists": True}}), 1).tolist() == [True]


# --- user dictionaries


def test_the_size_of_a_user_dictionary(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(Mixed(tuple(f"字{i}" for i in range(1000))).user_words) == 1000
    with says(SettingsError, "100,001 user words; the limit is 100,000"):
        by_name("mixed", ["字"] * 100_001)
    with says(CorpusError, "words.txt: 100,001 words; the limit is 100,000"):
        read_user_dictionary(write("words.txt", "字\n" * 100_001))
    with says(CorpusError, "larger than 16,777,216 bytes"):
        read_user_dictionary(write("words.txt", b"#" * (1 << 24) + b"x"))
    assert by_name("chinese", ["字" * 100])
    for long in ("字" * 101, "㍿" * 26):
        with says(SettingsError, "at most 100 characters"):
            by_name("chinese", [long])


def test_the_size_of_a_list_of_stop_words(write: Write) -> None:
    assert Mixed(stop_words=("字" * 100,) * 1000).terms("cup") == ["cup"]
    with says(SettingsError, "100,001 stop words; the limit is 100,000"):
        Mixed(stop_words=("字",) * 100_001)
    with says(CorpusError, "words.txt: 100,001 words; the limit is 100,000"):
        read_stop_words(write("words.txt", "字\n" * 100_001))
    with says(CorpusError, "words.txt:2: .*one word"):
        read_stop_words(write("words.txt", "the\nof the\n"))


@pytest.mark.parametrize("words", ["降噪", 5, None, [5], [b"x"], ["\ud800"], [["a"]]])
def test_what_are_no_user_words(words: Any) -> None:
    with says(SettingsError, "user word"):
        by_name("mixed", words)
    with says(SettingsError, "user word"):
        Mixed(words)


@pytest.mark.parametrize("name", [5, None, [], {}, "latin", b"mixed"])
def test_what_is_no_analyzer(name: Any) -> None:
    with says(SettingsError, "choose english, chinese or mixed"):
        by_name(name)


# --- messages


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Loud(list[Any]):
    def __repr__(self) -> str:
        return "two\nlines " * 100


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        ("a\nb\u2028", r"'a\nb\u2028'"),
        pytest.param(10**5000, "an integer of 16610 bits", id="huge"),
        (Unspeakable(), "Unspeakable"),
        (Loud(), "Loud"),
        (RRF(), "RRF(k=60)"),
        (np.float32(2), "np.float32(2.0)"),
        (np.zeros(10**6), "ndarray"),
        ([1, [2, [3]]], "[1, [2, [...]]]"),
    ],
)
def test_a_value_in_a_message(value: object, text: str) -> None:
    assert shown(value) == text


def test_long_values_in_a_message_are_cut() -> None:
    deep: Any = [1]
    for _ in range(60):
        deep = [deep] * 9
    for value in ("x" * 10**6, b"x" * 10**6, deep, {"a": deep}, list(range(1000)), Document("x" * 1000)):
        assert len(shown(value)) <= 160
