"""Why a document stands where it stands in an answer, or why it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hybrid.rerank.lambdamart import LambdaMART
from hybrid.search.request import Request
from hybrid.search.search import Lanes, Trace, trace
from hybrid.store.generation import Snapshot
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


def explain(snapshot: Snapshot, request: Request, lanes: Lanes, id: str) -> Explanation:
    """Why ``request`` ranks the document as it does."""
    ordinal = snapshot.generation.ledger.find(id, snapshot.count, snapshot.seq)
    if ordinal is None:
        return Explanation(id, absent="the index has no document of this id")
    allowed = snapshot.allowed(request.where)
    if allowed is not None and not allowed[ordinal]:
        return Explanation(id, absent="the filter leaves it out")
    found = trace(snapshot, request, lanes)
    lexical, vector = (_standing(leg, ordinal) for leg in found.legs)
    fused = _standing(found.fused, ordinal)
    final = _standing(found.shown, ordinal)
    absent = None if final else _irrelevant(request, found, ordinal) or _absent(request, fused)
    return Explanation(id, lexical, vector, fused, final, _contributions(request, found, ordinal), absent)


def _standing(ranked: Candidates, ordinal: int) -> Standing | None:
    place = np.flatnonzero(ranked.ordinals == ordinal)
    return Standing(float(ranked.scores[place[0]]), int(place[0]) + 1) if len(place) else None


def _irrelevant(request: Request, found: Trace, ordinal: int) -> str | None:
    place = np.flatnonzero(found.ranked.ordinals == ordinal)
    if found.relevance is None or not len(place):
        return None
    return f"its relevance {found.relevance[place[0]]:.4f} is below min_score {request.min_score:g}"


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


def _contributions(request: Request, found: Trace, ordinal: int) -> dict[str, Contribution] | None:
    place = np.flatnonzero(found.head.ordinals == ordinal)
    if not isinstance(request.reranker, LambdaMART) or not len(place):
        return None
    row = int(place[0])
    parts = {
        name: float(column[row]) for name, column in request.reranker.contributions(found.features).items()
    }
    order = sorted(parts, key=lambda name: -abs(parts[name]))
    return {name: Contribution(_value(found, name, row), parts[name]) for name in order}


def _value(found: Trace, name: str, row: int) -> float | None:
    value = float(found.features[name][row]) if name in found.features else np.nan
    return None if np.isnan(value) else value
