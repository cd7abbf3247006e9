"""Tables, text files, folders, and the collections themselves."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.corpora import read_documents, read_qrels, read_queries, sample, tables
from hybrid.errors import CorpusError
from hybrid.types import Document
from tests.conftest import Write, lines

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
