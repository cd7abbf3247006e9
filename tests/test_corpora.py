"""Readers: what each layout becomes, and that whatever is broken is named by file and line."""

from __future__ import annotations

import contextlib
import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.corpora import jsonl, read_documents, read_qrels, read_queries, sample, tables
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError
from hybrid.types import Document

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


# JSON Lines


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


# Tables


def test_a_table_becomes_documents(write: Write) -> None:
    path = write(
        "c.csv", 'id,Title,TEXT,price,code,sold,note\r\n1,T,"a, ""b""\nc",9.5,007,TRUE,\r\n2,,x,,,,n\r\n'
    )
    assert list(read_documents(path)) == [
        Document("1", 'a, "b"\nc', "T", {"price": 9.5, "code": "007", "sold": True}),
        Document("2", "x", "", {"note": "n"}),
    ]


def test_tabs_separate_a_tsv(write: Write) -> None:
    [made] = read_documents(write("c.tsv", "_id\tbody\n1\ta, b\n"))
    assert made == Document("1", "a, b")


def test_of_several_names_for_the_text_the_first_counts(write: Write) -> None:
    [made] = read_documents(write("c.csv", "id,body,text,_id\n1,b,t,x\n"))
    assert made == Document("x", "t", "", {"body": "b", "id": 1})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_in_either_encoding(write: Write, encoding: str) -> None:
    [made] = read_documents(write("c.csv", "id,text\n1,无线耳机，降噪\n".encode(encoding)))
    assert made == Document("1", "无线耳机，降噪")


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("9.5", 9.5),
        (" 9.50 ", 9.5),
        ("0.0", 0.0),
        ("true", True),
        ("FALSE", False),
        ("007", "007"),
        ("+1", "+1"),
        ("1e5", "1e5"),
        ("1,000", "1,000"),
        (".5", ".5"),
        ("5.", "5."),
        ("1.2.3", "1.2.3"),
        ("６", "６"),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("nan", "nan"),
        ("6901234567890123", "6901234567890123"),
        (" x ", " x "),
    ],
)
def test_only_what_is_plainly_a_number_becomes_one(cell: str, value: object) -> None:
    assert tables.value(cell) == value
    assert type(tables.value(cell)) is type(value)


def test_a_cell_beyond_the_csv_modules_own_limit(write: Write) -> None:
    text = "x" * 200_000
    [made] = read_documents(write("c.csv", f"id,text\n1,{text}\n"))
    assert made.text == text


def test_blank_rows_and_columns_without_a_name_are_left_out(write: Write) -> None:
    path = write("c.csv", "id,text,,\n\n,,,\n1,x,y,\n")
    assert list(read_documents(path)) == [Document("1", "x")]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2", "1 cells where the header row has 2"),
        ("2,x,y", "3 cells where the header row has 2"),
        (",x", '"id" is empty'),
        ("2,", "neither text"),
        ('2,"x"y', "expected after"),
    ],
)
def test_a_broken_row_is_named_by_the_line_it_begins_at(write: Write, row: str, what: str) -> None:
    path = write("c.csv", f'id,text\n1,"two\nlines"\n{row}\n3,x\n')
    with pytest.raises(CorpusError, match=what) as raised:
        list(read_documents(path))
    assert str(raised.value).startswith(f"{path}:4: ")
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(path, skipped.append)] == ["1", "3"]
    assert len(skipped) == 1


def test_a_quote_that_is_never_closed_is_an_error(write: Write) -> None:
    with pytest.raises(CorpusError, match=":2: unexpected end of data"):
        list(read_documents(write("c.csv", 'id,text\n1,"x\n2,y\n')))


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("name,text", '"id" or "_id"'),
        ("id,name", '"text" or "title"'),
        ("id,text,a,a", "only once"),
        ("", "no names"),
    ],
)
def test_a_header_that_will_not_do_is_raised_even_when_skipping(
    write: Write, header: str, what: str
) -> None:
    path = write("c.csv", f"{header}\n1,x\n")
    with pytest.raises(CorpusError, match=what) as raised:
        list(read_documents(path, lambda _: None))
    assert str(raised.value).startswith(f"{path}:1: ")


_CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=5))
def test_whatever_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "c.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("id", "text"), *rows])
    assert [(made.id, made.text) for made in read_documents(path)] == [
        (id_.strip(), text) for id_, text in rows
    ]


# Text files


def test_a_folder_becomes_one_document_a_file(write: Write, tmp_path: Path) -> None:
    write("b/二.md", "# 标题")
    write("a.TXT", "alpha".encode("utf-8-sig"))
    write("b/gb.txt", "中文".encode("gb18030"))
    write("b/other.pdf", "no")
    write(".hidden/x.txt", "no")
    write(".x.txt", "no")
    assert list(read_documents(tmp_path)) == [
        Document("a.TXT", "alpha", "a", {"path": "a.TXT"}),
        Document("b/gb.txt", "中文", "gb", {"path": "b/gb.txt"}),
        Document("b/二.md", "# 标题", "二", {"path": "b/二.md"}),
    ]


