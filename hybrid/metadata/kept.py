"""The columns of metadata of one generation: read when the first filter asks for them, and kept on disk.
What stands under an ordinal never changes, so what is kept stays true as more comes."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.disk import cache
from hybrid.disk.folder import Folder
from hybrid.ledger.ledger import Ledger
from hybrid.metadata.columns import Columns

FILE: Final = "columns.npz"
_STEP: Final = 1000  # documents a step
_TYPED: Final = 2  # what the strings are that filters take for dates; raised when that changes


class KeptColumns:
    """Hands out the columns of the generation in ``folder``; a writer keeps them there."""

    def __init__(self, folder: Folder, ledger: Ledger, *, read_only: bool) -> None:
        self._folder, self._ledger, self._read_only = folder, ledger, read_only
        self._columns: Columns | None = None
        self._known = self._kept = 0  # ordinals in memory, and on disk as far as is known
        self._lock = threading.Lock()

    def columns(self, count: int) -> Columns:
        """The metadata of at least the first ``count`` ordinals. Raises IndexCorrupt."""
        with self._lock:
            return self._read(count)

    def keep(self) -> None:
        """A writer spares the next process to read many documents."""
        count = self._ledger.lifetimes.count
        with self._lock:
            if self._columns is None and self._lacks(count):
                self._kept = cache.read(
                    self._folder, FILE, self._ledger.uuid, lambda header, _: _count(header), 0
                )
            if self._lacks(count):
                self._save(self._read(count))

    def _read(self, count: int) -> Columns:
        if self._columns is None:
            self._columns, self._known = cache.read(
                self._folder, FILE, self._ledger.uuid, _taken, (Columns(), 0)
            )
            self._kept = self._known
        for first in range(self._known, count, _STEP):
            end = min(count, first + _STEP)
            self._columns.extend(self._ledger.metadata(first, end))
            self._known = end
        return self._columns

    def wipe(self) -> None:
        """Keep nothing, for now."""
        self._folder.remove(FILE)
        self._kept = 0

    def _lacks(self, count: int) -> bool:
        return not self._read_only and cache.worth_writing(count, self._kept)

    def _save(self, columns: Columns) -> None:
        keys, codes, arrays = columns.parts()
        header = {"typed": _TYPED, "count": self._known, "keys": keys, "codes": codes}
        named = {str(place): _storable(array) for place, array in enumerate(arrays)}
        cache.write(self._folder, FILE, self._ledger.uuid, header, named)
        self._kept = self._known  # or it was tried: that is often enough


def _count(header: Mapping[str, Any]) -> int:
    """How many documents the archive is of; none where an earlier version took other strings for dates."""
    return int(header["count"]) if header.get("typed") == _TYPED else 0


def _taken(header: dict[str, Any], kept: Mapping[str, NDArray[Any]]) -> tuple[Columns, int]:
    if not _count(header):
        return Columns(), 0
    keys = [(path, store) for path, store in header["keys"]]
    arrays = [_stored(kept[str(place)]) for place in range(2 * len(keys))]
    return Columns.of(keys, header["codes"], arrays), _count(header)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """Integers beyond int64, which are objects, as text."""
    return cache.text([str(number) for number in array]) if array.dtype == np.object_ else array


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.uint8:
        return array
    return np.array([int(number) for number in json.loads(array.tobytes())], np.object_)
