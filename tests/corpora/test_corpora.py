"""Tables, text files, folders, and the collections themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hybrid.corpora import read_documents, read_qrels, read_queries, sample
from hybrid.errors import CorpusError
from hybrid.types import Document
from tests.conftest import Write, lines

# Text files


def test_a_folder_becomes_one_document_a_file(write: Write, tmp_path: Path) -> None:
    write("b/二.md", "# 标题")
    write("a.TXT", "alpha".encode("utf-8-sig"))
    write("b/gb.txt", "中文".encode("gb18030"))
    write("b/other.png", "no")
    write(".hidden/x.txt", "no")
    write(".x.txt", "no")
    assert list(read_documents(tmp_path)) == [
        Document("a.TXT", "alpha", "a", {"path": "a.TXT"}),
        Document("b/gb.txt", "中文", "gb", {"path": "b/gb.txt"}),
        Document("b/二.md", "# 标题", "标题", {"path": "b/二.md"}),
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
    path = write("a.txt", b"\x89PNG\r\n\x1a\n\x00")
    write("b.txt", "x")
    with pytest.raises(CorpusError, match="binary, not text") as raised:
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
    [("absent", "no such file or folder"), ("x.png", r"give a BEIR folder.*\.jsonl, \.csv")],
)
def test_what_is_not_understood_is_said_at_once(write: Write, tmp_path: Path, name: str, what: str) -> None:
    write("x.png", "x")
    with pytest.raises(CorpusError, match=what):
        read_documents(tmp_path / name)


def test_a_folder_without_anything_to_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no corpus\.jsonl and no supported file"):
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
