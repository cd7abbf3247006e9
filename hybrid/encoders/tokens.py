"""Where the tokens of a text lie, at any length of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import regex
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECE = 4096
"""Characters tokenised at once: a tokenizer's time and memory may grow faster than its input."""

# (?r) searches backwards: the last break is wanted.
_BREAK = regex.compile(r"(?r)[\s。！？；，、]")


def free(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither truncates nor pads, whatever ``tokenizer`` does."""
    from tokenizers import Tokenizer

    copy: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def token_offsets(tokenizer: Tokenizer, text: str) -> NDArray[np.int64]:
    """(n, 2): the characters ``text[start:end]`` of each token of ``text``, in order.

    ``tokenizer`` must not truncate. Special tokens are left out. A long text is tokenised in pieces
    that end at white space or punctuation; at a joint the tokens may differ from the whole text's.
    """
    bounds = list(_pieces(text))
    encodings = tokenizer.encode_batch([text[start:end] for start, end in bounds], add_special_tokens=False)
    spans = [
        np.array(encoding.offsets, np.int64).reshape(-1, 2) + start
        for (start, _), encoding in zip(bounds, encodings, strict=True)
    ]
    return np.concatenate(spans) if spans else np.empty((0, 2), np.int64)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = _piece_end(text, start)
        yield start, end
        start = end


def _piece_end(text: str, start: int) -> int:
    if len(text) - start <= PIECE:
        return len(text)
    found = _BREAK.search(text, start + PIECE // 2, start + PIECE)
    return found.end() if found else start + PIECE
