"""Split a compound word into the forms by which people search for it.

"WH-1000XM5" is also written wh1000xm5, WH 1000XM5 and wh-1000xm5; "iPhone15" is also iPhone 15. So a
compound yields the joined whole, its segments (between hyphens, dots, @ and &), and the runs of letters
and of digits inside each segment, with their positions. O'Brien is also found as Brien, rock'n'roll as
rock and roll; but a contraction of function words stays one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import LETTER, MARK

LONGEST_WORD = 1024  # characters; a longer word (base64, a wall of letters) is cut off here
_MAX_SEGMENTS = 6  # nobody searches for a longer chain (a slug, a path) as a whole
_MAX_STRETCHES = 4  # the parts of a longer alternation (a hash) mean nothing

_SUBJECTS = (
    *("i", "you", "he", "she", "it", "we", "they", "who", "what", "which", "that", "this", "there", "here"),
    *("where", "when", "why", "how", "let"),
)
_MODALS = ("could", "would", "should", "might", "must")
_AUXILIARIES = (
    *("is", "are", "was", "were", "do", "does", "did", "have", "has", "had", "need", "ought", "dare"),
    *("ai", "ca", "wo", "sha"),  # ain't, can't, won't, shan't
)
CONTRACTIONS: Final = frozenset(
    [f"{subject}'{ending}" for subject in _SUBJECTS for ending in ("m", "re", "ve", "ll", "d", "s")]
    + [f"{verb}n't" for verb in (*_MODALS, *_AUXILIARIES)]
    + [f"{verb}'ve" for verb in _MODALS]
)

_NUMBER = r"\d+(?:[.,]\d+)*"  # 3.5, 2.1.3; the tokenizer has checked that commas separate thousands
_WORD = rf"(?:(?!\d){LETTER}[{MARK}]*)+(?:'(?:(?!\d){LETTER}[{MARK}]*)+)*"
_initials = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_ending = re.compile(r"'(?:s|re|ve|ll|d)?$")  # Jane's, dogs', Jane'll
_elision = re.compile(r"[^\W\d_]'(?=\w)")
_point = re.compile(r"\.(?!\d)|(?<!\d)\.")  # not a decimal point
_joiners = str.maketrans("", "", "-_,'\r\n\t ")


@cache
def _segment() -> re.Pattern[str]:  # compiling this and the next takes 10 ms: not at import
    return re.compile(rf"\.net\b|(?:{_NUMBER}|{_WORD}|')+(?:\+\+|\#)?")


@cache
def _stretch() -> re.Pattern[str]:
    return re.compile(f"{_NUMBER}|{_WORD}")


def parts(run: str) -> list[Span]:
    """Return the whole, its segments and their stretches, by start and then the longer first; at most one
    per position."""
    if run.isalpha():
        return [(run, 0, len(run))]
    if _initials.fullmatch(run):  # u.s.a, e.g
        return [(run.replace(".", ""), 0, len(run))]
    if "'" in run:
        run = run.replace("'n'", "-n-")  # rock'n'roll
    found = {(start, -end): (term, start, end) for term, start, end in _forms(run) if term}
    return [found[place] for place in sorted(found)]


def _forms(run: str) -> Iterator[Span]:
    segments = list(_segment().finditer(run))
    if 1 < len(segments) <= _MAX_SEGMENTS:
        yield (_joined(run), 0, len(run))
    for match in segments:
        yield from _segment_forms(match.group(), match.start())


def _joined(run: str) -> str:
    """Join the parts: wh1000xm5, nodejs, phd. jane.doe@example.com stays as it is, as does the point in
    v2.1."""
    whole = _ending.sub("", run)
    return (whole if "@" in whole else _point.sub("", whole)).translate(_joiners)


def _segment_forms(word: str, offset: int) -> Iterator[Span]:
    if word in CONTRACTIONS:
        yield (word, offset, offset + len(word))
        return
    segment = _ending.sub("", word)
    yield (segment.translate(_joiners), offset, offset + len(segment))
    if elision := _elision.match(segment):  # l'oreal, o'brien
        yield (segment[elision.end() :].translate(_joiners), offset + elision.end(), offset + len(segment))
    stretches = list(_stretch().finditer(segment))
    if not _is_a_name(segment) and len(stretches) <= _MAX_STRETCHES:
        for match in stretches:
            yield (match.group().translate(_joiners), offset + match.start(), offset + match.end())


def _is_a_name(segment: str) -> bool:
    """Whether to keep the segment whole: C++ is not C and .NET is not net, but Notepad++ is also
    notepad."""
    return segment == ".net" or segment.endswith("#") or (segment.endswith("++") and len(segment) == 3)
