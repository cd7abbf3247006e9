"""Qdrant Edge: its BM25 as a sparse vector and its HNSW graph, fused by its RRF."""

from __future__ import annotations

import shutil
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from hybrid.ann import HNSW
from hybrid.types import Matrix
from tests.benchmarks.peers import DEPTH, WIDE

_BATCH: Final = 1_000


class Edge:
    name = "Qdrant Edge, HNSW"
    needs = ("qdrant_edge",)

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None:
        library = self._library = import_module("qdrant_edge")
        self._words = words(
            library.TokenizerType.Whitespace, sum(len(t.split()) for t in texts) / len(texts)
        )
        self._shard = create(folder / "qdrant", vectors.shape[1])
        for start in range(0, len(texts), _BATCH):
            part = slice(start, start + _BATCH)
            put(self._shard, self._words, start, texts[part], vectors[part])
        self._shard.optimize()
        self._shard.flush()

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]:
        library = self._library
        sparse = library.Query.Nearest(self._words.embed_query(text), using="words")
        legs = [library.Prefetch(DEPTH, query=sparse), self._near(vector, DEPTH)]
        fused = library.QueryRequest(k, query=library.Fusion.Rrf(k=60), prefetches=legs, with_payload=True)
        return [int(point.id) for point in self._shard.query(fused)]

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        library = self._library
        asked = library.QueryRequest(
            k, query=self._dense(vector), params=library.SearchParams(hnsw_ef=WIDE)
        )
        return [int(point.id) for point in self._shard.query(asked)]

    def _near(self, vector: NDArray[Any], k: int) -> Any:
        return self._library.Prefetch(
            k, query=self._dense(vector), params=self._library.SearchParams(hnsw_ef=WIDE)
        )

    def _dense(self, vector: NDArray[Any]) -> Any:
        return self._library.Query.Nearest(vector.tolist(), using="vector")


def words(tokenizer: Any, average: float, **more: Any) -> Any:
    """Its BM25, which is told how long documents are on average; no stemming, no stop words."""
    library = import_module("qdrant_edge")
    plain = {"stemmer": library.DisabledStemmer(), "stopwords": library.StopwordsSet(set(), set())} | more
    return library.Bm25(library.Bm25Config(avg_len=average, tokenizer=tokenizer, **plain))


def create(path: Path, dim: int) -> Any:
    """A new shard of texts and vectors."""
    library = import_module("qdrant_edge")
    shutil.rmtree(path, ignore_errors=True)
    graph = library.HnswIndexConfig(m=HNSW.m, ef_construct=HNSW.ef_construction, full_scan_threshold=100)
    config = library.EdgeConfig(
        {"vector": library.EdgeVectorParams(dim, library.Distance.Dot)},
        {"words": library.EdgeSparseVectorParams(modifier=library.Modifier.Idf)},
        hnsw_config=graph,
    )
    return library.EdgeShard.create(str(path), config)


def put(shard: Any, model: Any, first: int, texts: list[str], vectors: Matrix) -> None:
    """Insert documents, numbered from ``first`` on."""
    library = import_module("qdrant_edge")
    rows = enumerate(zip(texts, vectors, strict=True), first)
    points = [
        library.Point(i, {"vector": vector.tolist(), "words": model.embed_document(text)}, {"text": text})
        for i, (text, vector) in rows
    ]
    shard.update(library.UpdateOperation.upsert_points(points))
