"""HNSW elsewhere, and bare: inner product of unit vectors, the engine's M and ef_construction."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.ann import HNSW
from hybrid.types import Matrix
from tests.benchmarks.house import build_graph


class HNSWlib:
    name = "hnswlib, bare"
    needs = ("hnswlib",)

    def build(self, folder: Path, vectors: Matrix) -> None:
        self._index = build_graph(vectors, threads=2)

    def set_ef(self, ef: int) -> None:
        self._index.set_ef(ef)

    def query(self, vector: NDArray[Any], k: int) -> list[int]:
        return list(self._index.knn_query(vector, k, num_threads=1)[0][0])


class Faiss:
    name = "faiss HNSW"
    needs = ("faiss",)

    def build(self, folder: Path, vectors: Matrix) -> None:
        faiss = import_module("faiss")
        faiss.omp_set_num_threads(2)
        self._index: Any = faiss.IndexHNSWFlat(vectors.shape[1], HNSW.m, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = HNSW.ef_construction
        self._index.add(vectors)
        faiss.omp_set_num_threads(1)

    def set_ef(self, ef: int) -> None:
        self._index.hnsw.efSearch = ef

    def query(self, vector: NDArray[Any], k: int) -> list[int]:
        return list(self._index.search(vector[None], k)[1][0])


class USearch:
    name = "usearch HNSW"
    needs = ("usearch.index",)

    def build(self, folder: Path, vectors: Matrix) -> None:
        index = import_module("usearch.index").Index
        self._index: Any = index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=HNSW.m,
            expansion_add=HNSW.ef_construction,
        )
        self._index.add(np.arange(len(vectors)), vectors, threads=2)

    def set_ef(self, ef: int) -> None:
        self._index.expansion_search = ef

    def query(self, vector: NDArray[Any], k: int) -> list[int]:
        return list(map(int, self._index.search(vector, k, threads=1).keys))
