"""How near given documents are to a query, whatever their rank."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hybrid.search.request import Request
from hybrid.store.generation import Snapshot
from hybrid.types import Candidates, Hit, Passage


def among(snapshot: Snapshot, request: Request, ids: Iterable[str]) -> list[Hit]:
    """Those of the documents ``ids`` that there are and have vectors, nearest to the query's vector first.
    None where the query has no vector."""
    ledger, vectors = snapshot.generation.ledger, snapshot.vectors
    known = (ledger.find(id, snapshot.count, snapshot.seq) for id in ids)
    ordinals = np.unique(np.array([ordinal for ordinal in known if ordinal is not None], np.int64))
    if request.vector is None or not len(ordinals) or not len(vectors.rows):
        return []
    scores, _ = vectors.nearest(request.vector, ordinals)
    has = ~np.isnan(scores)
    ranked = Candidates.ranked(ordinals[has], scores[has], ties=snapshot.ties)
    passages = vectors.rows.spans[vectors.best_rows(request.vector, ranked.ordinals)].tolist()
    documents = snapshot.documents(ranked.ordinals.tolist())
    found = zip(documents, ranked.scores.tolist(), passages, strict=True)
    return [
        Hit(document.id, score, rank, document, Passage(*passage))
        for rank, (document, score, passage) in enumerate(found, start=1)
    ]
