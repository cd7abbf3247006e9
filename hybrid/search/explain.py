"""Why a document stands where it stands in an answer, or why it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybrid.rerank import Features
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.search.lanes import Lanes
from hybrid.search.request import Request
from hybrid.search.search import Search
from hybrid.search.source import Source
from hybrid.types import Candidates


@dataclass(frozen=True)
class Standing:
    """A document's score in one list, and its rank, from 1."""

    score: float
    rank: int


@dataclass(frozen=True)
class Contribution:
    """A feature of a document, None where it is not known, and what it ``adds`` to the score."""

    value: float | None
    adds: float


@dataclass(frozen=True)
class Explanation:
    """How the document ``id`` came to its place in each list, None where it is not in it: ``lexical`` and
    ``vector`` (what the legs gave to the fusion), ``fused``, and ``final``, which is after a reranker and
    without what is below min_score. ``contributions``: with a learned model what each feature, and the
    "bias" of the model, adds to the final score, largest first; they sum to it. ``absent``: why it is not
    in the final list.
    """

    id: str
    lexical: Standing | None = None
    vector: Standing | None = None
    fused: Standing | None = None
    final: Standing | None = None
    contributions: dict[str, Contribution] | None = None
    absent: str | None = None


def explain(source: Source, request: Request, lanes: Lanes, id: str) -> Explanation:
    """Why ``request`` ranks the document as it does."""
    ordinal = source.found([id]).get(id)
    if ordinal is None:
        return Explanation(id, absent="the index has no document of this id")
    search = Search.of(source, request, lanes)
    if search.allowed is not None and not search.allowed[ordinal]:
        passing = source.allowed(request.where)
        filtered = passing is not None and not passing[ordinal]
        if id in request.like + request.unlike:
            return Explanation(id, absent="the search names it, as what answers are to be like or unlike")
        what = "the filter leaves" if filtered else "the query's phrases, signs and fields leave"
        return Explanation(id, absent=f"{what} it out")
    lexical, vector = (_standing(leg, ordinal) for leg in search.legs)
    listed = search.legs[request.mode == "vector"] if request.alone else search.pool.named(search.fused)
    fused, ranked = _standing(listed, ordinal), search.ranked
    relevance = search.relevance(ranked)
    enough = slice(None) if relevance is None else relevance >= (request.min_score or 0.0)
    final = _standing(ranked[enough], ordinal)
    absent = None
    if final is None:
        absent = _irrelevant(request, relevance, ranked, ordinal) or _absent(request, fused)
    return Explanation(id, lexical, vector, fused, final, _contributions(search, ordinal), absent)


def _standing(ranked: Candidates, ordinal: int) -> Standing | None:
    place = np.flatnonzero(ranked.ordinals == ordinal)
    return Standing(float(ranked.scores[place[0]]), int(place[0]) + 1) if len(place) else None


def _irrelevant(
    request: Request, relevance: NDArray[np.float64] | None, ranked: Candidates, ordinal: int
) -> str | None:
    place = np.flatnonzero(ranked.ordinals == ordinal)
    if relevance is None or not len(place):
        return None
    return f"its relevance {relevance[place[0]]:.4f} is below min_score {request.min_score:g}"


def _absent(request: Request, fused: Standing | None) -> str:
    if fused is not None:
        return "the reranker leaves it out"
    lexical, vector = request.reach
    if request.mode != "hybrid":
        return f"it is not among the first {lexical if request.mode == 'lexical' else vector}"
    asked = []
    if request.text is not None:
        asked.append(f"the first {lexical} of the lexical leg")
    if request.vector is not None:
        asked.append(f"the first {vector} of the vector leg")
    return f"it is not among {' nor '.join(asked)}"


def _contributions(search: Search, ordinal: int) -> dict[str, Contribution] | None:
    reranker = search.request.reranker
    if not isinstance(reranker, LambdaMART):
        return None
    place = np.flatnonzero(search.pool.ordinals[search.head.ordinals] == ordinal)
    if not len(place):
        return None
    row, features = int(place[0]), search.features
    parts = {name: float(column[row]) for name, column in reranker.contributions(features).items()}
    order = sorted(parts, key=lambda name: -abs(parts[name]))
    return {name: Contribution(_value(features, name, row), parts[name]) for name in order}


def _value(features: Features, name: str, row: int) -> float | None:
    value = float(features[name][row]) if name in features else np.nan
    return None if np.isnan(value) else value
