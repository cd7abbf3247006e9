"""Group documents by a value of their metadata.

Values are those of facets (`hybrid.metadata.facets`); of several, a list, the least counts. Each document
without a value is a group of its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid.metadata.columns import Columns
from hybrid.metadata.sorting import SortKey, places
from hybrid.types import Ordinals


class Groups(NamedTuple):
    """For each group of some documents, in the order of their firsts: the index of its ``first`` document,
    and how many others are ``folded`` under it; int64 (n,) each."""

    first: NDArray[np.int64]
    folded: NDArray[np.int64]


def groups(columns: Columns, path: str, ordinals: Ordinals) -> Groups:
    """The groups of ``ordinals``, which are distinct, by their value under ``path``."""
    numbers, missing = places(columns, SortKey(path), ordinals)
    alone = numbers == missing
    numbers[alone] += np.arange(np.count_nonzero(alone))
    _, first, counts = np.unique(numbers, return_index=True, return_counts=True)
    order = first.argsort()
    return Groups(first[order], counts[order] - 1)
