"""Detect the encoding of a text file.

A byte order mark decides; otherwise UTF-8, if the whole file is valid; otherwise a declaration in its
head; otherwise the encoding that gives the most plausible text (`hybrid.corpora.plausibility`) and is
valid for the whole file. Binary, mixed and damaged files are refused, and guesses are reported: nothing
is misread silently.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, TextIO

from hybrid.corpora.assumed import AssumedEncoding, Assuming, tell
from hybrid.corpora.files import kind, lines, opened
from hybrid.corpora.kinds import HTML, TEXT
from hybrid.errors import CorpusError, InputError
from hybrid.limits import MAX_TEXT_LINE, named, shown

if TYPE_CHECKING:
    from hybrid.corpora.plausibility import Reading

_BLOCK: Final = 1 << 20
_SAMPLE: Final = 1 << 10  # bytes whose plausibility is rated
_TELLING: Final = 6  # bytes, with the line break; anything shorter is a guess
_HEAD: Final = 1024  # bytes in which a declaration is looked for

_MARKS: Final = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"\x84\x31\x95\x33": "gb18030",
}
_DECLARING: Final = (*TEXT, *HTML)  # in other kinds of files a declaration would be data
# As HTML, XML, Python, Emacs and Vim declare it.
_DECLARED: Final = re.compile(rb"(?:coding|charset)[ \t]*[:=][ \t]*[\"']?([A-Za-z0-9][-.\w]*)")
# Text labelled with these names often needs the wider encoding; see https://encoding.spec.whatwg.org
_WIDER: Final = {
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "utf-8-sig": "utf-8",
}
_ESCAPING: Final = ("iso2022_kr", "iso2022_jp_2")  # 7-bit encodings, so also valid UTF-8
_ESCAPE: Final = re.compile(rb"\x1b\$")
# All control characters but those that occur in texts: BEL to CR, Ctrl-Z at the end, escape sequences.
_CONTROLS: Final = bytes(set(range(32)) - {*range(7, 14), 26, 27} | {127})
_CONTROL: Final = re.compile(b"[" + re.escape(_CONTROLS) + b"]")
_FEW: Final = 100  # a file with more than one control character per this many bytes is binary


class NotText(CorpusError):
    """The file as a whole is not text: binary, damaged UTF-8 or mixed. Some lines may still be UTF-8."""


def check_encoding(name: str) -> str:
    """Return the codec of this name, or a wider one. Raises InputError if there is none."""
    try:
        io.TextIOWrapper(io.BytesIO(), name)  # raises for codecs that are not for text, such as base64
        known = codecs.lookup(name).name
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"encoding {shown(name)} is not known; give one such as utf-8 or gb18030"
        ) from error
    return _WIDER.get(known, known)


def encoding_of(
    path: Path, said: str | None = None, assuming: Assuming | None = None, *, guess: bool = True
) -> str:
    """Return the encoding of a file: the one that the caller ``said``, or the one detected. The whole
    file is valid in it. ``assuming`` is called if it is not UTF-8; without it, doubtful cases are logged.
    Raises NotText instead of guessing if ``guess`` is False."""
    if said is not None:
        encoding = check_encoding(said)
        if where := _invalid(path, encoding):
            wrong = NotText if encoding == "utf-8" else CorpusError
            raise wrong(f"{named(path)}: not valid {encoding} at {where}")
        return encoding
    scan = _Scan.of(path)
    found = _marked(path, scan) or _utf8(path, scan) or _declared(path, scan) or _likeliest(path, scan)
    if found.doubtful and not guess:
        raise NotText(f"{named(path)}: not UTF-8, and perhaps {found.encoding}; give the encoding")
    if found.encoding != "utf-8":
        tell(found, assuming)
    return found.encoding


@contextmanager
def opened_text(path: Path, encoding: str, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file as text, without its byte order mark."""
    with opened(path) as file:
        for mark, marked in _MARKS.items():
            if marked == encoding and file.peek(len(mark)).startswith(mark):
                file.read(len(mark))
        with io.TextIOWrapper(file, encoding, newline=newline) as text:
            yield text


