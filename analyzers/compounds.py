"""A compound word into the forms by which people look for it.

"WH-1000XM5" is written wh1000xm5, WH 1000XM5 and wh-1000xm5; "iPhone15" is iphone 15. So a compound
gives its joined whole, its segments (between hyphens, dots, @ and &) and their stretches of letters
and of digits. All of them are terms, at the places where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hybrid.analyzers.segment import LETTERS, Part

_MAX_SEGMENTS = 6  # a longer chain (a slug, a path) has no name as a whole
_MAX_STRETCHES = 4  # a longer alternation (a hash, a UUID) has no parts that mean anything

_initials = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_possessive = re.compile(r"'s?$")
_segment = re.compile(rf"\.net\b|(?:\d++(?:[.,]\d++)++|{LETTERS}|(?<=\w)'(?=\w))+(?:\+\+|\#)?")
_stretch = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_joiners = str.maketrans("", "", "-_,'")


def parts(run: str) -> list[Part]:
    """Whole, segments, stretches: by start, then the longer first, no place twice."""
    if run.isalpha():
        return [Part(run, 0, len(run))]
    if _initials.fullmatch(run):  # u.s.a, e.g
        return [Part(run.replace(".", ""), 0, len(run))]
    found = {(start, -end): Part(term, start, end) for term, start, end in _forms(run)}
    return [found[place] for place in sorted(found)]


def _forms(run: str) -> Iterator[Part]:
    segments = list(_segment.finditer(run))
    if 1 < len(segments) <= _MAX_SEGMENTS:
        yield Part(_possessive.sub("", run).translate(_joiners), 0, len(run))
    for match in segments:
        yield from _segment_forms(match.group(), match.start())


def _segment_forms(segment: str, offset: int) -> Iterator[Part]:
    word = _possessive.sub("", segment)
    yield Part(word.translate(_joiners), offset, offset + len(word))
    stretches = list(_stretch.finditer(word))
    if len(stretches) > _MAX_STRETCHES or word.endswith("#"):
        return
    if len(stretches) == 1 and len(stretches[0].group()) == 1:  # c++ is not c, .net is not net
        return
    for match in stretches:
        yield Part(match.group().replace(",", ""), offset + match.start(), offset + match.end())
