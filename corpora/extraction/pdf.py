"""PDF: pages of paragraphs and headings, told apart by where the lines stand and how large they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import lying, some, whole
from hybrid.corpora.extraction.lines import joined
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import require
from hybrid.limits import MAX_TEXT

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfTextPage

_MARK: Final = b"%PDF-"
_HYPHEN: Final = "\ufffe"  # which PDFium makes of a hyphen at the end of a line
_ITEM: Final = re.compile(r"[•◦▪‣·\uf0b7●○■□–-]\s+(?=\S)")
_LARGER: Final = 1.15  # than most of the text: a heading
_LARGEST: Final = 1.6
_LONG: Final = 200  # characters: no heading
_GAP: Final = 0.7  # of the height of a line: more between two lines ends a paragraph
_FILE_NAME: Final = re.compile(r"untitled|.*\.(docx?|pptx?|xlsx?|tex|dvi|indd|qxd|html?|pdf|rtf|odt)", re.I)


class _Line(NamedTuple):
    text: str
    size: float
    bottom: float
    top: float


def read(path: Path, _: Options) -> Iterator[Extracted]:
    require("reading PDF", "pypdfium2", extra="files")
    import pypdfium2

    content = whole(path)
    if _MARK not in content[:1024]:
        raise lying(content, "a PDF")
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise BadRecord("encrypted: it opens only with a password") from error
        raise BadRecord("a broken PDF") from error
    with closing(document):
        pages = list(_pages(document))
        title = str(document.get_metadata_value("Title")).strip()
    text = some("\f".join(_text(pages)))
    yield Extracted(text, _title(title, text), metadata={"pages": len(pages)})


def _pages(document: PdfDocument) -> Iterator[list[_Line]]:
    left = MAX_TEXT
    for page in document:
        with closing(page), closing(page.get_textpage()) as text:
            lines = list(_lines(text))
            left -= sum(len(line.text) for line in lines)
            if left < 0:
                raise BadRecord(f"longer than {MAX_TEXT:,} characters; cut it into several files")
            yield lines


def _lines(page: PdfTextPage) -> Iterator[_Line]:
    import pypdfium2.raw as pdfium

    count, at = page.count_chars(), 0
    for line in page.get_text_range().split("\r\n"):
        if line.strip() and at < count:
            first = at + len(line) - len(line.lstrip())
            _, bottom, _, top = page.get_charbox(min(first, count - 1), loose=True)
            size = pdfium.FPDFText_GetFontSize(page.raw, min(first, count - 1))
            yield _Line(line.strip(), round(abs(top - bottom) or size, 1), bottom, top)
        at += len(line) + 2


def _text(pages: list[list[_Line]]) -> Iterator[str]:
    """Each page as blocks with a blank line between."""
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[line.size] += len(line.text)
    usual = sizes.most_common(1)[0][0] if sizes else 0.0
    for lines in pages:
        yield "\n\n".join(_block(block, usual) for block in _blocks(lines))


def _blocks(lines: list[_Line]) -> Iterator[list[_Line]]:
    """Lines that belong together: of one size, close below each other, no second item of a list."""
    block: list[_Line] = []
    for line in lines:
        if block:
            last = block[-1]
            apart = last.bottom - line.top > _GAP * last.size or line.bottom > last.top
            if apart or abs(line.size - last.size) > 0.1 * last.size or _ITEM.match(line.text):
                yield block
                block = []
        block.append(line)
    if block:
        yield block


def _block(lines: list[_Line], usual: float) -> str:
    text = joined("\n".join(line.text for line in lines).replace(_HYPHEN + "\n", "").replace(_HYPHEN, "-"))
    size = lines[0].size
    if usual and size >= _LARGER * usual and len(text) <= _LONG:
        return ("# " if size >= _LARGEST * usual else "## ") + text
    return _ITEM.sub("- ", text, count=1) if _ITEM.match(text) else text


def _title(said: str, text: str) -> str:
    """What the document says its title is, unless that is a file's name; or else its first heading."""
    if said and not _FILE_NAME.fullmatch(said):
        return said
    first = text.partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else ""
