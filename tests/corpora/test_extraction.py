"""What people keep, to text that keeps its structure."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid.corpora import read_documents
from hybrid.corpora.extraction import Extracted, Extractor
from hybrid.corpora.options import Options
from hybrid.errors import CorpusError, MissingExtra, lacking
from tests import office
from tests.conftest import Write

needs_files = pytest.mark.skipif(
    bool(lacking("mammoth", "pypdfium2", "python_calamine", "selectolax")), reason="needs the extra files"
)
needs_parquet = pytest.mark.skipif(bool(lacking("pyarrow")), reason="needs the extra parquet")


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor() as one:
        yield one


def every(extractor: Extractor, path: Path) -> list[Extracted]:
    return list(extractor.read(path, path.parent, Options()))


def only(extractor: Extractor, path: Path) -> Extracted:
    [made] = every(extractor, path)
    return made


@needs_files
def test_html_keeps_headings_lists_tables_and_code(extractor: Extractor, write: Write) -> None:
    page = """<html><head><title>Growing
     tulips</title><script>var no</script></head><body><h1>Tulips</h1><p>One <b>bold</b><br>line.</p>
     <ul><li>a<li><p>b</p><ol><li>x<li>y</ol></ul><pre>  keep\n    this</pre>
     <table><tr><th>kind</th><th>price</th></tr><tr><td>red</td><td>2</td></tr></table>
     <p>中文
     换行</p><template>no</template></body></html>"""
    made = only(extractor, write("a.html", page))
    assert made.title == "Growing tulips"
    assert made.text == (
        "# Tulips\n\nOne bold\nline.\n\n- a\n- b\n  1. x\n  2. y\n\n```\n  keep\n    this\n```\n\n"
        "kind | price\nred | 2\n\n中文换行"
    )


@needs_files
@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "big5", "utf-16"])
def test_html_in_the_encoding_that_it_declares(extractor: Extractor, write: Write, encoding: str) -> None:
    page = f'<meta charset="{encoding}"><title>標題</title><p>這是一個測試頁面,講的是園藝。'
    made = only(extractor, write("a.html", page.encode(encoding)))
    assert (made.title, made.text) == ("標題", "這是一個測試頁面,講的是園藝。")


@needs_files
def test_what_html_declares_is_more_than_a_guess(extractor: Extractor, write: Write) -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-7"><p>abc \u03b1\u03ad'
    assert only(extractor, write("a.html", page.encode("iso-8859-7"))).text == "abc \u03b1\u03ad"


@needs_files
def test_pdf_keeps_pages_headings_paragraphs_and_items(extractor: Extractor, write: Write) -> None:
    first: list[office.Text] = [
        (24, 770, "园艺 Gardening"),
        (12, 730, "第一段的第一行讲的是郁"),
        (12, 714, "金香，到此结束。"),
        (12, 674, "A second paragraph that is"),
        (12, 658, "broken in two."),
        (12, 620, "• one"),
        (12, 604, "• two"),
    ]
    made = only(extractor, write("a.pdf", office.pdf([first, [(12, 770, "Another page.")]], "Of tulips")))
    assert made.title == "Of tulips"
    assert made.metadata == {"pages": 2}
    assert made.text == (
        "# 园艺 Gardening\n\n第一段的第一行讲的是郁金香，到此结束。\n\n"
        "A second paragraph that is broken in two.\n\n- one\n\n- two\fAnother page."
    )


@needs_files
def test_a_file_name_is_no_title_of_a_pdf(extractor: Extractor, write: Write) -> None:
    page: list[office.Text] = [
        (24, 770, "Tulips"),
        *((12.0, 700 - 20 * n, "a line of text") for n in range(9)),
    ]
    assert (
        only(extractor, write("a.pdf", office.pdf([page], "Microsoft Word - draft.doc"))).title == "Tulips"
    )


@needs_files
def test_docx_keeps_headings_and_tables(extractor: Extractor, write: Write) -> None:
    cells = "".join(f"<w:tc>{office.paragraph(text)}</w:tc>" for text in ("kind", "price"))
    body = (
        office.paragraph("Tulips", "1")
        + office.paragraph("They bloom.")
        + f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>"
    )
    assert only(extractor, write("a.docx", office.docx(body))) == Extracted(
        "# Tulips\n\nThey bloom.\n\nkind | price", "Tulips"
    )
    assert only(extractor, write("a.docx", office.docx(body, "Of tulips"))).title == "Of tulips"


@needs_files
def test_xlsx_has_a_heading_for_each_sheet(extractor: Extractor, write: Write) -> None:
    rows = office.row(1, "kind", "price") + office.row(2, "红色", 2.5) + office.row(4, "blue", 3)
    assert only(extractor, write("a.xlsx", office.xlsx(rows))).text == (
        "# Stock\n\nkind | price\n红色 | 2.5\n\nblue | 3"
    )


@needs_files
def test_the_chapters_of_an_epub_come_in_reading_order(extractor: Extractor, write: Write) -> None:
    chapters = ["<!DOCTYPE html><html><body><h1>One</h1>", "<p>two &nbsp; parts</p>", "<p>三</p>"]
    made = only(extractor, write("a.epub", office.epub("A book", chapters)))
    assert made == Extracted("# One\n\ntwo parts\n\n三", "A book")


MESSAGE = (
    "From: Ann <ann@example.org>\nTo: bob@example.org\nSubject: =?utf-8?b?6YOB6YeR6aaZ?=\n"
    "Date: Mon, 2 Mar 2026 10:00:00 +0100\n"
)


def test_a_message(extractor: Extractor, write: Write) -> None:
    made = only(extractor, write("a.eml", MESSAGE + "\nThe tulips came.\n"))
    assert made.title == "郁金香"
    assert made.text.endswith("Date: Mon, 02 Mar 2026 10:00:00 +0100\n\nThe tulips came.")
    assert made.metadata == {
        "from": "Ann <ann@example.org>",
        "to": "bob@example.org",
        "date": "2026-03-02T10:00:00+01:00",
    }


def test_a_message_of_another_encoding_with_an_attachment(extractor: Extractor, write: Write) -> None:
    parts = (
        b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n'
        b"Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: 8bit\n\n"
        + "郁金香和鎔".encode("gbk")
        + b"\n--b\nContent-Type: application/pdf\n"
        b"Content-Disposition: attachment; filename*=utf-8''%E8%8A%B1.pdf\n\nx\n--b--\n"
    )
    made = only(extractor, write("a.eml", MESSAGE.encode() + parts))
    assert made.text.endswith("\n\n郁金香和鎔\n\n- 花.pdf")


def test_the_messages_of_a_mailbox(extractor: Extractor, write: Write) -> None:
    box = f"From a Mon\n{MESSAGE}\nFirst.\n>From here\n\nFrom b Tue\nSubject: second\n\nSecond.\n"
    first, second = every(extractor, write("a.mbox", box))
    assert (first.part, second.part, second.title) == ("1", "2", "second")
    assert first.text.endswith("First.\nFrom here")
    with pytest.raises(CorpusError, match="not a mailbox"):
        every(extractor, write("b.mbox", "hello"))


def test_text_code_and_records(extractor: Extractor, write: Write) -> None:
    code = "# not a title\nprint()\n"
    assert only(extractor, write("a.py", code)) == Extracted(code)
    text = "```\n# no\n```\n## no\n# Tulips #\n"
    assert only(extractor, write("a.md", text)) == Extracted(text, "Tulips")
    assert [one.part for one in every(extractor, write("a.csv", "id,text\n7,x\n8,y\n"))] == ["7", "8"]
    assert only(extractor, write("b.csv", "kind;price\nred;2\n")) == Extracted("kind;price\nred;2\n")
    assert only(extractor, write("a.jsonl", '{"id": 1, "text": "x", "k": 2}\n')) == Extracted(
        "x", "", "1", {"k": 2}
    )
    assert only(extractor, write("b.jsonl", '{"event": "x"}\n')) == Extracted('{"event": "x"}\n')


@needs_parquet
def test_parquet_is_a_record_a_document(write: Write, tmp_path: Path) -> None:
    import datetime

    import pyarrow
    from pyarrow import parquet

    columns = {
        "id": ["a", "b"],
        "text": ["red", "蓝"],
        "day": [datetime.date(2026, 3, 2), None],
        "raw": [b"x", b"y"],
    }
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    first, second = read_documents(path)
    assert (first.id, first.text, second.text) == ("a", "red", "蓝")
    assert first.metadata == {"day": "2026-03-02", "raw": None}
    parquet.write_table(pyarrow.table({"id": ["a"], "n": [1]}), path)
    with pytest.raises(CorpusError, match='one must be "id" or "_id", one "text" or "title"'):
        list(read_documents(path))
    path.write_bytes(b"PAR1xxxx")
    with pytest.raises(CorpusError, match="broken Parquet"):
        list(read_documents(path))


@needs_files
def test_what_is_packed(extractor: Extractor, write: Write) -> None:
    assert only(extractor, write("a.html.gz", gzip.compress(b"<p>x"))).text == "x"


@needs_files
@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.pdf", office.pdf([[(12, 700, "x")]], locked=True), "encrypted"),
        ("a.pdf", b"\x89PNG\r\n\x1a\n", "not a PDF, but a picture"),
        ("a.pdf", office.pdf([[(12, 700, "x")]])[:300], "a broken PDF"),
        ("a.pdf", office.pdf([[]]), "holds no text.*OCR"),
        ("a.pdf", b"", "empty"),
        ("a.docx", b"\xd0\xcf\x11\xe0 old", "encrypted.*or it is an old"),
        ("a.docx", b"%PDF-1.7", "not a DOCX, but a PDF"),
        ("a.docx", office.docx("")[:-30], "a broken DOCX"),
        ("a.docx", office.packed({"a.txt": "x"}), "broken: 'word/document.xml' is not in it"),
        ("a.docx", office.docx(""), "holds no text"),
        ("a.xlsx", office.packed({"a.txt": "x"}), "a broken XLSX"),
        ("a.epub", office.packed({"a.txt": "x"}), "broken: 'META-INF/container.xml' is not in it"),
        ("a.html", b"%PDF-1.7\n\x00\x01", "not a page of HTML, but a PDF"),
        ("a.eml", b"\x7fELF", "not an e-mail, but a program"),
        ("a.doc", b"\xd0\xcf\x11\xe0", "an old .doc file is not read; save it as .docx"),
    ],
)
def test_a_bad_file_says_why(
    extractor: Extractor, write: Write, name: str, content: bytes, why: str
) -> None:
    path = write(name, content)
    with pytest.raises(CorpusError, match=why) as caught:
        every(extractor, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@needs_files
def test_a_book_that_its_publisher_locked(extractor: Extractor, write: Write) -> None:
    locked = '<e xmlns="x"><CipherReference URI="OEBPS/text/c0.xhtml"/></e>'
    with pytest.raises(CorpusError, match="DRM"):
        every(extractor, write("a.epub", office.epub("B", ["x"], {"META-INF/encryption.xml": locked})))
    fonts = '<e xmlns="x"><CipherReference URI="OEBPS/font.otf"/></e>'
    assert (
        only(extractor, write("b.epub", office.epub("B", ["x"], {"META-INF/encryption.xml": fonts}))).text
        == "x"
    )


def test_what_is_not_installed_names_the_extra(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = write(
        "site/sitecustomize.py",
        "import sys\nfor name in ('pypdfium2', 'pyarrow'): sys.modules[name] = None\n",
    )
    monkeypatch.syspath_prepend(hidden.parent)
    for name, extra in (("a.pdf", "files"), ("a.parquet", "parquet")):
        with pytest.raises(MissingExtra, match=rf"run: pip install 'hybrid-retrieval\[{extra}\]'"):
            list(read_documents(write(name, b"%PDF-1.7")))
