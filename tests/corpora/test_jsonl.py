"""JSON Lines: what a line becomes, and that a broken one is named."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.corpora import jsonl, read_documents
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.types import Document
from tests.conftest import Write, lines


def test_a_line_becomes_a_document(write: Write) -> None:
    record = {"_id": "a", "title": "标题", "text": "words", "metadata": {"price": 9.5}, "brand": "x"}
    [made] = read_documents(write("c.jsonl", lines(record)))
    assert made == Document("a", "words", "标题", {"price": 9.5, "brand": "x"})


def test_metadata_wins_over_another_key_of_that_name(write: Write) -> None:
    [made] = read_documents(write("c.jsonl", lines({"id": "a", "text": "t", "k": 1, "metadata": {"k": 2}})))
    assert made.metadata == {"k": 2}


def test_underscore_id_is_the_id_and_id_is_then_metadata(write: Write) -> None:
    [made] = read_documents(write("c.jsonl", lines({"_id": "a", "id": "b", "text": "t"})))
    assert (made.id, made.metadata) == ("a", {"id": "b"})


def test_what_pyserini_calls_contents_is_the_text(write: Write) -> None:
    records = [
        {"id": "a", "contents": "words", "k": 1},
        {"id": "b", "text": "t", "contents": "metadata"},
        {"id": "c", "title": "t", "contents": ["no", "text"]},
        {"id": "d", "text": None, "contents": "metadata", "title": "t"},
    ]
    assert list(read_documents(write("c.jsonl", lines(*records)))) == [
        Document("a", "words", "", {"k": 1}),
        Document("b", "t", "", {"contents": "metadata"}),
        Document("c", "", "t", {"contents": ["no", "text"]}),
        Document("d", "", "t", {"contents": "metadata"}),
    ]


def test_an_integer_id_becomes_text(write: Write) -> None:
    assert [made.id for made in read_documents(write("c.jsonl", lines({"id": 7, "text": "t"})))] == ["7"]


def test_null_stands_for_absent(write: Write) -> None:
    record = {"id": "a", "title": None, "text": "t", "metadata": None, "vector": None}
    assert list(read_documents(write("c.jsonl", lines(record)))) == [Document("a", "t")]


def test_a_vector_is_kept_as_given(write: Write) -> None:
    [made] = read_documents(write("c.jsonl", lines({"id": "a", "vector": [1, 2.5]})))
    assert made.vector == [1, 2.5]


def test_mark_crlf_and_blank_lines_do_not_matter(write: Write) -> None:
    content = b'\xef\xbb\xbf{"id":"a","text":"x"}\r\n\r\n  \n{"id":"b","text":"y"}'
    assert [made.id for made in read_documents(write("c.jsonl", content))] == ["a", "b"]


def test_a_huge_line(write: Write) -> None:
    text = "字" * 3_000_000
    [made] = read_documents(write("c.jsonl", lines({"id": "a", "text": text})))
    assert made.text == text


@pytest.mark.parametrize(
    ("escaped", "clean"),
    [
        (r"\ud800", "\ufffd"),
        (r"a\udfffb", "a\ufffdb"),
        (r"\uD83D\uDE00", "\U0001f600"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800\n", "\\\ufffd\n"),
    ],
)
def test_lone_surrogates_become_replacement_characters(write: Write, escaped: str, clean: str) -> None:
    content = f'{{"id": "a", "text": "{escaped}", "k": {{"{escaped}": ["{escaped}"]}}}}'
    [made] = read_documents(write("c.jsonl", content))
    assert (made.text, made.metadata) == (clean, {"k": {clean: [clean]}})


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=8))
def test_any_json_string_is_read_as_python_reads_it_but_for_surrogates(text: str) -> None:
    line = json.dumps({"id": "a", "text": text}).encode()
    expected = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in json.loads(line)["text"])
    assert jsonl.parse(line)["text"] == expected


BROKEN = [
    (b'{"id": "a", "text": "x"', "not valid JSON"),
    (b'{"id": "a", "text": NaN}', "not valid JSON"),
    (b'{"id": "a", "text": "\xff"}', "not valid UTF-8 at byte 22"),
    (b'["a"]', "one JSON object a line, found a list"),
    (b"7", "one JSON object a line, found a number"),
    (b"null", "one JSON object a line, found null"),
    (b'{"text": "x"}', 'no id: give each record an "_id" or "id"'),
    (b'{"id": "", "text": "x"}', '"id" is empty'),
    (b'{"id": true, "text": "x"}', '"id" must be a string or an integer, not true or false'),
    (b'{"id": 1.5, "text": "x"}', '"id" must be a string or an integer, not a number'),
    (b'{"id": "a\\u0000", "text": "x"}', "control characters"),
    (b'{"id": "a\\ud800", "text": "x"}', "the id holds a lone surrogate"),
    (b'{"id": "a", "text": 5}', '"text" must be a string, not a number'),
    (b'{"id": "a", "title": [], "text": "x"}', '"title" must be a string, not a list'),
    (b'{"id": "a", "text": "x", "metadata": "y"}', '"metadata" must be an object, not a string'),
    (b'{"id": "a", "vector": "1,2"}', '"vector" must be a list of numbers'),
    (b'{"id": "a", "vector": [1, true]}', '"vector" must be a list of numbers'),
    (b'{"id": "a", "vector": []}', '"vector" must be a list of numbers'),
    (b'{"id": "a", "text": " "}', "neither text, title nor vector"),
    (b'{"id": "a", "text": ' + b"[" * 5000, "not valid JSON"),
]


@pytest.mark.parametrize(("line", "what"), BROKEN, ids=[what for _, what in BROKEN])
def test_a_broken_line_is_named_and_can_be_passed_over(write: Write, line: bytes, what: str) -> None:
    good = b'{"id": "%d", "text": "x"}\n'
    path = write("c.jsonl", good % 1 + line + b"\n" + good % 3)
    with pytest.raises(CorpusError) as raised:
        list(read_documents(path))
    assert str(raised.value).startswith(f"{path}:2: ")
    assert what in str(raised.value)
    assert "\n" not in str(raised.value)
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(path, skipped.append)] == ["1", "3"]
    assert [str(error) for error in skipped] == [str(raised.value)]


@given(st.binary(max_size=40))
def test_no_line_does_worse_than_be_refused(line: bytes) -> None:
    with contextlib.suppress(BadRecord):
        jsonl.parse(line)
