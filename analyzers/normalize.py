"""Fold text for comparison: one spelling for everything that a searcher considers the same.

Folding applies NFKC (full and half width, ligatures, unit signs), replaces radicals and strokes by the
characters they look like, folds case, removes accents from Latin and Greek letters and vowel points from
Hebrew and Arabic, and converts Traditional to Simplified Chinese. It keeps marks that make a different
letter: kana voicing, Indic vowel signs, Cyrillic й. It drops what Unicode calls ignorable: variation
selectors, joiners, zero-width spaces (Thai and Khmer are cut without them), and soft hyphens except at the
end of a line. Every folded character can be traced to its original.

These letters alone give no term: apostrophes (``_APOSTROPHES``), the Hangul fillers, and Arabic's tatweel
and vowel points in their presentation forms. Nor do ⺀ and the strokes that Unicode equates with no
character.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, TypeAlias

import regex

if TYPE_CHECKING:
    from opencc import OpenCC

Span: TypeAlias = tuple[str, int, int]
"""A term and the characters it came from: (term, start, end)."""

_RAISED = r"\u00B2\u00B3\u00B9\u2070-\u209C"
# Characters whose folding depends on a neighbour; a text without any folds character by character.
_INTERACTING = (
    r"\p{M}\p{Grapheme_Extend}\p{Default_Ignorable_Code_Point}"
    r"\u1100-\u11FF\uA960-\uA97F\uD7B0-\uD7FF"  # conjoining jamo
) + _RAISED

# A common subset of the characters that do not interact: re matches it ten times faster than regex searches
# for the interacting ones.
_alone = re.compile(
    "[\x00-\xac\xae-\xb1\xb4-\xb8\xba-\u02ff\u2010-\u2027\u2030-\u205f\u3000-\u3029\u3040-\u3098"
    "\u4e00-\u9fff\uff00-\uff9d\uffe0-\uffe6]*"
)
_interacting = regex.compile(f"[{_INTERACTING}]")
_cluster = regex.compile(rf"(?=.[{_INTERACTING}]|[{_INTERACTING}])\X")
_MAX_CLUSTER = 32  # Unicode's stream-safe format allows 30 marks per letter; ordering more is quadratic
_raised_after_digit = regex.compile(rf"(?<=\p{{Nd}})[{_RAISED}]")

_han = regex.compile(r"\p{Han}")
_surrogates = regex.compile(r"\p{Cs}")
_ignorable = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_accents = regex.compile(
    r"(?<=[\p{Latin}\p{Greek}\p{N}\p{P}\p{S}]\p{M}*)\p{M}"
    r"|(?<=\p{Cyrillic})[\u0300\u0301]|(?<=\u0435)\u0308"
    r"|[\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7]"  # Hebrew points
    r"|[\u0640\u064B-\u0652\u0670]"  # Arabic vowels, tatweel
)
_APOSTROPHES = "\u2018\u2019\u201b\u2032\u02bb\u02bc\u02bd\u02be\u02bf"  # also Hawaiʻi, Qurʾān
_soft_break = re.compile("\u00ad\r?\n")
# NFKC would join the sign to its word ("sonytm") and turn the ellipsis into three characters.
_BEFORE_NFKC = str.maketrans("™℠…‥´", "    '")
_AFTER_NFKC: dict[int, str | int] = {
    **{ord(apostrophe): "'" for apostrophe in _APOSTROPHES},
    ord("\u2010"): "-",
    **str.maketrans("øđðħıłŧ", "oddhilt"),
    ord("æ"): "ae",
    ord("œ"): "oe",
    ord("þ"): "th",
}


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text that can be mapped back to the original."""

    text: str
    edits: _Edits | None = None

    def originals(self, spans: list[Span]) -> list[Span]:
        """Map each ``text[start:end]`` back to the original; part of an expanded character maps to all of
        it."""
        if self.edits is None:
            return spans
        return [(term, self.edits.start(start), self.edits.end(end)) for term, start, end in spans]


def fold(text: str) -> Folded:
    """Fold any string, in time and memory proportional to its length."""
    folded = fold_apart(text)
    return folded if text.isascii() else Folded(simplify(folded.text), folded.edits)


