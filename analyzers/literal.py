"""A text as it stands, token by token, for phrases and for the beginnings and spellings of words.

Words are not stemmed, none is a stop word, and no compound is joined: they end at everything that is no
letter or digit, except for C++ and C#. Scripts without spaces give a token for each character, so any
stretch of a text has the tokens that it has there. Case, width and accents are folded as by all analyzers;
Traditional Chinese by character, since what a character is must not depend on its neighbours.
"""

from __future__ import annotations

import re
from typing import Final

from hybrid.analyzers.normalize import Span, fold_apart, simplify
from hybrid.analyzers.segment import EMOJI, HAN, LETTERS, MARK, UNSPACED, clip

_END = r"(?:\+\+(?!\+)|\#)?"
_ascii: Final = re.compile(rf"[a-z0-9]+{_END}")
_tokens: Final = re.compile(
    rf"{LETTERS}{_END}|[{HAN}]|[{UNSPACED}][{MARK}]{{0,32}}|[\U0001f1e6-\U0001f1ff]{{2}}|[{EMOJI}]"
)
_LONG: Final = 63  # characters that surely fit into a term


def literal(text: str) -> list[str]:
    """The tokens of ``text``, in order."""
    if text.isascii():
        found = _ascii.findall(text.lower())
    else:
        found = _tokens.findall(fold_apart(text).text.translate(_simplified))
    return found if max(map(len, found), default=0) <= _LONG else [clip(token) for token in found]


def literal_spans(text: str) -> list[Span]:
    """The tokens with the characters each came from: ``text[start:end]``."""
    folded = fold_apart(text)
    matches = _tokens.finditer(folded.text.translate(_simplified))
    return folded.originals([(clip(match.group()), *match.span()) for match in matches])


class _Simplified(dict[int, str]):
    """A table for ``str.translate``: the Simplified form of each character, found on first use."""

    def __missing__(self, code: int) -> str:
        simple = self[code] = simplify(chr(code))
        return simple


_simplified: Final = _Simplified()
