"""txtai: its BM25 and its hnswlib backend, fused by its weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.ann import HNSW
from hybrid.types import Matrix
from tests.benchmarks.peers import EF


class TxtAI:
    name = "txtai, hnswlib"
    needs = ("txtai",)

    def __init__(self) -> None:
        self._vectors: dict[str, NDArray[Any]] = {}

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None:
        graph = {"m": HNSW.m, "efconstruction": HNSW.ef_construction, "efsearch": EF}
        self._embeddings = import_module("txtai").Embeddings(
            {
                "method": "external",
                "transform": lambda texts: self._encoded(texts),
                "backend": "hnsw",
                "hnsw": graph,
            }
            | {"hybrid": True, "content": False, "instructions": None, "batch": len(texts)}
        )
        self._vectors = dict(zip(texts, vectors, strict=True))
        self._embeddings.index([(i, text, None) for i, text in enumerate(texts)])
        self._vectors = {}

    def _encoded(self, texts: Sequence[str]) -> Matrix:
        """The ready-made vector of each text: what txtai takes for an encoder."""
        return np.stack([self._vectors[text] for text in texts])

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]:
        self._vectors[text] = vector
        return [number for number, _ in self._embeddings.search(text, k)]

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        self._vectors["nearest"] = vector
        return [number for number, _ in self._embeddings.search("nearest", k, weights=1.0)]
