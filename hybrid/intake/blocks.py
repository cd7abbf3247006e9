"""The structure of a text, read from its lines: headings, pages, paragraphs, list items, fenced code.

Texts are Markdown, or plain. Headings are Markdown's two kinds, HTML's on a line of their own, and lines
that number a chapter ("第三章 …", "Chapter 3"). A form feed ends a page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from hybrid.ledger.passages import LONGEST_HEADING

_MARKS: Final = 8  # of a fence that are counted
_DIGITS: Final = "〇零一二三四五六七八九十百千两0-9０-９"

_MARK: Final = re.compile(
    rf"""
      (?P<blank> \s* $ )
    | (?P<atx> [ ]{{0,3}} (?P<hashes>\#{{1,6}}) [^\S\n]+ (?P<atx_name>[^\n]+) )
    | (?P<html> [^\S\n]* <[hH](?P<depth>[1-6])\b [^<>\n]{{0,200}} > (?P<html_name>[^\n]{{1,1000}}?)
        </[hH](?P=depth) [^\S\n]* > )
    | (?P<fence> [^\S\n]* (?: (?P<ticks>`{{3,}}) [^`\n]* | (?P<waves>~{{3,}}) [^\n]* ) $ )
    | (?P<item> [^\S\n]* (?: (?: [-*+•] | \d{{1,3}}\. ) [^\S\n] | [（(]?[{_DIGITS}]{{1,3}}[、）)] ) )
    | (?P<numbered> [^\S\n]* (?P<numbered_name> 第[{_DIGITS}]{{1,9}} (?P<unit>[卷部篇编回章讲课节])
        (?: (?: [^\S\n] | [:：、.．·] ) [^\n]* )? ) $ )
    | (?P<chapter> [^\S\n]* (?P<chapter_name> (?P<word> (?i: part | book | chapter | section ) )
        [ ]+ (?: \d{{1,4}} | [IVXLC]{{1,8}} ) \b [^\n]* ) $ (?= \n [^\S\n]* (?: \n | \Z ) | \Z ) )
    | (?P<setext> (?P<setext_name> [^\s] [^\n]* ) \n (?P<line> ={{2,}} | -{{2,}} ) [^\S\n]* $ )
    """,
    re.MULTILINE | re.VERBOSE,
)
"""What a line begins with that is not a line like others. Asked at the beginnings of lines alone."""
_HEADINGS: Final = frozenset(("atx", "html", "numbered", "chapter", "setext"))
_FIRST: Final = frozenset(("chapter", "setext"))
"""These are headings only where a block begins, or they are lines like others."""
_LEVELS: Final = dict.fromkeys([*"卷部篇编", "part", "book"], 1) | dict.fromkeys([*"节", "section"], 3)
_TAG: Final = re.compile(r"<[^<>]*>")
_SOLID: Final = re.compile(r"\S")


class Block(NamedTuple):
    """A stretch ``text[start:end]`` without blanks at its ends. A heading has a ``level``, from 1, and a
    ``name``; ``code`` is fenced, and its fences are in the stretch."""

    start: int
    end: int
    level: int = 0
    name: str = ""
    code: bool = False


def blocks(text: str) -> Iterator[Block]:
    """The blocks of ``text``, in order: together they hold all that is not blank."""
    start = 0
    while start < len(text):
        end = text.find("\f", start)
        end = len(text) if end < 0 else end
        yield from _page(text, start, end)
        start = end + 1


def _page(text: str, start: int, end: int) -> Iterator[Block]:
    begin = at = start
    fences = _Fences(text, end)
    while at < end:
        past = at  # of what is known of this line
        if mark := _MARK.match(text, at, end):
            heading = _heading(text, begin, mark)
            own = fences.code(mark) if mark.lastgroup == "fence" else heading
            if own or mark.lastgroup in ("blank", "item"):
                yield from _solid(text, begin, at)
                past = own.end if own else mark.end()
                begin = at if mark.lastgroup == "item" else past
            if own:
                yield own
        at = text.find("\n", past, end) + 1 or end
    yield from _solid(text, begin, end)


def _solid(text: str, start: int, end: int) -> Iterator[Block]:
    """What is between, without the blanks at its ends, if there is anything."""
    if first := _SOLID.search(text, start, end):
        yield Block(first.start(), first.start() + len(text[first.start() : end].rstrip()))


def _heading(text: str, begin: int, mark: re.Match[str]) -> Block | None:
    """The heading that a line is, in a block that has begun at ``begin``; None where it is none, is too
    long, has no name, or stands within the block."""
    kind = str(mark.lastgroup)
    if kind not in _HEADINGS:
        return None
    start, end = mark.span(f"{kind}_name")
    if end - start > LONGEST_HEADING or (kind in _FIRST and _SOLID.search(text, begin, mark.start())):
        return None
    name = text[start:end].strip()
    if kind == "atx":
        name = re.sub(r"(?:^|\s+)#+$", "", name)
    elif kind == "html":
        name = " ".join(_TAG.sub("", name).split())
    if not name:
        return None
    return next(_solid(text, *mark.span()))._replace(level=_level(mark), name=name)


def _level(mark: re.Match[str]) -> int:
    match mark.lastgroup:
        case "atx":
            return len(mark["hashes"])
        case "html":
            return int(mark["depth"])
        case "setext":
            return 1 if mark["line"][0] == "=" else 2
    return _LEVELS.get((mark["unit"] or mark["word"]).lower(), 2)


class _Fences:
    """The fenced code of a page. A fence that nothing closes is a line like others; once one is known, no
    other as long is looked for, so that a text of nothing else takes time in proportion."""

    def __init__(self, text: str, end: int) -> None:
        self._text, self._end = text, end
        self._open: dict[str, int] = {}

    def code(self, mark: re.Match[str]) -> Block | None:
        """From the opening fence to the one that closes it; None where none does."""
        fence = mark["ticks"] or mark["waves"]
        sign, least = fence[0], min(len(fence), _MARKS)
        if least >= self._open.get(sign, _MARKS + 1):
            return None
        closing = re.compile(rf"^[^\S\n]*{sign}{{{least},}}[^\S\n]*$", re.MULTILINE)
        if (close := closing.search(self._text, mark.end(), self._end)) is None:
            self._open[sign] = least
            return None
        return next(_solid(self._text, mark.start(), close.end()))._replace(code=True)
