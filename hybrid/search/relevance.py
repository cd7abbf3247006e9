"""How relevant the hits that are shown are: what a calibration knows of them, and when it counts.

A stored calibration says what it rests on: what its signals mean, the analyzer, the encoder and metric,
the title boost, and the adapter of queries. Where one of these is another by now it counts for nothing, and
must be fitted again. It does not rest on fusion, depth and reranker, which only decide what is shown, nor
on the documents: a few more do not change what a similarity means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from hybrid.fusion import QueryTerms
from hybrid.rerank.calibration import VERSION, Calibration, Signals, signals
from hybrid.search.request import Request
from hybrid.search.source import Source
from hybrid.settings import Profile, Settings
from hybrid.types import Candidates, Ordinals, Scores


def dump(calibration: Calibration, settings: Settings, profile: Profile) -> str:
    """The text that an index keeps of a calibration fitted on what it answers."""
    return json.dumps({"rests on": _ground(settings, profile), "calibration": calibration.to_json()})


def load(stored: str, settings: Settings, profile: Profile) -> Calibration | None:
    """Read what ``dump`` wrote; None if it was fitted on something else than what ranks now."""
    kept = json.loads(stored)
    same = kept["rests on"] == _ground(settings, profile)
    return Calibration.from_json(kept["calibration"]) if same else None


def _ground(settings: Settings, profile: Profile) -> dict[str, Any]:
    return {
        "signals": VERSION,
        "analyzer": settings.analyzer.id,
        "encoder": settings.encoder and settings.encoder.id,
        "metric": settings.metric,
        "title boost": profile.title_boost,
        **({} if profile.adapter is None else {"adapter": profile.adapter}),
    }


def known(
    source: Source, request: Request, legs: Sequence[Candidates], terms: QueryTerms, hits: Ordinals
) -> Signals:
    """The `signals` of ``hits``, int64 (n,), which a query's ``legs`` answered; float32 (n,) each. They do
    not depend on k, nor on how the legs are fused: a hit is held against the first two of each leg."""
    nearest = np.full(len(hits), np.nan, np.float32)
    if len(legs[1]) and request.vector is not None:
        nearest, _ = source.vectors.nearest(request.vector, hits)
    bm25 = _bm25(source, request, legs[0], terms.terms, hits)
    return signals(hits, nearest, bm25, legs, terms.frequencies, terms.documents)


def _bm25(
    source: Source, request: Request, lexical: Candidates, terms: Sequence[str], hits: Ordinals
) -> Scores:
    """The lexical score of each hit, float32 (n,): 0 without a term of the query. (Where the leg was not
    asked there are no terms, and `signals` knows what to make of it.)"""
    found = dict(zip(lexical.ordinals.tolist(), lexical.scores.tolist(), strict=True))
    absent = [ordinal for ordinal in hits.tolist() if ordinal not in found]
    if absent and len(lexical) >= request.reach[0]:  # or else the list holds all that have a term
        others = source.lexical.scores(terms, absent, request.title_boost)
        found |= zip(absent, others.tolist(), strict=True)
    return np.array([found.get(ordinal, 0.0) for ordinal in hits.tolist()], np.float32)