def test_one_text_file(write: Write) -> None:
    assert list(read_documents(write("notes.md", "x"))) == [
        Document("notes.md", "x", "notes", {"path": "notes.md"})
    ]


def test_an_empty_file_is_found_by_its_name(write: Write) -> None:
    assert list(read_documents(write("todo.txt", ""))) == [
        Document("todo.txt", "", "todo", {"path": "todo.txt"})
    ]


def test_a_file_that_is_no_text_is_named_and_can_be_passed_over(write: Write, tmp_path: Path) -> None:
    path = write("a.txt", b"\xff\xfeh\x00i\x00")
    write("b.txt", "x")
    with pytest.raises(CorpusError, match="neither UTF-8 nor GB18030") as raised:
        list(read_documents(tmp_path))
    assert str(path) in str(raised.value)
    skipped: list[CorpusError] = []
    assert [made.id for made in read_documents(tmp_path, skipped.append)] == ["b.txt"]
    assert len(skipped) == 1


@pytest.mark.parametrize("name", [b"a\nb.txt", b"a\xff.txt"])
def test_a_file_name_that_is_no_id_is_refused(tmp_path: Path, name: bytes) -> None:
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    except OSError:
        pytest.skip("this file system does not take such names")
    with pytest.raises(CorpusError, match="control characters or surrogates") as raised:
        list(read_documents(tmp_path))
    str(raised.value).encode()
    assert "\n" not in str(raised.value)


# What a path is


def test_a_beir_folder_is_its_corpus(write: Write, tmp_path: Path) -> None:
    write("corpus.jsonl", lines({"_id": "a", "text": "x"}))
    write("README.md", "not a document")
    assert [made.id for made in read_documents(tmp_path)] == ["a"]


@pytest.mark.parametrize(
    ("name", "what"),
    [("absent", "no such file or folder"), ("x.pdf", r"give a BEIR folder.*\.jsonl, \.csv")],
)
def test_what_is_not_understood_is_said_at_once(write: Write, tmp_path: Path, name: str, what: str) -> None:
    write("x.pdf", "x")
    with pytest.raises(CorpusError, match=what):
        read_documents(tmp_path / name)


def test_a_folder_without_anything_to_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no corpus\.jsonl and no \.txt or \.md"):
        read_documents(tmp_path)


# Queries


def test_queries_of_beir(write: Write) -> None:
    path = write("q.jsonl", lines({"_id": "1", "text": "一", "metadata": {}}, {"_id": 2, "text": ""}))
    assert read_queries(str(path)) == {"1": "一", "2": ""}


@pytest.mark.parametrize("header", ["", "query-id\ttext\n", "id\tquery\n"])
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
    ],
    ids=["BEIR", "BEIR without header", "TREC", "TREC with tabs"],
)
def test_judgments(write: Write, content: str) -> None:
    assert read_qrels(write("q.tsv", content)) == {"q": {"d1": 2, "d2": 0}, "p": {"d1": -1}}


def test_beir_ids_may_hold_spaces(write: Write) -> None:
    assert read_qrels(write("q.tsv", "a b\tc d.txt\t1\n")) == {"a b": {"c d.txt": 1}}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("q\td\t1.0", "'1.0' is not an integer"),
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
    with pytest.raises(CorpusError, match=r":1: the grade '1\.0'"):
        read_qrels(write("q.tsv", "p\td\t1.0\n"))


def test_no_judgment_at_all(write: Write) -> None:
    with pytest.raises(CorpusError, match="holds no judgment"):
        read_qrels(write("q.tsv", "query-id\tcorpus-id\tscore\n"))


# What ships, and what is public


def test_the_sample_is_a_collection_of_its_own() -> None:
    documents = {made.id for made in read_documents(sample())}
    queries, qrels = read_queries(sample() / "queries.jsonl"), read_qrels(sample() / "qrels" / "test.tsv")
    assert set(qrels) <= set(queries)
    assert {document for grades in qrels.values() for document in grades} <= documents


@pytest.mark.parametrize(
    ("name", "documents", "queries", "judgments"),
    [("scifact", 5183, 300, 339), ("cmrc2018", 1104, 3219, 3219), ("cranfield", 1400 - 2, 225, 1612)],
)
def test_public_collections_have_the_counts_that_readme_states(
    name: str, documents: int, queries: int, judgments: int
) -> None:
    folder = Path(os.environ.get("HYBRID_DATA", "")) / name
    if "HYBRID_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("HYBRID_DATA does not hold it")
    qrels = read_qrels(folder / "qrels" / "test.tsv")
    assert sum(1 for _ in read_documents(folder, lambda _: None)) == documents
    assert (len(qrels), sum(map(len, qrels.values()))) == (queries, judgments)
    assert set(qrels) <= set(read_queries(folder / "queries.jsonl"))
