"""The seam between the vector leg and the families of vector indexes: what finds candidate rows.

A finder only has to find good candidates: `hybrid.vector.view` scores those with the ledger's vectors. None
may insert during a search; `hybrid.vector.graph` takes care of that, and of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Mask, Matrix, Scores

Nearest: TypeAlias = tuple[NDArray[np.int64], Scores]
"""Row numbers, nearest first, and their distances: 1 - the inner product, or the squared Euclidean
distance; approximate where vectors are quantised."""


class Finder(Protocol):
    """Finds rows near a query, approximately. Rows are numbered from 0 in the order of insertion."""

    library: str
    """The name of the module that it needs."""
    rounds: bool
    """Whether vectors are quantised, so that distances are approximate and rows should be rescored."""
    oversampling: float
    """Times the wanted rows that are to be rescored; 1 where distances are exact."""
    sifts: bool
    """Whether ``search`` itself passes over rows that do not pass a filter."""
    slice: int
    """Rows to insert at once, so that it takes some 3 ms."""
    least: int
    """The least number of rows it can be trained on."""

    def train(self, vectors: Matrix, stop: Callable[[], bool]) -> bool:
        """Learn from ``vectors`` (n, dim) what insertion needs; once, before the first. Returns False if
        ``stop()`` was true before the end."""

    def outgrown(self, rows: int) -> bool:
        """Whether it should be trained anew, for an index of ``rows`` rows."""

    def prepare(self, rows: int, vectors: Matrix) -> None:
        """Get ready to insert ``vectors`` (n, dim) after the ``rows`` there are."""

    def add(self, vectors: Matrix) -> None:
        """Insert ``vectors`` as the next rows."""

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Nearest | None:
        """Find up to ``k`` rows; ``k`` must not exceed the rows there are. ``passing``: the rows, bool
        (n,), to which the search is limited; only for finders that sift. Returns None if fewer rows
        are reached and the library does not tell which."""

    def search_many(self, queries: Matrix, k: int, effort: int) -> list[Nearest | None]:
        """``search`` for each of ``queries`` (n, dim)."""

    def effort(self, wanted: float) -> int:
        """Return the default effort for the ``wanted`` nearest rows."""

    def listed(self, effort: int, filtered: bool) -> float:
        """Return how many rows a search with ``effort`` lists at no further cost."""

    def reach(self, effort: int, wanted: float, look: float, filtered: bool) -> float:
        """Return the effort that finds the ``look`` nearest rows as reliably as ``effort`` finds the
        ``wanted`` nearest."""

    def cost(self, effort: float, k: float) -> float:
        """Return the cost of a search for ``k`` rows, in searches of a graph with its default effort."""

    def save(self, path: Path) -> None:
        """Write it to a file. Raises OSError."""

    def state(self) -> Mapping[str, float]:
        """What ``load`` needs beside the file."""

    def load(self, path: Path, rows: int, state: Mapping[str, float]) -> None:
        """Load the ``rows`` rows that ``save`` wrote. Any other file, or a damaged one, may crash the
        process. Raises RuntimeError for a file of another version of the library."""
