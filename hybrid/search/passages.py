"""The passages of a hit that are shown: the best of either leg."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.ledger.passages import Pieces
from hybrid.search.source import Source
from hybrid.types import Ordinals, Passage, Scores

MOST: Final = 10
"""Passages of a hit."""


def best_passages(
    source: Source,
    words: Sequence[str],
    vector: Scores | None,
    ordinals: Ordinals,
    title_boost: float = 0.0,
) -> list[tuple[Passage, ...]]:
    """For each of ``ordinals`` its best passages, best first, by the sum of the legs' scores, each scaled
    to 0..1 over the document's passages (CombSUM of min-max scores; Fox and Shaw, TREC-2). Of a document
    that is one passage, the window nearest to ``vector`` (dim,), if there is one."""
    listed = ordinals.tolist()
    cut = source.pieces(listed)
    if not cut and vector is None:
        return [()] * len(listed)
    lexical = source.lexical.scored(words, list(cut), title_boost) if cut else {}
    nearest: Sequence[Passage | None] = [None] * len(listed)
    if vector is not None and source.vectors.dim and len(cut) < len(listed):
        nearest = source.vectors.passages(vector, ordinals)
    return [
        (() if window is None else (window,))
        if (pieces := cut.get(ordinal)) is None
        else _fused(pieces, dict(lexical[ordinal]), _near(source, pieces, vector, ordinal))
        for ordinal, window in zip(listed, nearest, strict=True)
    ]


def _fused(pieces: Pieces, lexical: dict[int, float], near: dict[int, float]) -> tuple[Passage, ...]:
    lowest = min(near.values(), default=0.0)
    scores: dict[int, float] = defaultdict(float)
    for leg, low in ((lexical, 0.0), (near, lowest)):  # a passage without a term scores 0
        width = max(leg.values(), default=0.0) - low
        for number, score in leg.items():
            scores[number] += (score - low) / (width or 1.0)
    best = sorted(scores, key=lambda number: (-scores[number], number))[:MOST]
    return tuple(pieces[number].passage for number in best or (0,))


def _near(source: Source, pieces: Pieces, vector: Scores | None, ordinal: int) -> dict[int, float]:
    """The score of the window nearest to ``vector`` in each passage, by its number."""
    found: dict[int, float] = {}
    if vector is not None and source.vectors.dim:
        spans, scores, _ = source.vectors.similar(vector, ordinal)
        found = {number: float(scores[row]) for number, row in first_windows(pieces, spans)}
    return found


def first_windows(pieces: Pieces, spans: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """The number of each passage in which one of ``spans``, windows (n, 2), lies, and the index of the
    first that does. A window of several passages says nothing of any of them."""
    starts, seen = [piece.start for piece in pieces], set[int]()
    for row, (start, end) in enumerate(spans.tolist()):
        number = max(0, bisect_right(starts, start) - 1)
        if end <= pieces[number].end and number not in seen:
            seen.add(number)
            yield number, row
