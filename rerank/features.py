"""The columns that a reranker gets, and the check of its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import QueryError, SettingsError
from hybrid.limits import shown
from hybrid.types import Candidates, Ordinals, Reranker

Features: TypeAlias = dict[str, NDArray[Any]]

METADATA: Final = "metadata."
"""The prefix of a feature's name that stands before the path of a metadata field."""
_LEGS: Final = ("lexical", "vector")


def rerank(reranker: Reranker, query: str | None, fused: Candidates, columns: Features) -> Candidates:
    """Let ``reranker`` order ``fused`` by ``columns``. Raises QueryError if the answer breaks the
    contract of rerankers."""
    answer = reranker(query, fused, columns)
    if complaint := _complaint(answer, fused):
        raise QueryError(f"reranker {reranker!r:.80}: {complaint}; Candidates.ranked makes a valid one")
    return answer


def column(features: Mapping[str, NDArray[Any]], name: str, reranker: Reranker) -> NDArray[Any]:
    """Return a column that ``reranker`` needs. Raises SettingsError if it is missing."""
    if name not in features:
        raise SettingsError(
            f"{reranker!r:.80} needs the feature {shown(name)}, which is made only for a reranker whose "
            "`features` name it, by an Index"
        )
    return features[name]


def features(fused: Candidates, legs: Sequence[Candidates]) -> Features:
    """Return the columns that every reranker gets, named in the package's docstring. ``legs`` are (lexical,
    vector), as passed to fusion; a leg that was not searched is ``Candidates.none()``."""
    columns = {"fused_score": fused.scores}
    for name, leg in zip(_LEGS, legs, strict=True):
        columns[f"{name}_score"], columns[f"{name}_rank"] = _of_leg(fused.ordinals, leg)
    return columns


def _of_leg(ordinals: Ordinals, leg: Candidates) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the score and rank of each ordinal in ``leg``, NaN if the leg lacks it."""
    scores, ranks = np.full((2, len(ordinals)), np.nan, np.float32)
    if len(leg):
        order = leg.ordinals.argsort()
        place = order.take(leg.ordinals.take(order).searchsorted(ordinals), mode="clip")
        there = leg.ordinals.take(place) == ordinals
        found = place[there]
        scores[there], ranks[there] = leg.scores[found], found + 1
    return scores, ranks


def _complaint(answer: object, fused: Candidates) -> str | None:
    if not isinstance(answer, Candidates):
        return f"it returned a {type(answer).__name__}, not Candidates"
    ordinals, scores = answer.ordinals, answer.scores
    if ordinals.ndim != 1 or ordinals.shape != scores.shape:
        return f"its ordinals and scores have the shapes {ordinals.shape} and {scores.shape}, not one (n,)"
    if not _are_some_of(ordinals, fused.ordinals):
        return "it returned a document twice, or one that it did not get"
    if not np.isfinite(scores).all():
        return "it returned a score that is NaN or infinite"
    falls = scores[1:] < scores[:-1]
    if not falls.all() and not (falls | _ties_rise(ordinals, scores)).all():
        return "its answer is not sorted, best first with ties by ordinal"
    return None


def _ties_rise(ordinals: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((scores[1:] == scores[:-1]) & (ordinals[1:] > ordinals[:-1]))


def _are_some_of(ordinals: NDArray[Any], known: Ordinals) -> bool:
    """Whether all are among ``known``, and none occurs twice."""
    mine = set(ordinals.tolist())
    return len(mine) == len(ordinals) and mine <= set(known.tolist())
