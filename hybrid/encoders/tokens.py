"""Tokenise texts of any length, and find the characters of each token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import regex
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"

PIECE = 4096
"""Characters tokenised at once: a tokenizer's time and memory may grow faster than its input."""

# (?r) searches backwards, for the last break.
_BREAK = regex.compile(r"(?r)[\s。！？；，、]")


class Tokens(Protocol):
    """The part of a tokenizer that an encoder uses."""

    def ids(self, text: str) -> list[int]:
        """Return the ids of all tokens of ``text``, including special ones."""
        ...

    def offsets(self, text: str) -> NDArray[np.int64]:
        """Return the characters ``text[start:end]`` of each token that is not special, in order: (n, 2)."""
        ...


class LibraryTokens:
    """``Tokens`` from a file of the tokenizers library."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = open_tokenizer(path)

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text).ids

    def offsets(self, text: str) -> NDArray[np.int64]:
        return token_offsets(self._tokenizer, text)


def open_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer and turn off truncation and padding."""
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    return _unbound(tokenizer)


def free(tokenizer: Tokenizer) -> Tokenizer:
    """Copy ``tokenizer`` without truncation and padding."""
    from tokenizers import Tokenizer

    copy: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
    return _unbound(copy)


def _unbound(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_offsets(tokenizer: Tokenizer, text: str) -> NDArray[np.int64]:
    """Return the characters ``text[start:end]`` of each token of ``text``, in order: (n, 2).

    ``tokenizer`` must not truncate. Special tokens are left out. A long text is tokenised in pieces that
    end at white space or punctuation; at the joints, tokens may differ from those of the whole text.
    """
    pieces = list(bounds(text))
    encodings = tokenizer.encode_batch([text[start:end] for start, end in pieces], add_special_tokens=False)
    spans = [
        np.array(encoding.offsets, np.int64).reshape(-1, 2) + start
        for (start, _), encoding in zip(pieces, encodings, strict=True)
    ]
    return np.concatenate(spans) if spans else np.empty((0, 2), np.int64)


def bounds(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each piece in which a long text is tokenised."""
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
