"""Targets: files and folders of documents, queries, judgments and runs."""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from hybrid.corpora import read_documents, read_qrels, read_queries
from hybrid.corpora.options import Options
from hybrid.errors import CorpusError
from hybrid.evaluate import read_run
from hybrid.intake.documents import check_batch
from tests import office
from tests.fuzzing.inputs import mutated
from tests.fuzzing.target import UNREADABLE, Target, World, outcome

JSONL = [
    b'{"_id": "a", "title": "T", "text": "x y", "metadata": {"n": 1, "o": [1.5, null, true]}, "k": "v"}\n',
    '{"id": 7, "text": "无线耳机"}\n\n{"_id": "b", "text": "\\ud83d\\ude00"}\n'.encode(),
    b'{"_id": "c", "vector": [[0.5, 1], [2, 3e1]], "passages": [[0, 1], [0, 2]], "text": "ab"}\n{}',
]
JSONL_TOKENS = [
    b'"_id"',
    b'"id":',
    b'"text":',
    b'"metadata":',
    b'"vector":',
    b'"passages":',
    b"null",
    b"true",
]
TABLES = [
    b'id,Title,TEXT,price\r\n1,T,"a, ""b""\nc",9.5\r\n2,,x,\r\n',
    "id\ttext\n1\t无线\n".encode("gb18030"),
    "\ufeffid,text\n1,x\n".encode(),
    "id,text,n\n1,降噪,1.10\n2,x,5\n".encode("utf-16"),
    'id\ttext\n1\t"ü\n2\tß"\n'.encode("cp1252"),
]
TEXTS = [
    b"alpha",
    *("中文".encode(name) for name in ("gb18030", "big5", "utf-16", "utf-16-be", "iso2022_jp_2")),
    *("naïve über".encode(name) for name in ("cp1252", "utf-16-le", "utf-32")),
]
QUERIES = [b"query-id\ttext\nq1\tkettle\nq2\tx y\n", "q1\t降噪\n".encode()]
QRELS = [b"query-id\tcorpus-id\tscore\nq1\td 1\t2\n", b"q1 0 d1 1\nq1 0 d2 -1\n"]
RUNS = [b"q1 Q0 d1 1 2.5 tag\nq1 Q0 d%202 2 1e-3 tag\n", "q Q0 文 1 0 t\n".encode()]
PACKED = [gzip.compress(content) for content in (*JSONL, *TABLES, b"", b" " * 5000)]
GRADES = [b"+1", b"-1", b"1.5", b"\xc2\xb2", b"9" * 10]


def _bytes(valid: list[bytes], tokens: list[bytes]) -> Any:
    return mutated(valid, tokens) | st.binary(max_size=40)


def _documents(name: str) -> Callable[[World, bytes], None]:
    def check(world: World, content: bytes) -> None:
        path = world.folder / name
        path.write_bytes(content)
        read_all(path)

    return check


def read_all(path: Path) -> None:
    """Strictly, and passing over what is broken: then only what concerns the whole file may be raised."""
    strict = outcome(lambda: list(read_documents(path)))
    skipped: list[CorpusError] = []
    lenient = outcome(lambda: list(read_documents(path, skipped.append)))
    if strict[0] == "answer":
        assert lenient == strict
        assert not skipped
    for error in skipped:
        assert not UNREADABLE.search(str(error))
    for document in lenient[1] or []:
        outcome(partial(check_batch, [document]))


def _reader(read: Callable[[Path], Any], name: str) -> Callable[[World, bytes], None]:
    def check(world: World, content: bytes) -> None:
        path = world.folder / name
        path.write_bytes(content)
        outcome(lambda: read(path))

    return check


# --- documents

PAGES = [
    office.pdf([[(24, 770, "园艺"), (12, 730, "a line")], []], "Tulips"),
    office.docx(office.paragraph("Tulips", "1") + office.paragraph("bloom")),
    office.xlsx(office.row(1, "kind", 2.5)),
    office.epub("A book", ["<h1>One</h1>", "<ul><li>two"]),
    "<title>t</title><table><tr><td>郁<pre>a\n b</pre><ol><li>x".encode(),
    b"From a\nSubject: =?utf-8?b?6YOB?=\nContent-Type: text/plain; charset=gb2312\n\nx\n\nFrom b\n\ny",
]
PARTS = [
    b"<w:p>",
    b"</w:p>",
    b"/Length 9",
    b"endobj",
    b"PK\x01\x02",
    b"<li>",
    b"Content-Type: multipart/mixed\n",
]
KINDS = ("pdf", "docx", "xlsx", "epub", "html", "eml", "mbox")


