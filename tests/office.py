"""Documents as programs write them: PDF, DOCX, XLSX, EPUB, made of paragraphs."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from html import escape

_XML = '<?xml version="1.0" encoding="UTF-8"?>'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_HALF = "[1[500] 814 939 500]"  # the widths of Latin letters


def packed(members: dict[str, str]) -> bytes:
    """A ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


# -- PDF

Text = tuple[float, float, str]
"""The size of some text, how far above the bottom of the page, and its characters."""


def pdf(pages: Sequence[Sequence[Text]], title: str = "", locked: bool = False) -> bytes:
    """Each text in a line of its own, in a font that is not embedded."""
    kids = " ".join(f"{7 + 2 * number} 0 R" for number in range(len(pages)))
    fixed = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>",
        "<</Type/FontDescriptor/FontName/STSong-Light/Flags 6/FontBBox[-25 -254 1000 880]/ItalicAngle 0"
        "/Ascent 880/Descent -120/CapHeight 880/StemV 93>>",
        "<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/FontDescriptor 3 0 R/DW 1000"
        f"/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 4>>/W{_HALF}>>",
        "<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UTF16-H/DescendantFonts[4 0 R]>>",
        f"<</Title<{_hex(chr(0xFEFF) + title)}>>>",
    ]
    objects = [one.encode() for one in fixed]
    for number, page in enumerate(pages):
        below = "".join(f"BT /F1 {size} Tf 72 {y} Td <{_hex(text)}> Tj ET\n" for size, y, text in page)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R>>>>/Contents "
            b"%d 0 R>>" % (8 + 2 * number)
        )
        objects.append(stream(below.encode()))
    secret = f"/Encrypt<</Filter/Standard/V 1/R 2/O<{'11' * 32}>/U<{'22' * 32}>/P -4>>/ID[<00><00>]"
    return pdf_of(objects, "/Info 6 0 R" + (secret if locked else ""))


def stream(content: bytes) -> bytes:
    data = zlib.compress(content)
    return b"<</Length %d/Filter/FlateDecode>>stream\n" % len(data) + data + b"\nendstream"


def pdf_of(objects: Iterable[bytes], trailer: str = "") -> bytes:
    """The first object is the catalogue."""
    made, places = b"%PDF-1.7\n", [b"0000000000 65535 f \n"]
    for number, content in enumerate(objects, start=1):
        places.append(b"%010d 00000 n \n" % len(made))
        made += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"xref\n0 %d\n" % len(places) + b"".join(places)
    end = f"trailer<</Size {len(places)}/Root 1 0 R{trailer}>>\nstartxref\n{len(made)}\n%%EOF".encode()
    return made + table + end


def _hex(text: str) -> str:
    return text.encode("utf-16-be").hex()


def paged(title: str, paragraphs: Sequence[str], lines: int = 20) -> bytes:
    """A PDF of a title, and paragraphs of one line each."""
    texts = [(24.0, title), *((12.0, one) for one in paragraphs)]
    pages = [texts[start : start + lines] for start in range(0, len(texts), lines)]
    return pdf([[(size, 800 - 36 * n, text) for n, (size, text) in enumerate(page)] for page in pages])


# -- Office


def docx(body: str, title: str = "", before: str = "") -> bytes:
    """``body``: what stands in ``w:body``; ``before``: what stands before the root."""
    document = f'<w:document xmlns:w="{_MAIN}"><w:body>{body}</w:body></w:document>'
    core = f'<c xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></c>'
    style = '<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/></w:style>'
    return packed(
        {
            "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
            "_rels/.rels": _relation("officeDocument", "word/document.xml"),
            "word/document.xml": _XML + before + document,
            "word/styles.xml": f'{_XML}<w:styles xmlns:w="{_MAIN}">{style}</w:styles>',
            "word/_rels/document.xml.rels": _relation("styles", "styles.xml"),
            "docProps/core.xml": _XML + core,
        }
    )


def paragraph(text: str, style: str = "") -> str:
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{look}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


def xlsx(rows: str) -> bytes:
    """``rows``: what stands in ``sheetData``."""
    sheet = f'<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>'
    book = '<sheets><sheet name="Stock" sheetId="1" r:id="r1"/></sheets>'
    return packed(
        {
            "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": _relation("officeDocument", "xl/workbook.xml"),
            "xl/workbook.xml": f'{_XML}<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}">{book}</workbook>',
            "xl/_rels/workbook.xml.rels": _relation("worksheet", "worksheets/sheet1.xml"),
            "xl/worksheets/sheet1.xml": _XML + sheet,
        }
    )


def row(number: int, *cells: str | float) -> str:
    shown = (
        f"<c><v>{cell}</v></c>"
        if isinstance(cell, (int, float))
        else f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
        for cell in cells
    )
    return f'<row r="{number}">{"".join(shown)}</row>'


def _relation(kind: str, target: str) -> str:
    return (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="r1" Type="{_OFFICE}/{kind}" Target="{target}"/></Relationships>'
    )


# -- EPUB


def epub(title: str, chapters: Sequence[str], extra: dict[str, str] | None = None) -> bytes:
    """Chapters of XHTML, filed in the opposite order of that in which they are read."""
    names = [f"c{number}.xhtml" for number in range(len(chapters))]
    items = "".join(f'<item id="{name}" href="text/{name}"/>' for name in reversed(names))
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{escape(title)}</dc:title></metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    members = {"META-INF/container.xml": container, "OEBPS/book.opf": package}
    return packed(
        members | {f"OEBPS/text/{n}": c for n, c in zip(names, chapters, strict=True)} | (extra or {})
    )
