"""HTML to text that keeps headings, paragraphs, lists, tables and code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hybrid.corpora.encodings import NotText, opened_text
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import lying, some
from hybrid.corpora.extraction.lines import joined
from hybrid.corpora.files import beginning, opened
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import require
from hybrid.limits import MAX_FILE

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_LEFT_OUT: Final = "head script style template noscript svg math iframe object audio video canvas select"
_APART: Final = (
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption "
    "figure footer form header hr legend main nav p section summary tbody td tfoot th thead"
)
_HIDDEN: Final = frozenset(_LEFT_OUT.split())
_BLOCKS: Final = frozenset(_APART.split())
_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_LISTS: Final = ("ul", "ol", "menu")
_STRUCTURE: Final = "table, ul, ol, pre, h1, h2, h3, h4, h5, h6"
_BREAK: Final = "\v"


def read(path: Path, options: Options) -> Iterator[Extracted]:
    try:
        encoding = options.encoding_of(path)
    except NotText as error:
        with opened(path) as file:
            raise lying(file.read(8), "a page of HTML") from error
    with opened_text(path, encoding) as file:
        content = "".join(beginning(file, MAX_FILE))
    if len(content) > MAX_FILE:
        raise BadRecord(f"larger than {MAX_FILE:,} characters")
    page = text_of(content)
    yield Extracted(some(page.text), page.title)


class Page(NamedTuple):
    """``heading``: the first one, of the highest level that there is."""

    title: str
    heading: str
    text: str


def text_of(content: str) -> Page:
    """A page, or a part of one."""
    require("reading HTML", "selectolax", extra="files")
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(content)
    title = tree.css_first("title")
    first = next(filter(None, map(tree.css_first, _HEADINGS)), None)
    heading = "" if first is None else " ".join(first.text().split())
    blocks = _Blocks()
    if (body := tree.body) is not None:
        for node, entering in _steps(body):
            (blocks.enter if entering else blocks.leave)(node)
    return Page("" if title is None else title.text().strip() or heading, heading, blocks.text())


def _steps(top: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node below ``top`` when it begins and when it ends; without recursion, however deep."""
    node: LexborNode | None = top
    while node is not None:
        yield node, True
        below = None if node.tag in _HIDDEN else node.first_child
        while below is None:
            yield node, False
            if node.mem_id == top.mem_id:
                return
            if (below := node.next) is None:
                node = node.parent
                if node is None:
                    return
        node = below


class _Blocks:
    """Collects the text of a block until the next one begins."""

    def __init__(self) -> None:
        self._done: list[tuple[str, str]] = []  # what kind of block, and its text
        self._pieces: list[str] = []
        self._before = ""  # stands before the next block: a heading's marks, an item's
        self._lists: list[int | None] = []  # the last number of each list around; None where it has none
        self._row: list[str] | None = None
        self._verbatim = 0

    def text(self) -> str:
        self._end()
        pieces, last = [], ""
        for kind, block in self._done:
            pieces += ["\n" if kind == last and kind in ("item", "row") else "\n\n", block]
            last = kind
        return "".join(pieces[1:])

    def enter(self, node: LexborNode) -> None:
        tag = node.tag
        if tag == "-text":
            self._pieces.append(node.text_content or "")
        elif tag == "br":
            self._pieces.append(_BREAK)
        elif tag in _HEADINGS:
            self._end()
            self._before = _HEADINGS[tag]
        elif tag in _LISTS:
            self._end()
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._end()
            self._before = self._mark()
        elif tag == "pre":
            self._end()
            self._verbatim += 1
        elif tag == "tr":
            self._end()
            self._row = None if node.css_first(_STRUCTURE) else []
        elif tag in _BLOCKS and self._row is None:
            self._end()

    def leave(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in ("td", "th") and self._row is not None:
            self._row.append(self._collected())
        elif tag == "tr":
            self._end_row()
        elif tag == "pre":
            self._end()
            self._verbatim -= 1
        elif tag in _LISTS:
            self._end()
            self._lists.pop()
        elif tag in _HEADINGS or tag == "li":
            self._end()
            self._before = ""
        elif tag in _BLOCKS:
            if self._row is None:
                self._end()
            else:
                self._pieces.append(" ")

    def _mark(self) -> str:
        depth = max(len(self._lists), 1)
        number = self._lists[-1] if self._lists else None
        if number is not None:
            number = self._lists[-1] = number + 1
        return "  " * (depth - 1) + ("- " if number is None else f"{number}. ")

    def _collected(self) -> str:
        parts = "".join(self._pieces).split(_BREAK)
        self._pieces = []
        return "\n".join(filter(None, map(joined, parts)))

    def _end(self) -> None:
        """Close the block that is open, if it holds anything."""
        if self._verbatim:
            code = "".join(self._pieces).replace(_BREAK, "\n").strip("\n")
            self._pieces = []
            if code.strip():
                self._done.append(("code", f"```\n{code}\n```"))
        elif block := self._collected():
            if self._before.startswith("#"):
                block = " ".join(block.split("\n"))
            item = self._before.lstrip()[:1].isdigit() or self._before.endswith("- ")
            self._done.append(("item" if item else "block", self._before + block))
            self._before = ""

    def _end_row(self) -> None:
        if self._row is None:
            self._end()
        elif any(self._row):
            self._done.append(("row", " | ".join(cell.replace("\n", " ") for cell in self._row)))
        self._row = None
