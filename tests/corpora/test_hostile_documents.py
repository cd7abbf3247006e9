"""Files that are built to harm whoever reads them: each is refused, and the next one is read."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hybrid.corpora import files
from hybrid.corpora.extraction import Bounds, Extractor, packed, process
from hybrid.corpora.extraction.formats import whole
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError, lacking
from tests import office
from tests.conftest import Write

if lacking("mammoth", "pypdfium2", "python_calamine", "selectolax"):
    pytest.skip("needs the extra files", allow_module_level=True)

MEMORY = 400 << 20
TIGHT = Bounds(seconds=2.0, memory=MEMORY)


@pytest.fixture(scope="module")
def extractor() -> Iterator[Extractor]:
    with Extractor(TIGHT) as one:
        yield one


def refused(extractor: Extractor, path: Path) -> str:
    """Why; and that the next file is read all the same."""
    with pytest.raises(CorpusError) as caught:
        list(extractor.read(path, path.parent, Options()))
    well = path.parent / "well.html"
    well.write_text("<p>well")
    [made] = extractor.read(well, well.parent, Options())
    assert made.text == "well"
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def pdf_bomb() -> bytes:
    """A page that unpacks to 300 MB."""
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(300)) + packer.flush()
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>"
    content = b"<</Length %d/Filter/FlateDecode>>stream\n" % len(data) + data + b"\nendstream"
    return office.pdf_of(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>", page, content]
    )


@pytest.mark.parametrize("rlimit", [True, False])
def test_a_pdf_that_takes_all_memory(write: Write, rlimit: bool) -> None:
    with Extractor(Bounds(memory=MEMORY, rlimit=rlimit)) as extractor:
        assert "takes more than 0.4 GB" in refused(extractor, write("a.pdf", pdf_bomb()))


def test_a_sheet_of_two_cells_far_apart(extractor: Extractor, write: Write) -> None:
    rows = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    assert "takes more than" in refused(extractor, write("a.xlsx", office.xlsx(rows)))


def test_html_without_end(extractor: Extractor, write: Write) -> None:
    assert "takes longer than 2 s" in refused(extractor, write("a.html", "<div>" * 100_000))


def test_docx_without_end(extractor: Extractor, write: Write) -> None:
    body = office.paragraph("tulips") * 300_000
    assert "takes " in refused(extractor, write("a.docx", office.docx(body)))


def test_the_clock_ends_what_waits(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that waits for ever takes no time of the processor."""
    code = "import time, mammoth\nmammoth.convert_to_html = lambda *_, **__: time.sleep(3600)\n"
    monkeypatch.syspath_prepend(write("site/sitecustomize.py", code).parent)
    monkeypatch.setattr(process, "CLOCK", 5)
    with Extractor(Bounds(seconds=0.1)) as extractor:
        path = write("a.docx", office.docx(office.paragraph("x")))
        with pytest.raises(CorpusError, match=r"takes longer than 0\.1 s"):
            list(extractor.read(path, path.parent, Options()))


def test_what_unpacks_to_too_much(
    extractor: Extractor, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (packed, files):
        monkeypatch.setattr(module, "MIN_EXPANDED", 1_000_000)
    content = office.docx(office.paragraph("x" * 2_000_000))
    with (
        pytest.raises(BadRecord, match=r"unpacks to 2,0.* too many"),
        packed.unpacked(write("a.docx", content), ""),
    ):
        pass
    with pytest.raises(CorpusError, match="unpacks to more than"):
        whole(write("a.html.gz", gzip.compress(b"x" * 2_000_000)))


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("declared", [LAUGHS, OUTSIDE, '<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd">'])
def test_xml_that_declares_entities(extractor: Extractor, write: Write, declared: str) -> None:
    body = "<w:p><w:r><w:t>&a;</w:t></w:r></w:p>"
    path = write("a.docx", office.docx(body, before=declared))
    assert "declares entities" in refused(extractor, path)


def test_what_is_nested_too_deep(extractor: Extractor, write: Write) -> None:
    body = "<w:sdt><w:sdtContent>" * 20_000 + "</w:sdtContent></w:sdt>" * 20_000
    assert "nested too deep" in refused(extractor, write("a.docx", office.docx(body)))
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(1500))
    assert refused(extractor, write("a.eml", "Subject: x\n" + parts))


def test_names_that_lead_elsewhere_are_never_written(
    extractor: Extractor, write: Write, tmp_path: Path
) -> None:
    evil = {"../../evil.txt": "x", "/evil.txt": "y"}
    path = write("books/a.epub", office.epub("B", ["<p>one"], evil))
    before = sorted(tmp_path.rglob("*"))
    [made] = extractor.read(path, path.parent, Options())
    assert made.text == "one"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_out_of_the_folder_is_not_read(extractor: Extractor, write: Write, tmp_path: Path) -> None:
    secret = write("secret.html", "<p>secret")
    (tmp_path / "in").mkdir()
    link = tmp_path / "in" / "a.html"
    link.symlink_to(secret)
    for path in (link, tmp_path / "in" / ".." / "secret.html"):
        with pytest.raises(CorpusError, match="a link leads out of the folder"):
            list(extractor.read(path, tmp_path / "in", Options()))


def test_a_file_that_is_too_large(extractor: Extractor, write: Write) -> None:
    path = write("a.pdf", b"%PDF-")
    with path.open("r+b") as file:
        file.truncate(300_000_000)  # a hole: costs no disk
    assert "300,000,000 bytes are more than 268,435,456" in refused(extractor, path)


def test_the_working_directory_lends_no_module(write: Write, tmp_path: Path) -> None:
    write("email.py", "raise SystemExit('executed')")
    write("a.eml", "Subject: tulips\n\nx")
    code = "from hybrid.corpora import read_documents; print([d.title for d in read_documents('a.eml')])"
    path = os.pathsep.join(place for place in sys.path if place)
    command, names = [sys.executable, "-P", "-c", code], os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=names, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['tulips']", done.stderr


def test_the_process_ends_with_its_reader(write: Write) -> None:
    path = write("a.html", "<p>x")
    before = {one.pid for one in psutil.Process().children()}
    with Extractor() as extractor:
        list(extractor.read(path, path.parent, Options()))
        [child] = [one for one in psutil.Process().children() if one.pid not in before]
        assert process._MODULE in child.cmdline()
    assert not child.is_running()


def test_a_reader_that_stops_half_way_disturbs_nobody(extractor: Extractor, write: Write) -> None:
    box = write("a.mbox", "".join(f"From a\nSubject: {n}\n\nx\n\n" for n in range(50)))
    assert next(extractor.read(box, box.parent, Options())).title == "0"
    page = write("b.html", "<p>well")
    assert [one.text for one in extractor.read(page, page.parent, Options())] == ["well"]
