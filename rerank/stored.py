"""Rerankers as JSON, the form in which an index stores its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from hybrid import plugins
from hybrid.errors import QueryError, SettingsError
from hybrid.limits import shown
from hybrid.rerank import lambdamart
from hybrid.rerank.boost import Popularity, Recency
from hybrid.rerank.cross_encoder import CrossEncoder
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.late_interaction import LateInteraction
from hybrid.rerank.mmr import MMR
from hybrid.types import Reranker

KINDS: Final[Mapping[str, type[CrossEncoder | LateInteraction | MMR | Recency | Popularity]]] = {
    "cross-encoder": CrossEncoder,
    "late-interaction": LateInteraction,
    "mmr": MMR,
    "recency": Recency,
    "popularity": Popularity,
}


def dump(reranker: Reranker) -> dict[str, Any]:
    """Write a reranker as JSON. Raises SettingsError for one of another class."""
    if isinstance(reranker, LambdaMART):
        return {"kind": "lambdamart", **lambdamart.dump(reranker)}
    for kind, made in KINDS.items():
        if isinstance(reranker, made):
            return {"kind": kind, **asdict(reranker)}
    if (known := plugins.stored("rerankers", reranker)) is not None:
        return {"kind": known[0], **known[1]}
    raise SettingsError(
        f"{shown(reranker)} cannot be kept in an index: it is neither a plug-in nor one of LambdaMART, "
        f"{', '.join(made.__name__ for made in KINDS.values())}; pass it to search as reranker=…"
    )


def load(stored: Mapping[str, Any]) -> Reranker:
    """Read what ``dump`` wrote. Raises SettingsError for anything else, PluginError."""
    kind = stored.get("kind", "lambdamart")  # the first ones were stored without a kind
    if kind == "lambdamart":
        return lambdamart.load(stored)
    parameters = {name: value for name, value in stored.items() if name != "kind"}
    if not isinstance(kind, str) or kind not in KINDS:
        return _of_package(kind, parameters)
    try:
        return KINDS[kind](**parameters)
    except (TypeError, QueryError) as cause:
        raise SettingsError(f"a stored reranker cannot be read: {cause}") from cause


def _of_package(kind: object, parameters: Mapping[str, Any]) -> Reranker:
    """A reranker of another package."""
    if (plugin := plugins.find("rerankers", kind)) is None:
        raise SettingsError(
            f"a stored reranker is of the kind {shown(kind)}, which neither this version nor an installed "
            "package knows; upgrade hybrid-retrieval, or install the package that brings it"
        )
    made: Reranker = plugins.value(plugin, parameters)
    return made
