"""Everything that learned ranking may know of a query's candidates: one named column each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from hybrid.bm25 import LexicalView
from hybrid.forward import han_share, hashes
from hybrid.fusion import Evidence
from hybrid.fusion.signals import OF_LISTS
from hybrid.generation import Snapshot
from hybrid.rerank import Features, features
from hybrid.rerank.matching import Asked, matching
from hybrid.types import Candidates

BASIC: Final = frozenset(("fused_score", "lexical_score", "lexical_rank", "vector_score", "vector_rank"))
"""What every reranker gets; the rest only one that has ``features`` which name it."""
METADATA: Final = "metadata."
"""Before the path of a metadata field that is asked for as a feature."""
_digit = re.compile(r"\d")


def columns(
    snapshot: Snapshot,
    text: str | None,
    terms: Sequence[str],
    fused: Candidates,
    legs: Sequence[Candidates],
    evidence: Evidence,
    wanted: Sequence[str],
) -> Features:
    """float32 (n,) each, aligned with ``fused``, NaN where nothing is known: at least the ``wanted`` ones
    that there are. Beside ``BASIC`` (see ``hybrid.rerank``) and `matching`:

    similarity        the vector leg's score, also of those that it did not rank
    lexical_share     the lexical score by the best one
    vector_gap        how far the similarity lies below the best one
    query_*           the same for all candidates: distinct terms, mean and largest idf, share of Chinese,
                      best score of each leg, and the signals of `hybrid.fusion.signals` about the lists
    metadata.PATH     the number under each path that is ``wanted``
    """
    found = features(fused, legs)
    if BASIC.issuperset(wanted):
        return found
    n, (lexical, vector) = len(fused), legs
    similar = evidence.scores(fused.ordinals) if len(vector) else np.full(n, np.nan, np.float32)
    best = {"lexical": _first(lexical), "vector": _first(vector)}
    asked = _asked(snapshot.lexical, text or "", terms)
    found |= {
        "similarity": similar,
        "lexical_share": found["lexical_score"] / best["lexical"],
        "vector_gap": best["vector"] - similar,
        **matching(asked, snapshot.generation.texts(fused.ordinals.tolist())),
    }
    of_query = {
        "terms": len(set(terms)),
        "idf_mean": float(asked.idf.mean()) if len(terms) else np.nan,
        "idf_max": float(asked.idf.max()) if len(terms) else np.nan,
        "han": asked.han,
        "lexical_best": best["lexical"],
        "vector_best": best["vector"],
        **{name: signal(*legs) if all(map(len, legs)) else np.nan for name, signal in OF_LISTS.items()},
    }
    found |= {f"query_{name}": np.full(n, value, np.float32) for name, value in of_query.items()}
    if fields := [name for name in wanted if name.startswith(METADATA)]:
        known = snapshot.generation.columns(snapshot.count)
        found |= {name: known.numbers(name.removeprefix(METADATA), fused.ordinals) for name in fields}
    return found


def _first(leg: Candidates) -> float:
    return float(leg.scores[0]) if len(leg) and leg.scores[0] else np.nan


def _asked(view: LexicalView, text: str, terms: Sequence[str]) -> Asked:
    n = view.searcher.num_docs
    frequencies = np.array(view.frequencies(terms), np.float64)
    idf = np.log1p((max(n, 1) - np.minimum(frequencies, n) + 0.5) / (frequencies + 0.5)).astype(np.float32)
    digits = np.array([bool(_digit.search(term)) for term in terms], np.bool_)
    return Asked(hashes(terms), idf, digits, han_share(text))
