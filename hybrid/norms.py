"""The lengths of vectors."""

from __future__ import annotations

from typing import Final

import numpy as np

from hybrid.limits import MAX_LENGTH
from hybrid.types import Mask, Matrix

_EPS: Final = float(np.finfo(np.float32).eps)


def bounded(rows: Matrix) -> Mask:
    """Return which rows are no longer than ``MAX_LENGTH``, bool (n,); False for a row with NaN."""
    wide = rows.astype(np.float64)
    return np.asarray(np.vecdot(wide, wide) <= MAX_LENGTH**2)


def unit(rows: Matrix) -> Matrix:
    """Scale rows (n, dim) to unit length. Rows of zeros, and rows whose length is 1 up to the precision of
    float32, stay the same to the bit: ``unit(unit(rows))`` equals ``unit(rows)``."""
    wide = rows.astype(np.float64)  # squares of float32 neither underflow nor overflow in float64
    norms = np.sqrt(np.vecdot(wide, wide))
    # Rounding to float32 changes the length by at most half of eps.
    done = np.abs(norms - 1) <= _EPS
    if done.all():
        return rows.astype(np.float32, copy=False)
    wide /= np.where(done | (norms == 0), 1, norms)[:, None]
    return wide.astype(np.float32)
