"""The vectors of one generation: append-only arrays, valid up to the row count committed in SQLite.

Each space has three files: ``<space>.f32`` (per row dim float32), ``<space>.ord`` (the ordinal of the
row's document, int64, ascending) and ``<space>.span`` (the passage of the text that the row stands for,
two int64). Bytes beyond the committed rows are ignored, and overwritten by the next batch; a file is
never truncated, since that would kill a reader that has it mapped with SIGBUS.
"""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt
from hybrid.types import Matrix, Ordinals

SPACE: Final = "text"
_BLOCK: Final = 1 << 22


@dataclass(frozen=True)
class Rows:
    """The first rows of a space as of some commit: ``vectors`` float32 (n, dim), ``ordinals`` int64 (n,),
    ``spans`` int64 (n, 2). Memory-mapped: only rows that are used take memory."""

    vectors: Matrix
    ordinals: Ordinals
    spans: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, part: slice | Ordinals) -> Rows:
        return Rows(self.vectors[part], self.ordinals[part], self.spans[part])

    @cached_property
    def aligned(self) -> bool:
        """Whether row i belongs to document i: every document up to the last has exactly one vector."""
        n = len(self)
        if n and (self.ordinals[0] != 0 or self.ordinals[-1] != n - 1):
            return False
        return bool((self.ordinals[1:] != self.ordinals[:-1]).all())

    @property
    def windows(self) -> float:
        """The average number of rows per document, at least 1."""
        return 1.0 if self.aligned else max(1.0, len(self) / (int(self.ordinals[-1]) + 1))

    def of(self, ordinals: Ordinals) -> NDArray[np.int64]:
        """Return the row numbers of some documents (ascending ordinals), ascending."""
        if self.aligned:
            return ordinals[: int(np.searchsorted(ordinals, len(self)))]
        first = np.searchsorted(self.ordinals, ordinals, "left")
        counts = np.searchsorted(self.ordinals, ordinals, "right") - first
        if (counts == 1).all():
            return first
        ends = counts.cumsum()
        return np.repeat(first - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)

    def put(self, whole: Rows, first: int) -> None:
        """Copy these rows into ``whole``, from row number ``first`` on."""
        part = slice(first, first + len(self))
        whole.vectors[part], whole.ordinals[part], whole.spans[part] = self.arrays

    @property
    def arrays(self) -> tuple[Matrix, Ordinals, NDArray[np.int64]]:
        return self.vectors, self.ordinals, self.spans

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)

    def crc(self) -> int:
        """Compute one checksum over the three arrays."""
        crc = 0
        for array in self.arrays:
            crc = zlib.crc32(np.ascontiguousarray(array).data, crc)
        return crc

    @classmethod
    def none(cls, dim: int = 0) -> Rows:
        return cls(np.empty((0, dim), np.float32), np.empty(0, np.int64), np.empty((0, 2), np.int64))


class RowFiles:
    """The three files of a space in ``folder``."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._names = [f"{SPACE}.{end}" for end in ("f32", "ord", "span")]

    def create(self) -> None:
        for name in self._names:
            self._folder.writing(name).close()

    def write(self, first: int, rows: Rows) -> None:
        """Write ``rows`` from row number ``first`` on; ``sync`` makes them durable."""
        for name, array in zip(self._names, rows.arrays, strict=True):
            data = np.ascontiguousarray(array).data.cast("B")
            self._folder.write(name, data, first * (len(data) // len(rows)))

    def sync(self) -> None:
        for name in self._names:
            self._folder.sync(name)

    def copy(
        self, to: Folder, count: int, dim: int, progress: Callable[[float], None] | None = None
    ) -> None:
        """Copy the first ``count`` rows to another folder; ``progress`` is called with fractions of 1."""
        widths = (4 * dim, 8, 16)  # bytes a row
        whole = max(1, count * sum(widths))
        for name, width in zip(self._names, widths, strict=True):
            with self._folder.reading(name) as source, to.writing(name) as target:
                left = count * width
                while left and (block := source.read(min(left, _BLOCK))):
                    target.write(block)
                    left -= len(block)
                    if progress is not None:
                        progress(len(block) / whole)

    def map(self, count: int, dim: int) -> Rows:
        """Map the first ``count`` rows."""
        if not count:
            return Rows.none(dim)
        vectors, ordinals, spans = self._names
        return Rows(
            self._map(vectors, np.dtype(np.float32), (count, dim)),
            self._map(ordinals, np.dtype(np.int64), (count,)),
            self._map(spans, np.dtype(np.int64), (count, 2)),
        )

    def _map(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        size = int(np.prod(shape)) * dtype.itemsize
        try:
            with self._folder.reading(name) as file:
                if os.fstat(file.fileno()).st_size < size:
                    raise IndexCorrupt(
                        f"{self._folder / name}: shorter than the {size:,} bytes that were committed; "
                        "restore a backup"
                    )
                view = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        except FileNotFoundError as cause:
            raise IndexCorrupt(f"{self._folder / name}: missing; restore a backup") from cause
        return np.frombuffer(view, dtype).reshape(shape)

    def read(self, count: int, dim: int) -> Rows:
        """Read the first ``count`` rows into memory; zeros where the files are too short."""
        rows = Rows(
            np.zeros((count, dim), np.float32), np.zeros(count, np.int64), np.zeros((count, 2), np.int64)
        )
        for name, array in zip(self._names, rows.arrays, strict=True):
            with suppress(FileNotFoundError), self._folder.reading(name) as file:
                file.readinto(array.data.cast("B"))  # type: ignore[attr-defined]
        return rows
