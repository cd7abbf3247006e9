"""EPUB: the chapters of a book in the order in which they are read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from hybrid.corpora.encodings import check_encoding
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import some
from hybrid.corpora.extraction.html import text_of
from hybrid.corpora.extraction.packed import Archive, title_in, unpacked
from hybrid.corpora.options import Options
from hybrid.corpora.records import BadRecord
from hybrid.errors import InputError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARED: Final = re.compile(rb"<\?xml[^>]{,100}encoding\s*=\s*[\"']([-.\w]+)")


def read(path: Path, _: Options) -> Iterator[Extracted]:
    with unpacked(path, "an EPUB") as archive:
        package = _package(archive)
        book = archive.xml(package)
        title = title_in(book)
        locked = _locked(archive)
        chapters = [name for href in _spine(book) if (name := _place(package, href)) in archive.names]
        if locked.intersection(chapters):
            raise BadRecord("encrypted: its publisher lets only certain readers open it (DRM)")
        texts = [text_of(_decoded(archive.read(name))).text for name in chapters]
    yield Extracted(some("\n\n".join(filter(None, texts))), title)


def _package(archive: Archive) -> str:
    for found in archive.xml("META-INF/container.xml").iter():
        if found.tag.endswith("}rootfile"):
            return found.get("full-path", "")
    raise BadRecord("broken: META-INF/container.xml names no book")


def _spine(book: Element) -> Iterator[str]:
    """The files of the chapters, in reading order."""
    items = {one.get("id"): one.get("href", "") for one in book.iter() if one.tag.endswith("}item")}
    for one in book.iter():
        if one.tag.endswith("}itemref"):
            yield items.get(one.get("idref"), "")


def _place(package: str, href: str) -> str:
    """The name of a member that a package refers to. Whatever it is, it is only looked up there."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(href.partition("#")[0])))


def _locked(archive: Archive) -> set[str]:
    """The members that are encrypted; fonts often are."""
    if "META-INF/encryption.xml" not in archive.names:
        return set()
    found = archive.xml("META-INF/encryption.xml").iter()
    return {unquote(one.get("URI", "")) for one in found if one.tag.endswith("}CipherReference")}


def _decoded(content: bytes) -> str:
    for encoding in ("utf-8-sig", *_declared(content)):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("utf-8", "replace")


def _declared(content: bytes) -> Iterator[str]:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield "utf-16"
    if found := _DECLARED.match(content.lstrip()):
        try:
            yield check_encoding(found[1].decode())
        except InputError:
            return
