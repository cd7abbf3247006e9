"""Files that nobody should write: endless lines, pipes, numbers beyond JSON, paths beyond the system."""

from __future__ import annotations

import csv
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from hybrid import limits
from hybrid.analyzers import read_stop_words, read_user_dictionary
from hybrid.corpora import encodings, jsonl, read_documents, read_qrels, read_queries, tables
from hybrid.errors import CorpusError
from tests.conftest import Write
from tests.test_limits import says


def test_a_line_without_end_is_not_held(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MAX_JSON_LINE", 1 << 20)
    path = write("c.jsonl", b'{"id": "a", "text": "x"}\n{"id": "b", "text": "')
    with path.open("r+b") as file:
        file.truncate(100_000_000)  # a hole: costs no disk
    with path.open("ab") as file:
        file.write(b'"}\n{"id": "c", "text": "x"}\n')
    skipped: list[CorpusError] = []
    tracemalloc.start()
    found = [made.id for made in read_documents(path, skipped.append)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == ["a", "c"]
    assert [str(error) for error in skipped] == [
        f"{path}:2: longer than 1,048,576 bytes; give each record a line of its own"
    ]
    assert peak < 10_000_000


def test_lines_of_text_without_end(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "MAX_TEXT_LINE", 1000)
    ok = "q1\t" + "x" * 996 + "\n"
    assert read_queries(write("q.tsv", ok * 2))["q1"] == "x" * 996
    with says(CorpusError, "q.tsv:2: longer than 1,000 characters"):
        read_queries(write("q.tsv", "q1\tx\nq2\t" + "x" * 5000))
    with says(CorpusError, "qrels.tsv:1: longer than 1,000"):
        read_qrels(write("qrels.tsv", "x" * 1000))


@pytest.mark.parametrize(
    "row", ['2,"' + "x\n" * 600, "2," + '"\n",' * 400 + "\n", "2," + "x" * 2000 + "\n"]
)
def test_a_row_without_end(write: Write, monkeypatch: pytest.MonkeyPatch, row: str) -> None:
    monkeypatch.setattr(tables, "MAX_TEXT_LINE", 1000)
    path = write("c.csv", "id,text\n1,x\n" + row)
    with says(CorpusError, "c.csv:3: longer than 1,000 characters; is a quote left open"):
        list(read_documents(path))


def test_a_cell_may_be_as_long_as_a_text(write: Write) -> None:
    text = "x" * limits.MAX_TEXT
    [made] = read_documents(write("c.csv", f"id,text\n1,{text}\n"))
    assert made.text == text


def test_a_text_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid.corpora.extraction.plain.MAX_TEXT", 10)
    assert [made.text for made in read_documents(write("a.txt", "無" * 10))] == ["無" * 10]
    with says(CorpusError, "a.txt: longer than 10 characters; cut it into several files"):
        list(read_documents(write("a.txt", "無" * 11)))


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551616", 2**64),
        ("-123456789012345678901234567890", -123456789012345678901234567890),
        ("0.12345678901234567890", 0.12345678901234567890),
        ("[1, 36893488147419103232]", [1, 2**65]),
    ],
)
def test_integers_of_json_are_exact(write: Write, number: str, value: Any) -> None:
    [made] = read_documents(write("c.jsonl", f'{{"id": "a", "text": "x", "n": {number}}}'))
    assert made.metadata == {"n": value}


@pytest.mark.parametrize("value", ["1" * 310, "1" * 5000, "1e999", "NaN", "-Infinity", "[" * 2000])
def test_what_json_cannot_hold(write: Write, value: str) -> None:
    with says(CorpusError, "c.jsonl:1: not valid JSON"):
        list(read_documents(write("c.jsonl", f'{{"id": "a", "text": "x", "n": {value}}}')))


def test_depth_beside_a_long_number(write: Write) -> None:
    deep = "[" * 1000 + "1" * 20 + "]" * 1000
    with says(CorpusError, "c.jsonl:1: nested too deep"):
        list(read_documents(write("c.jsonl", f'{{"id": "a", "text": "x", "n": {deep}}}')))


def test_the_last_of_two_equal_keys_counts(write: Write) -> None:
    [made] = read_documents(write("c.jsonl", '{"id": "a", "id": "b", "text": "x", "n": 1, "n": 2}'))
    assert (made.id, made.metadata) == ("b", {"n": 2})


@pytest.mark.parametrize("name", ["c.jsonl", "c.csv", "c.txt", "q.tsv"])
def test_nothing_waits_for_a_pipe(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    for read in (read_documents, read_queries, read_qrels, read_user_dictionary, read_stop_words):
        with says(CorpusError, "not a file, but a folder, pipe or device"):
            list(read(path))


def test_a_folder_that_cannot_be_read_is_said(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write("docs/a.txt", "x").parent
    (folder / "locked").mkdir()
    scan = os.scandir

    def denied(path: Any) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    with says(CorpusError, "locked: cannot be read: Permission denied"):
        list(read_documents(folder))
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(folder, skipped.append)] == ["a.txt"]
    assert len(skipped) == 1


@pytest.mark.parametrize("bad", ["x" * 5000, 5, b"c.jsonl", None, "a\0b.jsonl"])
def test_what_is_no_path(bad: Any) -> None:
    for read in (read_documents, read_queries, read_qrels, read_user_dictionary, read_stop_words):
        with says(CorpusError, "."):
            list(read(bad))


def test_a_path_in_a_message_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        read_documents(tmp_path / "a\nb.jsonl")
    assert "\n" not in str(caught.value)


def test_the_csv_limit_of_the_process_is_never_lowered(write: Write) -> None:
    usual = csv.field_size_limit(10**9)
    try:
        list(read_documents(write("c.csv", "id,text\n1,x\n")))
        assert csv.field_size_limit() == 10**9
    finally:
        csv.field_size_limit(usual)
