"""Arrays that grow at their end while others read them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LEAST: Final = 64


class Growing:
    """An array (n, …) that grows by rows. A view of its first rows is good for ever."""

    def __init__(self, dtype: DTypeLike, *row: int) -> None:
        self._room = np.empty((0, *row), dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def view(self) -> NDArray[Any]:
        return self._room[: self._count]

    def extend(self, rows: Any) -> None:
        """Append ``rows`` (m, …)."""
        end = self._count + len(rows)
        if end > len(self._room):
            room = np.empty((max(_LEAST, 2 * end), *self._room.shape[1:]), self._room.dtype)
            room[: self._count] = self.view
            self._room = room
        self._room[self._count : end] = rows
        self._count = end
