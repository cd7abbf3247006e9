"""Texts to tokens, and where the tokens of a text lie, at any length of text."""

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

# (?r) searches backwards: the last break is wanted.
_BREAK = regex.compile(r"(?r)[\s。！？；，、]")


class Tokens(Protocol):
    """The part of a tokenizer that an encoder uses."""

    def ids(self, text: str) -> list[int]:
        """The ids of all tokens of ``text``, the special ones included."""
        ...

    def offsets(self, text: str) -> NDArray[np.int64]:
        """(n, 2): the characters ``text[start:end]`` of each token that is not special, in order."""
        ...


class LibraryTokens:
    """``Tokens`` of a file of the tokenizers library."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = open_tokenizer(path)

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text).ids

    def offsets(self, text: str) -> NDArray[np.int64]:
        return token_offsets(self._tokenizer, text)


def open_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer that neither truncates nor pads, whatever its file says."""
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    return _unbound(tokenizer)


def free(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither truncates nor pads, whatever ``tokenizer`` does."""
    from tokenizers import Tokenizer

    copy: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
    return _unbound(copy)


def _unbound(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_offsets(tokenizer: Tokenizer, text: str) -> NDArray[np.int64]:
    """(n, 2): the characters ``text[start:end]`` of each token of ``text``, in order.

    ``tokenizer`` must not truncate. Special tokens are left out. A long text is tokenised in pieces
    that end at white space or punctuation; at a joint the tokens may differ from the whole text's.
    """
    pieces = list(bounds(text))
    encodings = tokenizer.encode_batch([text[start:end] for start, end in pieces], add_special_tokens=False)
    spans = [
        np.array(encoding.offsets, np.int64).reshape(-1, 2) + start
        for (start, _), encoding in zip(pieces, encodings, strict=True)
    ]
    return np.concatenate(spans) if spans else np.empty((0, 2), np.int64)


def bounds(text: str) -> Iterator[tuple[int, int]]:
    """The starts and ends of the pieces in which a long text is tokenised."""
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
