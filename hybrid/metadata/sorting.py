"""Sort documents by their metadata.

    "price"               ascending
    "-year"               descending
    ["-year", "price"]    the newest first, those of one year by price

Values compare as in facets (`hybrid.metadata.facets`): booleans, numbers, instants, strings by code point,
each kind before the next; 9 is 9.0, and a date is an instant. Of several values, a list, the least counts,
descending the largest. Documents without a value come last, ascending and descending. Equal ones keep their
order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError
from hybrid.limits import MAX_SORT_KEYS, shown
from hybrid.metadata.columns import Columns
from hybrid.metadata.values import values
from hybrid.types import Ordinals

Sort: TypeAlias = str | Sequence[str]


@dataclass(frozen=True)
class SortKey:
    """A path of the metadata, ``descending`` or ascending."""

    path: str
    descending: bool = False


def parse(sort: Sort | None) -> tuple[SortKey, ...]:
    """The keys, the first of which counts most. Raises QueryError."""
    given = [sort] if isinstance(sort, str) else () if sort is None else sort
    if not isinstance(given, (list, tuple)) or not all(isinstance(key, str) for key in given):
        raise QueryError(
            f"sort={shown(sort)}: write a key of the metadata, '-price' for descending, or a list of keys"
        )
    if len(given) > MAX_SORT_KEYS:
        raise QueryError(f"sort has {len(given):,} keys; the limit is {MAX_SORT_KEYS}")
    keys = tuple(SortKey(key.removeprefix("-"), key.startswith("-")) for key in given)
    if not all(key.path for key in keys):
        raise QueryError(f"sort={shown(sort)}: a key is empty")
    return keys


def order(columns: Columns, keys: Sequence[SortKey], ordinals: Ordinals) -> NDArray[np.intp]:
    """The indices of ``ordinals``, which are distinct, in the order of ``keys``."""
    return np.lexsort([places(columns, key, ordinals)[0] for key in reversed(keys)])


def places(columns: Columns, key: SortKey, ordinals: Ordinals) -> tuple[NDArray[np.int64], int]:
    """A number for each of ``ordinals``, int64 (n,), by which they ascend; and the largest, which stands
    for no value."""
    mask = np.zeros(int(ordinals.max(initial=-1)) + 1, np.bool_)
    mask[ordinals] = True
    known = values(columns, key.path, mask)
    missing = len(known.distinct)
    numbers = np.full(len(mask), missing, np.int64)
    np.minimum.at(numbers, known.owners, -known.codes if key.descending else known.codes)
    return numbers[ordinals], missing