def text_lines(
    path: Path, encoding: str | None = None, assuming: Assuming | None = None
) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, each with its number from 1 and without its line break."""
    with opened_text(path, encoding_of(path, encoding, assuming)) as file:
        for number, line in enumerate(lines(file, MAX_TEXT_LINE), start=1):
            if line is None:
                what = f"longer than {MAX_TEXT_LINE:,} characters; is this a file of lines?"
                raise CorpusError(f"{named(path)}:{number}: {what}")
            if line.strip():
                yield number, line.rstrip("\n")


@dataclass(frozen=True)
class _Scan:
    """The result of one pass over a whole file: its ``head``, whether it is UTF-8, whether it contains NUL
    bytes or escape sequences of ISO 2022, and whether control characters are frequent."""

    head: bytes
    utf8: bool
    nuls: bool
    escapes: bool
    controls: bool

    @classmethod
    def of(cls, path: Path) -> _Scan:
        decoder = codecs.getincrementaldecoder("utf-8")()
        head, size, controls = b"", 0, 0
        utf8, nuls, escapes = True, False, False
        with opened(path) as file:
            while block := file.read(_BLOCK):
                head = head or block[:_SAMPLE]
                size += len(block)
                controls += len(block) - len(block.translate(None, _CONTROLS))
                nuls = nuls or 0 in block
                escapes = escapes or _ESCAPE.search(block) is not None
                utf8 = utf8 and _decodes(decoder, block)
            utf8 = utf8 and _decodes(decoder, b"", final=True)
        return cls(head, utf8, nuls, escapes, controls * _FEW > size)


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _invalid(path: Path, encoding: str) -> str | None:
    """Find the first place where a file is not valid in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = broken = 0  # bytes read, and line breaks among them
    with opened(path) as file:
        block = b""
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
                done += len(block)
                broken += block.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            left = len(error.object) - len(block)  # bytes left over from the previous block
            at = error.start - left
            return _place(done + at, broken + block.count(b"\n", 0, max(at, 0)))
        except UnicodeError:  # the caller said "utf-16" and there is no byte order mark
            return _place(0, 0)
    return None


def _control(path: Path) -> str:
    """Find the first control character."""
    done = broken = 0
    with opened(path) as file:
        while block := file.read(_BLOCK):
            if found := _CONTROL.search(block):
                return _place(done + found.start(), broken + block.count(b"\n", 0, found.start()))
            done += len(block)
            broken += block.count(b"\n")
    return "no byte any more"


def _place(byte: int, breaks: int) -> str:
    return f"byte {byte + 1:,}, line {breaks + 1:,}"


def _marked(path: Path, scan: _Scan) -> AssumedEncoding | None:
    """Return the encoding of the byte order mark, if there is one."""
    marked = [encoding for mark, encoding in _MARKS.items() if scan.head.startswith(mark)]
    wrong = {encoding: _invalid(path, encoding) for encoding in marked}
    for encoding, where in wrong.items():
        if where is None:
            return AssumedEncoding(path, encoding, False)
    if marked:
        what = f"begins with the mark of {marked[-1]} but is not valid at {wrong[marked[-1]]}"
        raise NotText(f"{named(path)}: {what}")
    return None


def _utf8(path: Path, scan: _Scan) -> AssumedEncoding | None:
    """Return UTF-8 if the file is valid, unless it is more likely one of the other encodings that use only
    ASCII bytes."""
    if not scan.utf8:
        return None
    if scan.nuls or scan.controls:
        wide = _wide(path, scan)
        if wide or scan.nuls:
            return wide
    escaped = (name for name in _ESCAPING if scan.escapes and _invalid(path, name) is None)
    return AssumedEncoding(path, next(escaped, "utf-8"), False)


def _declared(path: Path, scan: _Scan) -> AssumedEncoding | None:
    """Return the encoding declared in the head, if the whole file is valid in it; doubtful if another
    encoding is far more plausible."""
    from hybrid.corpora.languages import EVERY, NARROW
    from hybrid.corpora.plausibility import SURE, cost, decoded, readings

    declared = _DECLARED.search(scan.head, 0, _HEAD)
    if declared is None or scan.nuls or kind(path) not in _DECLARING:
        return None
    try:
        encoding = check_encoding(declared[1].decode())
        if declared[0].decode(encoding).encode() != declared[0] or _invalid(path, encoding):
            return None
    except (InputError, UnicodeDecodeError):
        return None
    sample = _sample(path)
    likeliest = readings(sample, NARROW)[0].cost
    return AssumedEncoding(path, encoding, likeliest + SURE < cost(decoded(sample, encoding), EVERY))


