"""How many tokens a text has: by a counter that is given, by an encoder's tokenizer, or by an estimate."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final, TypeAlias

from hybrid.errors import QueryError
from hybrid.limits import shown
from hybrid.ruler import Ruler
from hybrid.types import Encoder, Windowed

Count: TypeAlias = Callable[[str], int]
"""The number of tokens of a text."""

_TOKEN: Final = 28
"""Units of `hybrid.ruler`."""


def estimate(text: str) -> int:
    """A token for every 4 characters, and for every 1.4 Chinese, Japanese or Korean ones, rounded up. Real
    tokenizers differ: code, numbers and other scripts take more."""
    return -(-Ruler(text).length(0, len(text)) // _TOKEN)


def counter(given: Count | None, encoder: Encoder | None) -> Count:
    """The counter that is ``given``, or that of ``encoder``, if it shows its tokens, or the estimate."""
    if given is not None:
        return lambda text: _checked(given(text))
    if isinstance(encoder, Windowed):
        return lambda text: len(encoder.token_offsets(text))
    return estimate


def _checked(counted: object) -> int:
    try:
        tokens = -1 if isinstance(counted, bool) else operator.index(counted)  # type: ignore[arg-type]
    except TypeError:
        tokens = -1
    if tokens < 0:
        raise QueryError(f"count returned {shown(counted)}; it must return a text's number of tokens")
    return tokens
