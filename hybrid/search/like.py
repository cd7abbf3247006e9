"""More like this: documents as a query, by their most telling terms and by their vectors.

The query moves towards the documents that it is to be ``like`` and away from those that it is to be
``unlike``; Rocchio, in The SMART Retrieval System, 1971, with the weights of Manning, Raghavan and Schütze,
Introduction to Information Retrieval, chapter 9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid import okapi
from hybrid.encoders import compose
from hybrid.errors import QueryError
from hybrid.lexical.terms import Weighted
from hybrid.limits import shown
from hybrid.norms import unit
from hybrid.search.request import Request
from hybrid.search.source import Source
from hybrid.types import Mask, Scores

QUERY: Final = 1.0
LIKE: Final = 0.75
UNLIKE: Final = 0.15
TERMS: Final = 25
"""Most telling terms."""
_READ: Final = 20_000  # characters of a document that are analysed


def likened(source: Source, request: Request, passing: Mask | None) -> Request:
    """The request with the terms and the vector of the documents that it names, which are passed over in
    the answer. ``passing``: which documents pass its filter; None for all. Raises QueryError for a document
    that does not, as for one that there is not."""
    like, unlike = (_places(source, ids, passing) for ids in (request.like, request.unlike))
    terms = () if request.mode == "vector" else tuple(_telling(source, like, unlike))
    lacking = (*request.lacking, *request.like, *request.unlike)
    found = replace(request, terms=terms, lacking=lacking)
    if request.mode == "lexical":
        return replace(found, vector=None)
    vector = _moved(source, request.vector, like, unlike)
    encoded = None if request.encoded is None else _moved(source, request.encoded, like, unlike)
    return replace(found, vector=vector, encoded=encoded)


def _places(source: Source, ids: Sequence[str], passing: Mask | None) -> list[int]:
    found = source.found(ids)
    for id in ids:
        if id not in found or (passing is not None and not passing[found[id]]):
            raise QueryError(
                f"there is no document {shown(id)} to be like or unlike, or the filter leaves it out"
            )
    return [found[id] for id in dict.fromkeys(ids)]


def _telling(source: Source, like: Sequence[int], unlike: Sequence[int]) -> list[str]:
    """The terms with the highest tf-idf in the documents, the first of which counts ``LIKE``."""
    near, far = _frequencies(source, like), _frequencies(source, unlike)
    weights = {term: LIKE * weight - UNLIKE * far.get(term, 0.0) for term, weight in near.items()}
    leg, known = source.lexical, list(weights)
    for term, frequency in zip(known, leg.frequencies(known), strict=True):
        # What stands in no other passage finds nothing.
        weights[term] *= okapi.idf(frequency, leg.documents) if frequency > 1 else 0.0
    best = sorted((term for term in known if weights[term] > 0), key=lambda term: (-weights[term], term))[
        :TERMS
    ]
    return [Weighted(term, LIKE * weights[term] / weights[best[0]]) for term in best]


def _frequencies(source: Source, ordinals: Sequence[int]) -> dict[str, float]:
    """For each term the mean of 1 + log tf over the documents."""
    found: dict[str, float] = {}
    for document in source.documents(ordinals):
        counts = Counter(source.analyzer.terms(compose(document.title, document.text)[:_READ]))
        for term, count in counts.items():
            found[term] = found.get(term, 0.0) + (1 + log(count)) / len(ordinals)
    return found


def _moved(
    source: Source, query: Scores | None, like: Sequence[int], unlike: Sequence[int]
) -> Scores | None:
    """The weighted mean of the query's vector and those of the documents, each the mean of its own (dim,);
    None where there are none."""
    parts: list[tuple[float, NDArray[np.float64]]] = (
        [] if query is None else [(QUERY, query.astype(np.float64))]
    )
    for weight, ordinals in ((LIKE, like), (-UNLIKE, unlike)):
        rows = [source.vectors.of(ordinal).astype(np.float64) for ordinal in ordinals]
        if means := [own.mean(axis=0) for own in rows if len(own)]:
            parts.append((weight, np.mean(means, axis=0)))
    total = sum(weight for weight, _ in parts)
    if total <= 0:
        return query
    moved = (_added(parts) / total).astype(np.float32)
    if source.vectors.metric != "cosine":
        return moved
    return unit(moved[None])[0] if moved.any() else None


def _added(parts: Iterable[tuple[float, NDArray[np.float64]]]) -> NDArray[np.float64]:
    added: NDArray[np.float64] = np.sum([weight * vector for weight, vector in parts], axis=0)
    return added
