"""Rerankers as JSON, the form in which an index stores its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, TypeAlias

from hybrid.errors import QueryError, SettingsError
from hybrid.limits import shown
from hybrid.rerank import lambdamart
from hybrid.rerank.boost import Popularity, Recency
from hybrid.rerank.cross_encoder import CrossEncoder
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.mmr import MMR

Storable: TypeAlias = LambdaMART | CrossEncoder | MMR | Recency | Popularity

KINDS: Final[Mapping[str, type[CrossEncoder | MMR | Recency | Popularity]]] = {
    "cross-encoder": CrossEncoder,
    "mmr": MMR,
    "recency": Recency,
    "popularity": Popularity,
}


def dump(reranker: Storable) -> dict[str, Any]:
    """Write a reranker as JSON. Raises SettingsError for one of another class."""
    if isinstance(reranker, LambdaMART):
        return {"kind": "lambdamart", **lambdamart.dump(reranker)}
    for kind, made in KINDS.items():
        if isinstance(reranker, made):
            return {"kind": kind, **asdict(reranker)}
    raise SettingsError(
        f"{shown(reranker)} cannot be kept in an index: it is not one of LambdaMART, "
        f"{', '.join(made.__name__ for made in KINDS.values())}; pass it to search as reranker=…"
    )


def load(stored: Mapping[str, Any]) -> Storable:
    """Read what ``dump`` wrote. Raises SettingsError for anything else."""
    kind = stored.get("kind", "lambdamart")  # the first ones were stored without a kind
    if kind == "lambdamart":
        return lambdamart.load(stored)
    if not isinstance(kind, str) or kind not in KINDS:
        raise SettingsError(
            f"a stored reranker is of the kind {shown(kind)}, which this version does not know; upgrade "
            "hybrid-retrieval"
        )
    try:
        return KINDS[kind](**{name: value for name, value in stored.items() if name != "kind"})
    except (TypeError, QueryError) as cause:
        raise SettingsError(f"a stored reranker cannot be read: {cause}") from cause
