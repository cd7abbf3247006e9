"""Adapters: maps of query vectors, learned from judged queries. Documents are not encoded anew.

An index stores its adapters as text, each with the encoder whose queries it moves: with another encoder it
does not count.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import FormatTooNew, SettingsError
from hybrid.limits import MAX_ADAPTED, shown
from hybrid.norms import unit
from hybrid.types import Matrix, Scores

VERSION: Final = 1
"""The version of the stored form."""
MAX_NUMBER: Final = 1e6
"""The largest magnitude of a number in an adapter, so that no sum of products leaves float32."""
_NUMBER: Final = np.dtype("<f4")
_LONGEST: Final = 6 * 2 * MAX_ADAPTED**2
"""Characters of a stored adapter: base64 takes less than 6 a number."""


@dataclass(frozen=True, eq=False)
class Adapter:
    """x -> unit(x + x @ reads @ writes), for a unit vector x: a linear map of low rank beside the identity.

    ``reads`` float32 (dim, rank), ``writes`` float32 (rank, dim). Raises SettingsError for arrays that do
    not fit together, or hold anything but numbers up to `MAX_NUMBER`.
    """

    reads: Matrix
    writes: Matrix

    def __post_init__(self) -> None:
        shapes = self.reads.shape, self.writes.shape
        if self.reads.ndim != 2 or shapes[1] != shapes[0][::-1]:
            raise SettingsError(
                f"an adapter of shapes {shown(shapes)}; they must be (dim, rank), (rank, dim)"
            )
        check_dim(self.dim)
        if not 1 <= self.rank <= self.dim:
            raise SettingsError(f"an adapter of rank {self.rank}; it must be from 1 to {self.dim}")
        for array in (self.reads, self.writes):
            if array.dtype != np.float32 or not (np.abs(array) <= MAX_NUMBER).all():
                raise SettingsError(f"an adapter's numbers are float32 and at most {MAX_NUMBER:g}")

    @property
    def dim(self) -> int:
        return int(self.reads.shape[0])

    @property
    def rank(self) -> int:
        return int(self.reads.shape[1])

    def __call__(self, vector: Scores) -> Scores:
        """Move the unit vector (dim,) of a query; zeros, which mean nothing, stay zeros."""
        if not vector.any():
            return vector
        moved = np.asarray(vector + vector @ self.reads @ self.writes, np.float32)
        found: Scores = unit(moved[None, :])[0]
        return found

    def __repr__(self) -> str:
        return f"Adapter(dim={self.dim}, rank={self.rank})"


def check_dim(dim: int) -> None:
    """Raises SettingsError for vectors that are too long for an adapter."""
    if not 1 <= dim <= MAX_ADAPTED:
        raise SettingsError(
            f"vectors of {dim:,} numbers; an adapter moves those of at most {MAX_ADAPTED:,}: cut them, or "
            "use another encoder"
        )


def dump(adapter: Adapter, encoder: str) -> str:
    """Write an adapter of the query vectors of the encoder with this id as text."""
    return json.dumps(
        {
            "version": VERSION,
            "encoder": encoder,
            "dim": adapter.dim,
            "rank": adapter.rank,
            "reads": _text(adapter.reads),
            "writes": _text(adapter.writes),
        }
    )


def load(stored: str, encoder: str) -> Adapter | None:
    """Read what ``dump`` wrote; None if it moves the queries of another encoder. Raises FormatTooNew if a
    newer version of this package wrote it, SettingsError for anything else."""
    if len(stored) > _LONGEST:
        raise SettingsError(f"stored adapter: {len(stored):,} characters, more than any takes; adapt again")
    try:
        kept = json.loads(stored)
        version = kept["version"]
        if type(version) is int and version > VERSION:
            raise FormatTooNew(
                f"stored adapter: version {shown(version)}, this package reads {VERSION}; upgrade "
                "hybrid-retrieval, or adapt again"
            )
        if type(version) is not int or version != VERSION:
            raise ValueError(f"{shown(version)} is no version")
        return _read(kept) if kept["encoder"] == encoder else None
    except (KeyError, TypeError, ValueError, RecursionError) as cause:
        raise SettingsError(f"stored adapter: {shown(str(cause))}; adapt again") from cause


def _read(kept: Mapping[str, Any]) -> Adapter:
    dim, rank = kept["dim"], kept["rank"]
    if type(dim) is not int or type(rank) is not int:
        raise ValueError("dim and rank are whole numbers")
    check_dim(dim)
    if not 1 <= rank <= dim:
        raise ValueError(f"rank {shown(rank)} of {dim} dimensions")
    return Adapter(
        _numbers(kept["reads"], dim * rank).reshape(dim, rank),
        _numbers(kept["writes"], rank * dim).reshape(rank, dim),
    )


def _text(array: NDArray[np.float32]) -> str:
    return base64.b64encode(np.ascontiguousarray(array, _NUMBER).tobytes()).decode("ascii")


def _numbers(text: Any, many: int) -> NDArray[np.float32]:
    if not isinstance(text, str):
        raise ValueError("numbers are base64")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as cause:
        raise ValueError(f"numbers that are not base64: {cause}") from cause
    if len(data) != many * _NUMBER.itemsize:
        raise ValueError(f"{len(data):,} bytes of numbers where {many * _NUMBER.itemsize:,} are due")
    return np.frombuffer(data, _NUMBER).astype(np.float32)
