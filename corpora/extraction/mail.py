"""E-mail: one message (``.eml``), or a mailbox of many (``.mbox``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

from hybrid.corpora.encodings import check_encoding
from hybrid.corpora.extraction.extracted import Extracted
from hybrid.corpora.extraction.formats import lying, whole
from hybrid.corpora.extraction.html import text_of
from hybrid.corpora.files import kind, lines, opened
from hybrid.corpora.languages import NARROW
from hybrid.corpora.options import Options
from hybrid.corpora.plausibility import readings
from hybrid.corpora.records import BadRecord
from hybrid.errors import CorpusError, InputError
from hybrid.limits import MAX_FILE, named
from hybrid.texts import clean

_FROM: Final = b"From "
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_HEADERS: Final = ("From", "To", "Cc", "Date")
_SAMPLE: Final = 1000  # bytes that tell the encoding of a text that does not say it


def read(path: Path, options: Options) -> Iterator[Extracted]:
    if kind(path) == ".eml":
        yield _message(whole(path))
        return
    for number, content in enumerate(_messages(path), start=1):
        try:
            if content is None:
                raise BadRecord(f"larger than {MAX_FILE:,} bytes")
            yield _message(content, str(number))
        except BadRecord as error:
            options.report(CorpusError(f"{named(path)}: message {number:,}: {error}"))


def _messages(path: Path) -> Iterator[bytes | None]:
    """The messages of a mailbox (RFC 4155), None for one that is too large. Each begins after a line that
    begins with "From " and follows a blank one."""
    message: list[bytes] | None = None
    size, blank = 0, True
    with opened(path) as file:
        for line in lines(file, MAX_FILE):
            if line is not None and blank and line.startswith(_FROM):
                if message is not None:
                    yield _whole(message, size)
                message, size = [], 0
            elif message is not None:
                size += MAX_FILE if line is None else len(line)
                message += [line] if line is not None and size <= MAX_FILE else []
            elif line is None or line.strip():
                raise lying(line or b"", "a mailbox")
            blank = line is not None and not line.strip()
    if message is None:
        raise BadRecord("holds no message")
    yield _whole(message, size)


def _whole(message: list[bytes], size: int) -> bytes | None:
    return _QUOTED.sub(rb"\1", b"".join(message)) if size <= MAX_FILE else None


def _message(content: bytes, part: str = "") -> Extracted:
    message = message_from_bytes(content, policy=policy.default)
    found = {name: value for name in _HEADERS if (value := _header(message, name))}
    subject = _header(message, "Subject")
    if not found and not subject:
        raise lying(content, "an e-mail")
    pieces = ["\n".join(f"{name}: {value}" for name, value in found.items()), _body(message)]
    if names := _attached(message):
        pieces.append("\n".join(f"- {name}" for name in names))
    metadata = {name.lower(): value for name, value in found.items()}
    with suppress(ValueError, TypeError, OverflowError):
        metadata["date"] = parsedate_to_datetime(metadata["date"]).isoformat() if "date" in metadata else ""
    kept = {name: value for name, value in metadata.items() if value}
    return Extracted("\n\n".join(filter(None, pieces)), subject, part, kept)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return " ".join(clean(str(message[name] or "")).split())
    except Exception:  # the parser of headers raises this and that on what is none
        return ""


def _body(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    payload = body.get_payload(decode=True)
    text = _decoded(payload if isinstance(payload, bytes) else b"", body.get_content_charset())
    if body.get_content_subtype() == "html":
        return text_of(text).text
    return text.replace("\r\n", "\n").strip("\n")


def _decoded(content: bytes, declared: str | None) -> str:
    """As it is declared, if that is so; or else UTF-8 or what it looks like."""
    tried = ["utf-8"]
    with suppress(InputError):
        tried = [check_encoding(declared), "utf-8"] if declared else tried
    for encoding in tried:
        with suppress(UnicodeDecodeError):
            return content.decode(encoding)
    return content.decode(readings([content[:_SAMPLE]], NARROW)[0].encoding, "replace")


def _attached(message: EmailMessage) -> list[str]:
    """The names of the files that are attached."""
    try:
        names = [part.get_filename() for part in message.iter_attachments()]
    except Exception:  # as above; a message of one part may have none
        return []
    return [" ".join(clean(name).split()) for name in names if name]
