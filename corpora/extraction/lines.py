"""Lines that were broken to fit a width, made one again."""

from __future__ import annotations

from typing import Final

import regex

_WIDE: Final = r"[\p{Han}\p{Hiragana}\p{Katakana}，。！？；：、（）《》「」『』“”‘’…—]"
_BROKEN: Final = regex.compile(rf"(?<={_WIDE})\s*\n\s*(?={_WIDE})")
_CONTROLS: Final = regex.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def joined(text: str) -> str:
    """``text`` in one line: a space for each stretch of white space, nothing for a line break between two
    Chinese or Japanese characters."""
    return " ".join(_BROKEN.sub("", _CONTROLS.sub("", text)).split())
