"""Hybrid search in one directory: BM25 and vectors over one ledger, for Chinese, English and a mix.

import hybrid

with hybrid.Index.create("idx") as index:
    index.add([hybrid.Document(id="1", text="Noise-cancelling headphones", metadata={"price": 99})])
    for hit in index.search("降噪耳机", filter={"price": {"lt": 100}}):
        ...
"""

from hybrid.damage import salvage
from hybrid.engine import DEFAULT_ENCODER, Index, restore
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
from hybrid.impressions import Impression
from hybrid.memory import MemoryIndex
from hybrid.types import Candidates, Document, Hit, Passage, Qrels, Results, Run

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_ENCODER",
    "RRF",
    "Adaptive",
    "Candidates",
    "CombSUM",
    "Distribution",
    "Document",
    "Hit",
    "HybridError",
    "Impression",
    "Index",
    "Linear",
    "MemoryIndex",
    "MinMax",
    "Passage",
    "Qrels",
    "Results",
    "Rocchio",
    "Run",
    "Softplus",
    "TheoreticalMinMax",
    "ZScore",
    "__version__",
    "restore",
    "salvage",
]
