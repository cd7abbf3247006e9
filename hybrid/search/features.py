"""Everything that learned ranking may know of a query's candidates: one named column each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.encoders import compose
from hybrid.fusion import Evidence
from hybrid.fusion.signals import OF_LISTS
from hybrid.lexical.forward import han_share, hashes
from hybrid.order import Pool
from hybrid.rerank import METADATA, Features, features
from hybrid.rerank.matching import Asked, matching
from hybrid.search.source import Source, Words
from hybrid.search.votes import VOTED
from hybrid.types import Candidates, Matrix, Ordinals, Passage

BASIC: Final = frozenset(("fused_score", "lexical_score", "lexical_rank", "vector_score", "vector_rank"))
"""What every reranker gets; the rest only one that has ``features`` which name it."""
_CONTENT: Final = frozenset(("text", "vector"))
_digit = re.compile(r"\d")


def columns(
    source: Source,
    text: str | None,
    terms: Sequence[str],
    fused: Candidates,
    pool: Pool,
    evidence: Evidence,
    wanted: Sequence[str],
    passages: Callable[[Ordinals], Sequence[Sequence[Passage]]],
    voted: Callable[[Ordinals], Features],
) -> Features:
    """(n,) each, aligned with ``fused``, some of ``pool`` by number, NaN where nothing is known: at least
    those ``wanted`` that there are. ``BASIC``, "text", "vector" and "metadata.PATH" are described in
    ``hybrid.rerank``; ``passages`` gives the best ones of documents, best first; ``voted`` gives
    `hybrid.search.votes.VOTED`, if one of them is wanted. Any other name brings,
    float32 all of them, `matching` and

    similarity        the vector leg's score, also of those that it did not rank
    lexical_share     the lexical score by the best one
    vector_gap        how far the similarity lies below the best one
    query_*           the same for all candidates: distinct terms, mean and largest idf, share of Chinese,
                      best score of each leg, and the signals of `hybrid.fusion.signals` about the lists
    """
    found, ordinals = features(fused, pool.legs), pool.ordinals[fused.ordinals]
    fields = [name for name in wanted if name.startswith(METADATA)]
    if not set(wanted).isdisjoint(VOTED):
        found |= voted(ordinals)
    if set(wanted) - BASIC - _CONTENT - set(VOTED) - set(fields):
        found |= _learned(source, text, terms, fused, pool, evidence, found)
    if fields:
        found |= _numbers(source, ordinals, fields)
    if "text" in wanted:
        found["text"] = _texts(source, ordinals, passages)
    if "vector" in wanted:
        found["vector"] = _vectors(source, fused.ordinals, evidence if len(pool.legs[1]) else None)
    return found


def _numbers(source: Source, ordinals: Ordinals, fields: Sequence[str]) -> Features:
    known = source.columns
    with np.errstate(over="ignore"):  # 1e300 is infinity in float32
        return {name: known.numbers(name.removeprefix(METADATA), ordinals) for name in fields}


def _texts(
    source: Source, ordinals: Ordinals, passages: Callable[[Ordinals], Sequence[Sequence[Passage]]]
) -> NDArray[Any]:
    """The title and text of each document; of one that is several passages, its best passage."""
    listed = ordinals.tolist()
    cut = list(source.pieces(listed))
    best = dict(zip(cut, passages(np.array(cut, np.int64)), strict=True)) if cut else {}
    made = np.empty(len(listed), np.object_)
    for place, (ordinal, one) in enumerate(zip(listed, source.documents(listed), strict=True)):
        start, end, *_ = best[ordinal][0] if ordinal in best else (0, None)
        made[place] = compose(one.title, one.text[start:end])
    return made


def _vectors(source: Source, numbers: Ordinals, evidence: Evidence | None) -> Matrix:
    """float32 (n, dim); NaN throughout without ``evidence``."""
    if evidence is None:
        return np.full((len(numbers), source.vectors.dim), np.nan, np.float32)
    vectors = evidence.vectors(numbers).copy()
    vectors[np.isnan(evidence.scores(numbers))] = np.nan
    return vectors


def _learned(
    source: Source,
    text: str | None,
    terms: Sequence[str],
    fused: Candidates,
    pool: Pool,
    evidence: Evidence,
    basic: Features,
) -> Features:
    """The features that only learned ranking asks for."""
    n, legs = len(fused), pool.legs
    lexical, vector = legs
    similar = evidence.scores(fused.ordinals) if len(vector) else np.full(n, np.nan, np.float32)
    best = {"lexical": _first(lexical), "vector": _first(vector)}
    asked = _asked(source.lexical, text or "", terms)
    of_query = {
        "terms": len(set(terms)),
        "idf_mean": float(asked.idf.mean()) if len(terms) else np.nan,
        "idf_max": float(asked.idf.max()) if len(terms) else np.nan,
        "han": asked.han,
        "lexical_best": best["lexical"],
        "vector_best": best["vector"],
        **{name: signal(*legs) if all(map(len, legs)) else np.nan for name, signal in OF_LISTS.items()},
    }
    same = np.repeat(np.array([*of_query.values()], np.float32), n).reshape(len(of_query), n)
    return {
        "similarity": similar,
        "lexical_share": basic["lexical_score"] / best["lexical"],
        "vector_gap": best["vector"] - similar,
        **matching(asked, source.texts(pool.ordinals[fused.ordinals])),
        **{f"query_{name}": column for name, column in zip(of_query, same, strict=True)},
    }


def _first(leg: Candidates) -> float:
    return float(leg.scores[0]) if len(leg) and leg.scores[0] else np.nan


def _asked(view: Words, text: str, terms: Sequence[str]) -> Asked:
    n = view.documents
    frequencies = np.array(view.frequencies(terms), np.float64)
    idf = np.log1p((max(n, 1) - np.minimum(frequencies, n) + 0.5) / (frequencies + 0.5)).astype(np.float32)
    digits = np.array([bool(_digit.search(term)) for term in terms], np.bool_)
    return Asked(hashes(terms), idf, digits, han_share(text))
