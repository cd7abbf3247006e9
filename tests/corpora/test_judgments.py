"""Queries and judgments, in BEIR's layout and in TREC's."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid.corpora import read_qrels, read_queries
from hybrid.errors import CorpusError
from tests.conftest import Write, lines

# Queries


def test_queries_of_beir(write: Write) -> None:
    path = write("q.jsonl", lines({"_id": "1", "text": "一", "metadata": {}}, {"_id": 2, "text": ""}))
    assert read_queries(str(path)) == {"1": "一", "2": ""}


@pytest.mark.parametrize("header", ["", "query-id\ttext\n", "id\tquery\n", "\n \r\nqid\ttext\n"])
def test_queries_in_two_columns(write: Write, header: str) -> None:
    assert read_queries(write("q.tsv", header + 'q 1\t"what" is it\t?\n\nq2\tb\n')) == {
        "q 1": '"what" is it\t?',
        "q2": "b",
    }


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("q.jsonl", '{"_id": "1", "text": "a"}\n{"_id": "2"}', r':2: no "text"'),
        ("q.jsonl", '{"_id": "1", "text": "a"}\n{"_id": "1", "text": "b"}', "'1' occurs twice"),
        ("q.tsv", "1\ta\n2 b\n", ":2: expected a query's id, a tab"),
        ("q.tsv", "\n", "holds no query"),
        ("q.xml", "<q>", "queries are read from"),
    ],
)
def test_broken_queries(write: Write, name: str, content: str, what: str) -> None:
    with pytest.raises(CorpusError, match=what):
        read_queries(write(name, content))


def test_absent_files(tmp_path: Path) -> None:
    for read in (read_queries, read_qrels):
        with pytest.raises(CorpusError, match="no such file"):
            read(tmp_path / "absent.tsv")


# Judgments


@pytest.mark.parametrize(
    "content",
    [
        "query-id\tcorpus-id\tscore\nq\td1\t2\nq\td2\t0\np\td1\t-1\n",
        "q\td1\t2\r\nq\td2\t0\r\np\td1\t-1",
        "q 0 d1 2\nq 0 d2 0\n\np 0 d1 -1\n",
        "q\t0\td1\t2\nq\tQ0\td2\t0\nq 0 d2 0\np\t0\td1\t-1\n",
        "\n  \r\nquery-id\tcorpus-id\tscore\nq\td1\t2\nq\td2\t0\np\td1\t-1\n",
        "q\td1\t2.0\nq\td2\t0.000\nq\td2\t0\np\td1\t-1.\n",
        "\nquery iteration document grade\nq 0 d1 +2.0\nq 0 d2 -0.0\np 0 d1 -1\n",
    ],
    ids=[
        "BEIR",
        "BEIR without header",
        "TREC",
        "TREC with tabs",
        "blank lines first",
        "floats",
        "TREC, both",
    ],
)
def test_judgments(write: Write, content: str) -> None:
    assert read_qrels(write("q.tsv", content)) == {"q": {"d1": 2, "d2": 0}, "p": {"d1": -1}}


def test_beir_ids_may_hold_spaces(write: Write) -> None:
    assert read_qrels(write("q.tsv", "a b\tc d.txt\t1\n")) == {"a b": {"c d.txt": 1}}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("q\td\t1.5", "'1.5' is not an integer"),
        ("q\td\t1.01", "'1.01' is not an integer"),
        ("q\td\t1e0", "'1e0' is not an integer"),
        ("q\td\t.0", "'.0' is not an integer"),
        ("q\td\tnan", "'nan' is not an integer"),
        ("query-id\tcorpus-id\tscore", "'score' is not an integer"),
        ("q\td\t", "expected query, tab"),
        ("q d 1", "expected query, tab"),
        ("q 0 d 1 x", "expected query, tab"),
        ("q 0 d high", "'high' is not an integer"),
        ("p\td\t2", "before, with another grade"),
    ],
)
def test_broken_judgments_are_named_by_line(write: Write, line: str, what: str) -> None:
    path = write("q.tsv", f"p\td\t1\n{line}\n")
    with pytest.raises(CorpusError, match=what) as raised:
        read_qrels(path)
    assert str(raised.value).startswith(f"{path}:2: ")


def test_a_first_line_with_a_fraction_is_not_taken_for_a_header(write: Write) -> None:
    with pytest.raises(CorpusError, match=r":1: the grade '1\.5'"):
        read_qrels(write("q.tsv", "p\td\t1.5\n"))


def test_no_judgment_at_all(write: Write) -> None:
    with pytest.raises(CorpusError, match="holds no judgment"):
        read_qrels(write("q.tsv", "query-id\tcorpus-id\tscore\n"))
