"""Lengths of vectors."""

from __future__ import annotations

from typing import Final

import numpy as np

from hybrid.limits import MAX_LENGTH
from hybrid.types import Mask, Matrix

_EPS: Final = float(np.finfo(np.float32).eps)


def bounded(rows: Matrix) -> Mask:
    """Which rows, bool (n,), are no longer than ``MAX_LENGTH``; not what holds NaN."""
    wide = rows.astype(np.float64)
    return np.asarray(np.vecdot(wide, wide) <= MAX_LENGTH**2)


def unit(rows: Matrix) -> Matrix:
    """Rows (n, dim) scaled to length one. Rows of zeros stay, and so do those of length one as nearly as
    float32 can say, to the bit: ``unit(unit(rows))`` is ``unit(rows)``."""
    wide = rows.astype(np.float64)  # in which no float32 has a square that vanishes or overflows
    norms = np.sqrt(np.vecdot(wide, wide))
    # Rounding each number to float32 moves the length by no more than half of eps.
    done = np.abs(norms - 1) <= _EPS
    if done.all():
        return rows.astype(np.float32, copy=False)
    norms = np.where(done | (norms == 0), 1, norms)
    return np.where(done[:, None], rows, wide / norms[:, None]).astype(np.float32)
