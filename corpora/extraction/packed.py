"""Packed documents, ZIP archives of XML as .docx, .xlsx and .epub are: opened only where they unpack to
no more than they may, their members read by name and never written anywhere."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hybrid.corpora.extraction.formats import lying, whole
from hybrid.corpora.records import BadRecord
from hybrid.limits import MAX_EXPANSION, MAX_FILE, MIN_EXPANDED, shown

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARES: Final = re.compile(rb"<!(DOCTYPE|ENTITY)")
_OLD: Final = b"\xd0\xcf\x11\xe0"


@contextmanager
def unpacked(path: Path, what: str) -> Iterator[Archive]:
    """The archive in a file that is ``what`` its name says. BadRecord for another,
    a bomb or a broken one."""
    content = whole(path)
    if content.startswith(_OLD):
        raise BadRecord("encrypted: it opens only with a password (or it is an old Office file, renamed)")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            archive = Archive(opened, content)
            archive.check()
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise lying(content, what) if content[:2] != b"PK" else BadRecord(f"a broken {what[2:]}") from error


class Archive:
    """``content``: the bytes of the whole file."""

    def __init__(self, opened: zipfile.ZipFile, content: bytes) -> None:
        self._opened, self.content = opened, content
        self.names = set(opened.namelist())

    def check(self) -> None:
        """BadRecord for what unpacks to too much, by the sizes that it states: no member yields more."""
        size = sum(info.file_size for info in self._opened.infolist())
        if size > min(MAX_FILE, max(MIN_EXPANDED, MAX_EXPANSION * len(self.content))):
            raise BadRecord(f"unpacks to {size:,} bytes, too many for a document; is it built to?")
        if any(info.flag_bits & 1 for info in self._opened.infolist()):
            raise BadRecord("encrypted: it opens only with a password")

    def read(self, name: str) -> bytes:
        if name not in self.names:
            raise BadRecord(f"broken: {shown(name)} is not in it")
        return self._opened.read(name)

    def xml(self, name: str) -> Element:
        """The root of a member. Where it declares entities or a type of document, which may have no end or
        lead elsewhere, it is not parsed."""
        from xml.etree import ElementTree

        content = self.read(name)
        check_xml(content, name)
        try:
            return ElementTree.fromstring(content)
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise BadRecord(f"broken: {shown(name)} is no XML: {shown(str(error))}") from error

    def check_office(self) -> None:
        """BadRecord where a member of an Office document declares entities: none has reason to."""
        for name in self.names:
            if name.lower().endswith((".xml", ".rels")):
                check_xml(self.read(name), name)

    def title(self) -> str:
        """Of an Office document, as its properties say."""
        core = "docProps/core.xml"
        return title_in(self.xml(core)) if core in self.names else ""


def title_in(element: Element) -> str:
    """The title that Dublin Core gives, as Office documents and books have it."""
    return (element.findtext(".//{http://purl.org/dc/elements/1.1/}title") or "").strip()


def check_xml(content: bytes, name: str) -> None:
    if _DECLARES.search(content.replace(b"\0", b"")):  # as UTF-16 has it
        raise BadRecord(f"{shown(name)} declares entities of XML, which no document needs")
