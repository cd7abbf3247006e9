"""An encoder without a model, for tests: ours and those of programs that embed this package."""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import regex

from hybrid.types import Matrix

_WORD = regex.compile(r"\w+")
_SIZES = (2, 3)


@dataclass(frozen=True)
class HashEncoder:
    """Hashes character n-grams of words: texts that share words, or parts of words, are similar.

    A text has the same unit vector on every machine; a text without words has the zero vector. The vectors
    carry no meaning. Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
    """

    dim: int = 64

    @property
    def id(self) -> str:
        return f"hash-{self.dim}"

    def documents(self, texts: Sequence[str]) -> Matrix:
        """float32 (len(texts), dim)."""
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for gram in _grams(text):
                code = zlib.crc32(gram.encode("utf-8", "replace"))
                vectors[row, (code >> 1) % self.dim] += 1 if code & 1 else -1
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def queries(self, texts: Sequence[str]) -> Matrix:
        """The same as ``documents``."""
        return self.documents(texts)


def _grams(text: str) -> Iterator[str]:
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        padded = f" {word} "
        for size in _SIZES:
            for start in range(len(padded) - size + 1):
                yield padded[start : start + size]
