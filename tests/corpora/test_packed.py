"""Files packed by gzip: read as what they hold, and never more of it than their size allows."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from hybrid import limits
from hybrid.corpora import files, read_documents, read_qrels, read_queries
from hybrid.errors import CorpusError
from hybrid.evaluate import read_run, write_run
from hybrid.types import Document
from tests.conftest import Write, lines

TEXT = "昨天下午我们在图书馆里看书"


def packed(write: Write, name: str, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    return write(name, gzip.compress(data, mtime=0))


def test_every_reader_unpacks(write: Write, tmp_path: Path) -> None:
    record = lines({"_id": "1", "text": TEXT})
    made = [Document("1", TEXT)]
    assert list(read_documents(packed(write, "c.jsonl.gz", record))) == made
    assert list(read_documents(packed(write, "c.CSV.GZ", f"id,text\n1,{TEXT}\n"))) == made
    assert list(read_documents(packed(write, "c.tsv.gz", f"id\ttext\n1\t{TEXT}\n"))) == made
    assert (
        list(read_documents(packed(write, "c.tsv.gz", f"id\ttext\n1\t{TEXT}\n".encode("utf-16")))) == made
    )
    assert list(read_documents(packed(write, "note.txt.gz", TEXT.encode("gbk")))) == [
        Document("note.txt.gz", TEXT, "note", {"path": "note.txt.gz"})
    ]
    assert read_queries(packed(write, "q.jsonl.gz", record)) == {"1": TEXT}
    assert read_queries(packed(write, "q.tsv.gz", f"1\t{TEXT}\n")) == {"1": TEXT}
    assert read_qrels(packed(write, "qrels.tsv.gz", "q\td\t1\n")) == {"q": {"d": 1}}
    write_run({"q": [("d", 1.0)]}, tmp_path / "run.trec", "t")
    assert read_run(packed(write, "run.gz", (tmp_path / "run.trec").read_bytes())) == {"q": [("d", 1.0)]}


def test_a_packed_corpus_makes_a_beir_folder(write: Write, tmp_path: Path) -> None:
    packed(write, "corpus.jsonl.gz", lines({"_id": "packed", "text": "x"}))
    write("README.md", "not a document")
    assert [made.id for made in read_documents(tmp_path)] == ["packed"]
    write("corpus.jsonl", lines({"_id": "plain", "text": "x"}))
    assert [made.id for made in read_documents(tmp_path)] == ["plain"]


def test_several_members_are_one_file(write: Write) -> None:
    content = b"".join(gzip.compress(f"q\td{i}\t1\n".encode()) for i in range(3))
    assert read_qrels(write("q.tsv.gz", content)) == {"q": {"d0": 1, "d1": 1, "d2": 1}}


@pytest.mark.parametrize(
    "content",
    [
        b"id,text\n1,x\n",
        gzip.compress(b"q\td\t1\n" * 999)[:-9],
        gzip.compress(b"q\td\t1\n") + b"rest",
        gzip.compress(bytes(range(256)) * 9)[:40] + b"\0" * 40,
    ],
    ids=["not packed", "cut", "something behind", "damaged"],
)
def test_what_is_damaged_or_no_gzip_is_said(write: Write, content: bytes) -> None:
    for name, read in (
        ("c.jsonl.gz", read_documents),
        ("c.csv.gz", read_documents),
        ("q.tsv.gz", read_queries),
        ("r.tsv.gz", read_qrels),
        ("r.trec.gz", read_run),
    ):
        path = write(name, content)
        with pytest.raises(CorpusError) as caught:
            list(read(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_name_says_what_is_packed(write: Write) -> None:
    with pytest.raises(CorpusError, match="not a supported kind of file"):
        read_documents(packed(write, "c.png.gz", "x"))
    with pytest.raises(CorpusError, match="binary, not text"):
        list(read_documents(write("c.txt", gzip.compress(b"plain text" * 9))))


def bomb(megabytes: int) -> bytes:
    """Blanks, a thousandth of their size."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(megabytes):
            file.write(b" " * 1_000_000)
    return packed.getvalue()


def test_a_bomb_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MIN_EXPANDED", 1_000_000)
    content = bomb(20)
    assert len(content) < 100_000
    for name, read in (
        ("c.jsonl.gz", read_documents),
        ("c.csv.gz", read_documents),
        ("q.tsv.gz", read_queries),
    ):
        with pytest.raises(CorpusError, match=r"unpacks to more than [0-9,]+ bytes, too many for its size"):
            list(read(write(name, content)))
    skipped: list[CorpusError] = []
    with pytest.raises(CorpusError, match="unpacks to more"):
        list(read_documents(write("c.jsonl.gz", content), skipped.append))
    assert skipped == []


def test_a_small_file_may_hold_much_of_the_same(write: Write) -> None:
    path = packed(write, "q.tsv.gz", "q\ttext\n" * 100_000)
    assert limits.MIN_EXPANDED > 700_000 > limits.MAX_EXPANSION * path.stat().st_size
    assert read_queries(path) == {"q": "text"}
