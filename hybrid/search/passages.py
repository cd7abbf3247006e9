"""The passages of a hit that are shown: the best of either leg."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.ledger.passages import Pieces
from hybrid.search.source import Source
from hybrid.types import Ordinals, Passage, Scores

MOST: Final = 10
"""Passages of a hit."""
_K: Final = 60
"""Of reciprocal rank fusion; Cormack, Clarke and Buettcher, SIGIR 2009."""


def best_passages(
    source: Source,
    words: Sequence[str],
    vector: Scores | None,
    ordinals: Ordinals,
    title_boost: float = 0.0,
) -> list[tuple[Passage, ...]]:
    """For each of ``ordinals`` its best passages, best first: the legs' orders of them, fused by rank. Of a
    document that is one passage, the window nearest to ``vector`` (dim,), if there is one."""
    listed = ordinals.tolist()
    cut = source.pieces(listed)
    named = source.lexical.passages(words, list(cut), title_boost) if cut else {}
    nearest: Sequence[Passage | None] = [None] * len(listed)
    if vector is not None and source.vectors.dim and len(cut) < len(listed):
        nearest = source.vectors.passages(vector, ordinals)
    return [
        (() if window is None else (window,))
        if (pieces := cut.get(ordinal)) is None
        else _fused(pieces, [named[ordinal], _near(source, pieces, vector, ordinal)])
        for ordinal, window in zip(listed, nearest, strict=True)
    ]


def _fused(pieces: Pieces, orders: Iterable[Sequence[int]]) -> tuple[Passage, ...]:
    scores: dict[int, float] = defaultdict(float)
    for order in orders:
        for rank, number in enumerate(order, start=1):
            scores[number] += 1 / (_K + rank)
    best = sorted(scores, key=lambda number: (-scores[number], number))[:MOST]
    return tuple(pieces[number].passage for number in best or (0,))


def _near(source: Source, pieces: Pieces, vector: Scores | None, ordinal: int) -> list[int]:
    """The numbers of the passages whose windows are nearest to ``vector``, nearest first."""
    if vector is None or not source.vectors.dim:
        return []
    spans = source.vectors.windows(vector, ordinal)
    return list(dict.fromkeys(number for number in numbers(pieces, spans) if number is not None))


def numbers(pieces: Pieces, spans: NDArray[np.int64]) -> Iterator[int | None]:
    """The number of the passage that each of ``spans``, windows (n, 2), lies in; None for a window of
    several, which says nothing of any of them."""
    starts = [piece.start for piece in pieces]
    for start, end in spans.tolist():
        number = max(0, bisect_right(starts, start) - 1)
        yield number if end <= pieces[number].end else None
