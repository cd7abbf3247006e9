"""The columns of metadata of one generation: read when the first filter asks for them, and kept on disk.

What stands under an ordinal never changes, so what is kept stays true as more comes. It is only a cache:
what is missing, damaged or another index's is read from the documents again.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.columns import Columns
from hybrid.files import sync
from hybrid.ledger import Ledger

KEEP_AT: Final = 20_000
"""Documents; to read fewer takes less than half a second."""
_SHARE: Final = 10  # and one in so many of all
_STEP: Final = 1000  # documents a step
_FORMAT: Final = 1
_HEADER: Final = "header"
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Shelf:
    """Hands out the columns of the generation in ``folder``; a writer keeps them there."""

    def __init__(self, folder: Path, ledger: Ledger, *, read_only: bool) -> None:
        self._path, self._ledger, self._read_only = folder / "columns.npz", ledger, read_only
        self._columns: Columns | None = None
        self._known = self._kept = 0  # ordinals in memory, and on disk as far as is known
        self._lock = threading.Lock()

    def columns(self, count: int) -> Columns:
        """The metadata of at least the first ``count`` ordinals. Raises IndexCorrupt."""
        with self._lock:
            if self._columns is None:
                self._columns, self._known = self._read(_taken, (Columns(), 0))
                self._kept = self._known
            for first in range(self._known, count, _STEP):
                end = min(count, first + _STEP)
                self._columns.extend(self._ledger.metadata(first, end))
                self._known = end
            if self._lacks(self._known):
                self._save(self._columns)
            return self._columns

    def keep(self) -> None:
        """A writer spares the next process to read many documents."""
        count = self._ledger.lifetimes.count
        with self._lock:
            if self._columns is None and self._lacks(count):
                self._kept = self._read(lambda header, _: int(header["count"]), 0)
        if self._lacks(count):
            self.columns(count)

    def wipe(self) -> None:
        """Keep nothing, for now."""
        self._path.unlink(missing_ok=True)
        self._kept = 0

    def _lacks(self, count: int) -> bool:
        """Whether so much is not kept of the first ``count`` ordinals that it is worth the writing."""
        return not self._read_only and count - self._kept >= max(KEEP_AT, count // _SHARE)

    def _save(self, columns: Columns) -> None:
        keys, codes, arrays = columns.parts()
        header = {"format": _FORMAT, "uuid": self._ledger.uuid, "count": self._known}
        named = {_HEADER: _text({**header, "keys": keys, "codes": codes})}
        named |= {str(place): _storable(array) for place, array in enumerate(arrays)}
        draft = self._path.with_suffix(".tmp")
        try:
            with draft.open("wb") as file:
                np.savez(file, **named)  # type: ignore[arg-type]  # a stub's slip: it takes any names
            sync(draft)
            os.replace(draft, self._path)
        except OSError as error:
            _log.warning("%s: the columns of metadata are not kept: %s", self._path, error)
        self._kept = self._known  # or it was tried: that is often enough

    def _read(self, take: Callable[[dict[str, Any], Mapping[str, Any]], _T], nothing: _T) -> _T:
        """What ``take`` makes of the header and the arrays that are kept; ``nothing`` where they are of no
        use. (The archive has a checksum of each array.)"""
        try:
            with np.load(self._path) as kept:
                header = json.loads(kept[_HEADER].tobytes())
                if (header["format"], header["uuid"]) != (_FORMAT, self._ledger.uuid):
                    raise ValueError("belongs to another index or version")
                return take(header, kept)
        except FileNotFoundError:
            return nothing
        except Exception as error:  # numpy and zipfile meet damage in many ways
            _log.warning("%s: not used: %s", self._path, error)
            return nothing


def _taken(header: dict[str, Any], kept: Mapping[str, Any]) -> tuple[Columns, int]:
    keys = [(path, store) for path, store in header["keys"]]
    arrays = [_stored(kept[str(place)]) for place in range(2 * len(keys))]
    return Columns.of(keys, header["codes"], arrays), int(header["count"])


def _text(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """Integers beyond int64, which are objects, as text."""
    return _text([str(number) for number in array]) if array.dtype == np.object_ else array


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.uint8:
        return array
    return np.array([int(number) for number in json.loads(array.tobytes())], np.object_)
