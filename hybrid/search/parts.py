"""Passages ranked by themselves, whatever documents they are of.

A document's score in a leg is that of its best passage, so a leg's first ``depth`` passages lie in its
first ``depth`` documents. The passages of these are scored by both legs, and the two lists are fused as
those of documents are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from hybrid.fusion import QueryTerms
from hybrid.ledger.passages import Pieces
from hybrid.norms import unit
from hybrid.order import Pool
from hybrid.search.passages import first_windows
from hybrid.search.request import Request
from hybrid.search.source import Source
from hybrid.types import Candidates, Matrix, Ordinals, Passage, Scores

_Part: TypeAlias = tuple[int, int]
"""The ordinal of a document, and the number of a passage of it."""


class Parts(NamedTuple):
    """A ranking of passages: the documents that they are of, each as often as it has passages, with the
    passages' scores; and the ``passages``, None for a document that is one and has no window."""

    ranked: Candidates
    passages: list[Passage | None]


class _Near(NamedTuple):
    """The window of a passage that is nearest to the query."""

    score: float
    vector: Scores
    window: Passage


def ranked_parts(
    source: Source,
    request: Request,
    words: Sequence[str],
    pool: Pool,
    terms: Callable[[], QueryTerms],
) -> Parts:
    """The passages of the documents of ``pool``, best first."""
    ordinals = pool.ordinals
    cut = source.pieces(ordinals.tolist())
    single = ordinals[[ordinal not in cut for ordinal in ordinals.tolist()]]
    lexical = dict(_lexical(source, request, words, single, list(cut)))
    near = dict(_vector(source, request.vector, single, cut)) if request.asks_meaning else {}
    places = source.ties[ordinals]
    place = dict(zip(ordinals.tolist(), places.tolist(), strict=True))
    parts = sorted(lexical.keys() | near.keys(), key=lambda part: (place[part[0]], part[1]))
    similar = {part: one.score for part, one in near.items()}
    legs = [
        _leg(parts, scores, leg.floor) for scores, leg in zip((lexical, similar), pool.legs, strict=True)
    ]
    fused = request.fuse(request.heads(legs), _Evidence(parts, near, source.vectors.dim, terms))
    ranked = [parts[number] for number in fused.ordinals.tolist()]
    return Parts(
        Candidates(np.array([ordinal for ordinal, _ in ranked], np.int64), fused.scores),
        [_passage(part, cut, near) for part in ranked],
    )


def _lexical(
    source: Source, request: Request, words: Sequence[str], single: Ordinals, cut: Sequence[int]
) -> Iterator[tuple[_Part, float]]:
    """The lexical score of each passage that contains a term."""
    boost = request.title_boost
    scores = source.lexical.scores(words, single.tolist(), boost)
    for ordinal, score in zip(single.tolist(), scores.tolist(), strict=True):
        if score > 0:
            yield (ordinal, 0), score
    for ordinal, rows in source.lexical.scored(words, cut, boost).items():
        yield from (((ordinal, number), score) for number, score in rows)


def _vector(
    source: Source, vector: Scores | None, single: Ordinals, cut: Mapping[int, Pieces]
) -> Iterator[tuple[_Part, _Near]]:
    """The window of each passage that is nearest to the query."""
    if vector is None or not source.vectors.dim:
        return
    scores, vectors = source.vectors.nearest(vector, single)
    windows = source.vectors.passages(vector, single)
    for ordinal, *near in zip(single.tolist(), scores.tolist(), vectors, windows, strict=True):
        if near[2] is not None:
            yield (ordinal, 0), _Near(*near)
    for ordinal, pieces in cut.items():
        spans, similar, found = source.vectors.similar(vector, ordinal)
        directions = unit(found)
        for number, row in first_windows(pieces, spans):
            score, window = float(similar[row]), pieces[number].passage
            yield (ordinal, number), _Near(score, directions[row], window)


def _leg(parts: Sequence[_Part], scores: dict[_Part, float], floor: float | None) -> Candidates:
    found = [(number, scores[part]) for number, part in enumerate(parts) if part in scores]
    ordinals, values = (
        np.array([n for n, _ in found], np.int64),
        np.array([s for _, s in found], np.float32),
    )
    return Candidates.ranked(ordinals, values, floor=floor)


def _passage(part: _Part, cut: Mapping[int, Pieces], near: dict[_Part, _Near]) -> Passage | None:
    ordinal, number = part
    if ordinal in cut:
        return cut[ordinal][number].passage
    return near[part].window if part in near else None


class _Evidence:
    """See `hybrid.fusion.Evidence`."""

    def __init__(
        self, parts: Sequence[_Part], near: dict[_Part, _Near], dim: int, terms: Callable[[], QueryTerms]
    ) -> None:
        self._scores = np.full(len(parts), np.nan, np.float32)
        self._vectors = np.zeros((len(parts), dim), np.float32)
        self.terms = terms
        for number, part in enumerate(parts):
            if part in near:
                self._scores[number], self._vectors[number] = near[part].score, near[part].vector

    def scores(self, numbers: Ordinals) -> Scores:
        found: Scores = self._scores[numbers]
        return found

    def vectors(self, numbers: Ordinals) -> Matrix:
        found: Matrix = self._vectors[numbers]
        return found