def fold_apart(text: str) -> Folded:
    """The same but for Traditional Chinese, which stays."""
    if text.isascii():
        return Folded(text.lower())
    if _alone.fullmatch(text) or not _interacting.search(text):
        folded = text.translate(_characters)
        if len(folded) == len(text):
            return Folded(folded)
    return _fold_by_cluster(text)


def simplify(text: str) -> str:
    """Convert Traditional to Simplified Chinese without changing the length: by phrase (乾燥 becomes 干燥,
    乾隆 stays) if that keeps the length, otherwise by character."""
    if not _han.search(text):
        return text
    simplified: str = _opencc().convert(text)
    if len(simplified) == len(text):
        return simplified
    return _han.sub(lambda match: _opencc().convert(match.group())[:1], text)


def _fold_by_cluster(text: str) -> Folded:
    """Fold whole grapheme clusters where neighbouring characters interact, single characters elsewhere."""
    edits = _Edits()
    pieces: list[str] = []
    done = 0
    for match in _cluster.finditer(text):
        start, end = match.span()
        pieces += _fold_plain(text, done, start, edits)
        piece = _fold_cluster(text[start : min(end, start + _MAX_CLUSTER)])
        if _raised_after_digit.match(text, start):  # "2015²" is 2015 and a footnote, not 20152
            piece = " " + piece
        if _soft_break.match(text, start):
            piece = "-"
        pieces.append(edits.record(piece, start, end))
        done = end
    pieces += _fold_plain(text, done, len(text), edits)
    return Folded("".join(pieces), edits)


def _fold_plain(text: str, start: int, end: int, edits: _Edits) -> list[str]:
    piece = text[start:end].translate(_characters)
    if len(piece) == end - start:
        return [edits.record(piece, start, end)]
    return [edits.record(_characters[ord(text[at])], at, at + 1) for at in range(start, end)]


class _Edits:
    """The spans whose length changed, as positions in the folded and in the original text."""

    def __init__(self) -> None:
        self.starts, self.ends = array("q"), array("q")
        self.original_starts, self.original_ends = array("q"), array("q")
        self.length = 0

    def record(self, piece: str, start: int, end: int) -> str:
        """Append ``piece``, folded from the original's ``[start:end]``."""
        if len(piece) != end - start:
            self.starts.append(self.length)
            self.ends.append(self.length + len(piece))
            self.original_starts.append(start)
            self.original_ends.append(end)
        self.length += len(piece)
        return piece

    def start(self, start: int) -> int:
        edit = bisect_right(self.starts, start) - 1
        if edit < 0:
            return start
        if start < self.ends[edit]:
            return self.original_starts[edit]
        return self.original_ends[edit] + start - self.ends[edit]

    def end(self, end: int) -> int:
        edit = bisect_left(self.starts, end) - 1
        if edit < 0:
            return end
        return self.original_ends[edit] + max(0, end - self.ends[edit])


class _Characters(dict[int, str]):
    """A table for ``str.translate``: each character's folding, computed on first use."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = _fold_cluster(chr(code))
        return folded


@lru_cache(maxsize=1 << 14)
def _fold_cluster(cluster: str) -> str:
    text = _surrogates.sub("\ufffd", cluster.translate(_BEFORE_NFKC)).translate(_look_alikes())
    if unicodedata.decomposition(text[0]).startswith("<fraction>"):
        text = " " + text  # "6½" is not 61/2
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = _ignorable.sub("", text).translate(_AFTER_NFKC)
    text = unicodedata.normalize("NFC", _accents.sub("", unicodedata.normalize("NFD", text)))
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


_characters = _Characters()


@cache
def _look_alikes() -> dict[int, int]:
    """Map radicals and strokes that NFKC leaves alone to their Equivalent_Unified_Ideograph in Unicode."""
    lines = files("hybrid.analyzers").joinpath("lookalikes.txt").read_text("utf-8").splitlines()
    return str.maketrans(*(line for line in lines if not line.startswith("#")))


@cache
def _opencc() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")
