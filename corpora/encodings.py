"""The encoding of a file of text: what its bytes say, what it declares, or what is most plausible.

A byte order mark decides; then UTF-8, where the whole file is valid; then a declaration in its head; then
what makes the likeliest text of it (`hybrid.corpora.plausibility`) without an error in the whole file. What
is binary, mixed or damaged is refused, and what remains a guess is reported: nothing is misread in silence.
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
_SAMPLE: Final = 1 << 10  # bytes that are judged
_TELLING: Final = 6  # bytes, with the line break: less is a guess, whatever it looks like
_HEAD: Final = 1024  # bytes that a declaration stands in

_MARKS: Final = {  # the longer ones first: UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
    b"\x84\x31\x95\x33": "gb18030",
}
_DECLARING: Final = (*TEXT, *HTML)  # what stands in other kinds of files is data
# As HTML, XML, Python, Emacs and Vim declare it.
_DECLARED: Final = re.compile(rb"(?:coding|charset)[ \t]*[:=][ \t]*[\"']?([A-Za-z0-9][-.\w]*)")
# By these names much is written that only the wider encoding holds; https://encoding.spec.whatwg.org
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
_ESCAPING: Final = ("iso2022_kr", "iso2022_jp_2")  # of 7 bits, so valid as UTF-8
_ESCAPE: Final = re.compile(rb"\x1b\$")
# Control characters that texts hold: BEL to CR, Ctrl-Z at the end, escape sequences.
_CONTROLS: Final = bytes(set(range(32)) - {*range(7, 14), 26, 27} | {127})
_CONTROL: Final = re.compile(b"[" + re.escape(_CONTROLS) + b"]")
_FEW: Final = 100  # more than one in so many bytes is a control character: binary


class NotText(CorpusError):
    """Not text as a whole: binary, damaged UTF-8, or a mixture. Some of its lines may still be UTF-8."""


def check_encoding(name: str) -> str:
    """The codec of that name, or a wider one; InputError where there is none."""
    try:
        io.TextIOWrapper(io.BytesIO(), name)  # raises for codecs of no text, such as base64
        known = codecs.lookup(name).name
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"encoding {shown(name)} is not known; give one such as utf-8 or gb18030"
        ) from error
    return _WIDER.get(known, known)


def encoding_of(
    path: Path, said: str | None = None, assuming: Assuming | None = None, *, guess: bool = True
) -> str:
    """The encoding of a file: the one that is ``said``, or what its bytes tell; the whole file is valid in
    it. ``assuming`` is told of what is not UTF-8; without it doubts are logged. NotText for a ``guess``
    where there should be none."""
    if said is not None:
        encoding = check_encoding(said)
        if where := _invalid(path, encoding):
            wrong = NotText if encoding == "utf-8" else CorpusError
            raise wrong(f"{named(path)}: not valid {encoding} at {where}")
        return encoding
    scan = _Scan.of(path)
    found = _marked(path, scan) or _utf8(path, scan) or _declared(path, scan) or _likeliest(path, scan)
    if found.doubtful and not guess:
        raise NotText(f"{named(path)}: not UTF-8, and perhaps {found.encoding}; say the encoding")
    if found.encoding != "utf-8":
        tell(found, assuming)
    return found.encoding


@contextmanager
def opened_text(path: Path, encoding: str, newline: str | None = None) -> Iterator[TextIO]:
    """The text of a file, without a byte order mark."""
    with opened(path) as file:
        for mark, marked in _MARKS.items():
            if marked == encoding and file.peek(len(mark)).startswith(mark):
                file.read(len(mark))
        with io.TextIOWrapper(file, encoding, newline=newline) as text:
            yield text


def text_lines(
    path: Path, encoding: str | None = None, assuming: Assuming | None = None
) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number from 1 and without its line break."""
    with opened_text(path, encoding_of(path, encoding, assuming)) as file:
        for number, line in enumerate(lines(file, MAX_TEXT_LINE), start=1):
            if line is None:
                what = f"longer than {MAX_TEXT_LINE:,} characters; is this a file of lines?"
                raise CorpusError(f"{named(path)}:{number}: {what}")
            if line.strip():
                yield number, line.rstrip("\n")


