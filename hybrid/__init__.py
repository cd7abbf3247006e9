"""Hybrid search in one directory: BM25 and vectors over one ledger, for Chinese, English and a mix.

import hybrid

with hybrid.Index.create("idx") as index:
    index.add([hybrid.Document(id="1", text="Noise-cancelling headphones", metadata={"price": 99})])
    for hit in index.search("降噪耳机", filter={"price": {"lt": 100}}):
        ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybrid.async_index import AsyncIndex
    from hybrid.backends.memory import MemoryIndex
    from hybrid.context import Context, check_citations
    from hybrid.errors import HybridError
    from hybrid.fusion import (
        RRF,
        Adaptive,
        CombSUM,
        Distribution,
        Linear,
        MinMax,
        Rocchio,
        Softplus,
        TheoreticalMinMax,
        ZScore,
    )
    from hybrid.index import DEFAULT_ENCODER, Index
    from hybrid.ledger.impressions import Impression
    from hybrid.ledger.past import PastQuery
    from hybrid.search.explain import Explanation
    from hybrid.search.searcher import Searcher
    from hybrid.settings import Profile
    from hybrid.store.backup import restore
    from hybrid.store.salvage import salvage, salvage_past_queries
    from hybrid.types import (
        Candidates,
        Correction,
        Document,
        Hit,
        Passage,
        Qrels,
        Results,
        Run,
        Suggestion,
    )

import_module(f"{__name__}.threads")  # now, so that a program's own exit handlers run before those in there

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_ENCODER",
    "RRF",
    "Adaptive",
    "AsyncIndex",
    "Candidates",
    "CombSUM",
    "Context",
    "Correction",
    "Distribution",
    "Document",
    "Explanation",
    "Hit",
    "HybridError",
    "Impression",
    "Index",
    "Linear",
    "MemoryIndex",
    "MinMax",
    "Passage",
    "PastQuery",
    "Profile",
    "Qrels",
    "Results",
    "Rocchio",
    "Run",
    "Searcher",
    "Softplus",
    "Suggestion",
    "TheoreticalMinMax",
    "ZScore",
    "__version__",
    "check_citations",
    "restore",
    "salvage",
    "salvage_past_queries",
]

# The module of each name. Modules load when a name is first used, so importing this package takes a
# hundredth of a second, not half of one.
_HOMES = {
    "hybrid.store.salvage": "salvage salvage_past_queries",
    "hybrid.async_index": "AsyncIndex",
    "hybrid.context": "Context check_citations",
    "hybrid.index": "DEFAULT_ENCODER Index",
    "hybrid.settings": "Profile",
    "hybrid.store.backup": "restore",
    "hybrid.errors": "HybridError",
    "hybrid.search.explain": "Explanation",
    "hybrid.search.searcher": "Searcher",
    "hybrid.fusion": "RRF Adaptive CombSUM Distribution Linear MinMax Rocchio Softplus "
    "TheoreticalMinMax ZScore",
    "hybrid.ledger.impressions": "Impression",
    "hybrid.ledger.past": "PastQuery",
    "hybrid.backends.memory": "MemoryIndex",
    "hybrid.types": "Candidates Correction Document Hit Passage Qrels Results Run Suggestion",
}
# Submodules that can be used without importing them, and their paths.
_PARTS = {
    "analyzers": "analyzers",
    "corpora": "corpora",
    "crawl": "crawl",
    "encoders": "encoders",
    "errors": "errors",
    "evaluate": "evaluate",
    "facets": "metadata.facets",
    "filters": "metadata.filters",
    "fusion": "fusion",
    "learn": "learn",
    "limits": "limits",
    "query": "query",
    "rerank": "rerank",
    "settings": "settings",
    "types": "types",
}

if not TYPE_CHECKING:  # or a type checker would accept any name

    def __getattr__(name: str) -> object:
        for home, names in _HOMES.items():
            if name in names.split():
                value: object = getattr(import_module(home), name)
                globals()[name] = value
                return value
        if name in _PARTS:
            return import_module(f"{__name__}.{_PARTS[name]}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
