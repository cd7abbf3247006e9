"""Sign bits, compared by Hamming distance, all of them: `hybrid.ann.Binary`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Mask, Matrix, Scores
from hybrid.vector.finder import Nearest

_LEAST: Final = 256  # rows of the smallest capacity
_FEWEST: Final = 400  # rows rescored by default, or 16 times the wanted ones
_TIMES: Final = 16
_GROWTH: Final = 4
_SAMPLE: Final = 100_000  # rows from which the mean is taken
_ROW: Final = 2e-5  # cost of comparing one row's bits; tests/benchmarks/families.py measures it
_RESCORED: Final = 1 / 3000


class Signs:
    """A bit for each number of each row: whether it exceeds the mean of the first rows. Kept by word, so
    that a comparison runs along the rows: bits (words, capacity)."""

    library = "numpy"
    rounds = True
    oversampling = 1.0  # effort is that
    sifts = True
    slice = 4096
    least = 1

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._bits = np.empty((-(-dim // 64), 0), np.uint64)
        self._mean = np.zeros(dim, np.float32)
        self._rows = self._trained = 0

    def train(self, vectors: Matrix, stop: Callable[[], bool]) -> bool:
        some = vectors[:: max(1, len(vectors) // _SAMPLE)]
        self._mean, self._trained = some.mean(axis=0, dtype=np.float64).astype(np.float32), len(vectors)
        return True

    def outgrown(self, rows: int) -> bool:
        return 0 < _GROWTH * self._trained <= rows

    def prepare(self, rows: int, vectors: Matrix) -> None:
        if (needed := rows + len(vectors)) > self._bits.shape[1]:
            larger = np.zeros((len(self._bits), max(needed, 2 * self._bits.shape[1], _LEAST)), np.uint64)
            larger[:, :rows] = self._bits[:, :rows]
            self._bits = larger

    def add(self, vectors: Matrix) -> None:
        end = self._rows + len(vectors)
        self._bits[:, self._rows : end] = self._signs(vectors)
        self._rows = end

    def _signs(self, vectors: Matrix) -> NDArray[np.uint64]:
        """The bits of ``vectors`` (n, dim), (words, n)."""
        packed = np.zeros((len(vectors), 8 * len(self._bits)), np.uint8)
        packed[:, : -(-self._dim // 8)] = np.packbits(vectors > self._mean, axis=1)
        return packed.view(np.uint64).T

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Nearest | None:
        apart = np.zeros(self._rows, np.uint16)
        for bits, own in zip(self._bits, self._signs(query[None])[:, 0], strict=True):
            apart += np.bitwise_count(bits[: self._rows] ^ own)
        rows = np.arange(self._rows) if passing is None else np.flatnonzero(passing[: self._rows])
        if passing is not None:
            apart = apart[rows]
        if k < len(rows):
            some = np.argpartition(apart, k - 1)[:k]
            rows, apart = rows[some], apart[some]
        order = np.lexsort((rows, apart))
        return rows[order], (apart[order] / np.float32(self._dim)).astype(np.float32)

    def search_many(self, queries: Matrix, k: int, effort: int) -> list[Nearest | None]:
        return [self.search(query, k, effort) for query in queries]

    def effort(self, wanted: float) -> int:
        return int(max(_FEWEST, _TIMES * wanted))

    def listed(self, effort: int, filtered: bool) -> float:
        return effort

    def reach(self, effort: int, wanted: float, look: float, filtered: bool) -> float:
        return max(effort, look)

    def cost(self, effort: float, k: float) -> float:
        return max(1.0, _ROW * self._rows + _RESCORED * max(effort, k)) if effort else 1.0

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            file.write(self._mean.tobytes())
            for bits in self._bits:
                file.write(bits[: self._rows].tobytes())
            file.flush()
            os.fsync(file.fileno())

    def state(self) -> Mapping[str, float]:
        return {"trained": self._trained}

    def load(self, path: Path, rows: int, state: Mapping[str, float]) -> None:
        words = len(self._bits)
        if path.stat().st_size != 4 * self._dim + 8 * words * rows:
            raise RuntimeError("has another length than its rows need")
        with path.open("rb") as file:
            self._mean = np.fromfile(file, np.float32, self._dim)
            self._bits = np.fromfile(file, np.uint64, words * rows).reshape(words, rows)
        self._rows, self._trained = rows, int(state["trained"])