@dataclass(frozen=True)
class _Scan:
    """What one look at a whole file shows: its ``head``, whether it is UTF-8, whether it holds NUL bytes or
    escape sequences of ISO 2022, and whether control characters are frequent."""

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
    """The first place where a file is not valid in an encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done = broken = 0  # bytes, and line breaks among them
    with opened(path) as file:
        block = b""
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
                done += len(block)
                broken += block.count(b"\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            left = len(error.object) - len(block)  # of the block before
            at = error.start - left
            return _place(done + at, broken + block.count(b"\n", 0, max(at, 0)))
        except UnicodeError:  # no byte order mark where "utf-16" was said
            return _place(0, 0)
    return None


def _control(path: Path) -> str:
    """The place of the first control character."""
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
    """What a byte order mark says."""
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
    """UTF-8, unless it looks like another encoding that has only bytes of ASCII."""
    if not scan.utf8:
        return None
    if scan.nuls or scan.controls:
        wide = _wide(path, scan)
        if wide or scan.nuls:
            return wide
    escaped = (name for name in _ESCAPING if scan.escapes and _invalid(path, name) is None)
    return AssumedEncoding(path, next(escaped, "utf-8"), False)


def _declared(path: Path, scan: _Scan) -> AssumedEncoding | None:
    """What is declared in the head, where the whole file is valid in it; a doubt where something else is
    far likelier."""
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
    """UTF-16 or UTF-32 without a mark, where that is the likeliest."""
    from hybrid.corpora.languages import NARROW, WIDE
    from hybrid.corpora.plausibility import STRANGE, readings

    found = readings([scan.head], WIDE)
    if found[0].cost > STRANGE * len(found[0].text):  # any two bytes are some character
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
            f"{named(path)}: binary, not text: a control character at {_control(path)}; if it is text all "
            "the same, say the encoding"
        )
    sample = _sample(path)
    chosen = _chosen(path, readings(sample, NARROW))
    other = _other(sample, chosen.encoding)
    if other == "utf-8":
        raise NotText(f"{named(path)}: some lines are UTF-8, others are not; bring them to one encoding")
    return chosen if other is None else replace(chosen, doubtful=True)


def _chosen(path: Path, found: Sequence[Reading]) -> AssumedEncoding:
    """The first of some readings, or one that is as good as that, in which the whole file is valid."""
    from hybrid.corpora.plausibility import STRANGE, SURE

    best = found[0]
    near = [reading for reading in found if reading.cost - best.cost < SURE]
    fitting = next((one for one in near if one.valid and _invalid(path, one.encoding) is None), None)
    if fitting is None:
        wrong = NotText if best.encoding == "utf-8" else CorpusError
        what = f"looks like {best.encoding}, but is not valid at {_invalid(path, best.encoding)}"
        raise wrong(f"{named(path)}: {what}; mend that, or say the encoding")
    short = len(fitting.text.encode(fitting.encoding)) < _TELLING
    doubtful = short or fitting.average > STRANGE or any(one.text != fitting.text for one in near)
    return AssumedEncoding(path, fitting.encoding, doubtful)


def _other(sample: Sequence[bytes], encoding: str) -> str | None:
    """An encoding in which a line is far likelier than in the one that all of them seem to have."""
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
    """Lines that are not ASCII, from all over the file; long ones are cut."""
    sample: list[bytes] = []
    size, step = 0, 1  # bytes in the sample, and of how many lines one is in it
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
    """Each line with its line break, or a part of it where it is long: from where it is not ASCII on."""
    whole, line = True, file.readline(_SAMPLE)
    while line:
        following = file.readline(_SAMPLE)
        if whole:
            yield line if following else line.removesuffix(b"\n") + b"\n"
        whole, line = line.isascii() or line.endswith(b"\n"), following