def _wide(path: Path, scan: _Scan) -> AssumedEncoding | None:
    """Return UTF-16 or UTF-32 without a mark, if one of them is the most plausible."""
    from hybrid.corpora.languages import NARROW, WIDE
    from hybrid.corpora.plausibility import STRANGE, readings

    found = readings([scan.head], WIDE)
    if found[0].cost > STRANGE * len(found[0].text):  # any two bytes are a character in UTF-16
        return None
    found = sorted(found + readings([scan.head], NARROW), key=lambda reading: reading.cost)
    return _chosen(path, found) if found[0].encoding in WIDE else None


def _likeliest(path: Path, scan: _Scan) -> AssumedEncoding:
    from hybrid.corpora.languages import NARROW
    from hybrid.corpora.plausibility import readings

    if (wide := _wide(path, scan)) is not None:
        return wide
    if scan.nuls or scan.controls:
        raise NotText(
            f"{named(path)}: binary, not text: a control character at {_control(path)}; if it is text "
            "nevertheless, give the encoding"
        )
    sample = _sample(path)
    chosen = _chosen(path, readings(sample, NARROW))
    other = _other(sample, chosen.encoding)
    if other == "utf-8":
        raise NotText(f"{named(path)}: some lines are UTF-8, others are not; convert them to one encoding")
    return chosen if other is None else replace(chosen, doubtful=True)


def _chosen(path: Path, found: Sequence[Reading]) -> AssumedEncoding:
    """Choose the best reading, or one about as good, in which the whole file is valid."""
    from hybrid.corpora.plausibility import STRANGE, SURE

    best = found[0]
    near = [reading for reading in found if reading.cost - best.cost < SURE]
    fitting = next((one for one in near if one.valid and _invalid(path, one.encoding) is None), None)
    if fitting is None:
        wrong = NotText if best.encoding == "utf-8" else CorpusError
        what = f"looks like {best.encoding}, but is not valid at {_invalid(path, best.encoding)}"
        raise wrong(f"{named(path)}: {what}; correct that, or give the encoding")
    short = len(fitting.text.encode(fitting.encoding)) < _TELLING
    doubtful = short or fitting.average > STRANGE or any(one.text != fitting.text for one in near)
    return AssumedEncoding(path, fitting.encoding, doubtful)


def _other(sample: Sequence[bytes], encoding: str) -> str | None:
    """Find another encoding in which some line is far more plausible than in ``encoding``."""
    from hybrid.corpora.languages import NARROW
    from hybrid.corpora.plausibility import DEAR, SURE, read, readings

    for line in sample:
        own = read([line], encoding)
        if own.average > DEAR:
            best = next(reading for reading in readings([line], NARROW) if reading.valid)
            if best.cost + 2 * SURE < own.cost:
                return best.encoding
    return None


def _sample(path: Path) -> list[bytes]:
    """Sample lines that are not ASCII from the whole file; long ones are cut."""
    sample: list[bytes] = []
    size, step = 0, 1  # bytes in the sample; every step-th line is in it
    with opened(path) as file:
        beyond = (line for line in _beginnings(file) if not line.isascii())
        for number, line in enumerate(beyond):
            if number % step == 0:
                sample.append(line)
                size += len(line)
            while size > 2 * _SAMPLE and len(sample) > 1:
                sample, step = sample[::2], 2 * step
                size = sum(map(len, sample))
    return sample


def _beginnings(file: IO[bytes]) -> Iterator[bytes]:
    """Yield each line with its line break, or if it is long, the part that begins where it is not ASCII."""
    whole, line = True, file.readline(_SAMPLE)
    while line:
        following = file.readline(_SAMPLE)
        if whole:
            yield line if following else line.removesuffix(b"\n") + b"\n"
        whole, line = line.isascii() or line.endswith(b"\n"), following