def _extracted(world: World, file: tuple[str, bytes]) -> None:
    kind, content = file
    path = world.folder / f"a.{kind}"
    path.write_bytes(content)
    skipped: list[CorpusError] = []
    found = outcome(lambda: list(world.extractor.read(path, world.folder, Options(skipped.append))))
    for one in found[1] or []:
        outcome(partial(check_batch, [one.document("a", "a", {})]))
    assert not any(UNREADABLE.search(str(error)) for error in skipped)


# --- folders

Tree = list[tuple[bytes, str]]
_NAMES = st.sampled_from(
    [b"a", b"b", b"corpus.jsonl", b".hidden", "文".encode(), b"\xff", b"a\nb", b" ", b"%", b"a" * 200]
)
_PATHS = st.tuples(
    st.lists(_NAMES, max_size=2), _NAMES, st.sampled_from([b".txt", b".md", b".TXT", b".csv", b""])
).map(lambda parts: b"/".join([*parts[0], parts[1] + parts[2]]))
_THINGS = st.sampled_from(
    ["text", "gb18030", "binary", "empty", "folder", "pipe", "loop", "dangling", "socket"]
)
_numbers = itertools.count()


def _folder(world: World, tree: Tree) -> None:
    root = world.folder / f"tree{next(_numbers)}"
    root.mkdir()
    try:
        for name, thing in tree:
            _make(os.path.join(os.fsencode(root), name), thing)
        read_all(root)
        for path in sorted(root.rglob("*")):
            for read in (read_documents, read_queries, read_qrels):
                outcome(partial(_whole, read, path))
    finally:
        shutil.rmtree(root)


def _whole(read: Callable[[Path], Iterable[Any]], path: Path) -> None:
    for _ in read(path):
        pass


def _make(path: bytes, thing: str) -> None:
    if os.path.lexists(path):
        return
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        match thing:
            case "folder":
                os.makedirs(path, exist_ok=True)
            case "pipe":
                os.mkfifo(path)
            case "socket":
                os.mknod(path, 0o140600)
            case "loop":
                os.symlink(path, path)
            case "dangling":
                os.symlink(b"nowhere", path)
            case _:
                content = {"text": b"alpha", "gb18030": "中文".encode("gb18030"), "binary": b"\xff\xfe\0x"}
                with open(path, "wb") as file:
                    file.write(content.get(thing, b""))
    except OSError:  # a file as a folder
        pass


TARGETS = [
    Target("JSONL", _bytes(JSONL, JSONL_TOKENS), _documents("c.jsonl")),
    Target("CSV", _bytes(TABLES, [b",,", b'""']), _documents("c.csv")),
    Target("TSV", _bytes(TABLES, [b"id\ttext\n"]), _documents("c.tsv")),
    Target("text file", _bytes(TEXTS, [b"coding: big5\n", b"\x1b$B"]), _documents("c.txt")),
    Target("JSONL, packed", _bytes(PACKED, []), _documents("c.jsonl.gz")),
    Target("TSV, packed", _bytes(PACKED, []), _documents("c.tsv.gz")),
    Target("queries, JSONL", _bytes(JSONL, JSONL_TOKENS), _reader(read_queries, "q.jsonl")),
    Target("queries, TSV", _bytes(QUERIES, [b"q1\t"]), _reader(read_queries, "q.tsv")),
    Target("qrels", _bytes(QRELS, GRADES), _reader(read_qrels, "qrels.tsv")),
    Target("runs", _bytes(RUNS, [b"nan", b"inf", b"1e39", b"%", b"%zz"]), _reader(read_run, "run.trec")),
    Target("documents", st.tuples(st.sampled_from(KINDS), _bytes(PAGES, PARTS)), _extracted),
    Target("folders", st.lists(st.tuples(_PATHS, _THINGS), max_size=6), _folder),
]
