"""Counts over the documents that pass a filter and, where there is a query, match it: contain a term of it,
and what it demands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hybrid.metadata import facets
from hybrid.metadata.facets import Extent, Facet, Wanted, check_most, check_path, check_wanted
from hybrid.query import Query
from hybrid.search.compiled import Compiled
from hybrid.search.request import Asker
from hybrid.store.snapshot import Snapshot
from hybrid.types import Mask


@dataclass(frozen=True)
class Counted:
    """The documents of ``mask``, bool (n,) over the ordinals of a snapshot."""

    snapshot: Snapshot
    mask: Mask

    @classmethod
    def of(
        cls, snapshot: Snapshot, asker: Asker, query: str | Query | None, filter: Mapping[str, Any] | None
    ) -> Counted:
        """Raises QueryError, FilterError."""
        question, where = asker.selection(query, filter)
        mask = snapshot.passing(where)
        if question is not None:
            mask = mask & Compiled(snapshot, question).matching
        return cls(snapshot, mask)

    def __len__(self) -> int:
        return int(np.count_nonzero(self.mask))

    def facets(self, wanted: Iterable[Wanted]) -> dict[str, Facet]:
        asked = check_wanted(wanted)
        return facets.facets(self.snapshot.columns, asked, self.mask)

    def values(self, path: str, limit: int) -> list[Any]:
        most = check_most("limit", limit)
        return facets.listed(self.snapshot.columns, check_path(path), self.mask, most)

    def range(self, path: str) -> Extent | None:
        return facets.extent(self.snapshot.columns, check_path(path), self.mask)
