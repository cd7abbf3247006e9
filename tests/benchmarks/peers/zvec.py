"""zvec: its full-text index and its HNSW graph, fused by its RRF."""

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


class Zvec:
    name = "zvec, HNSW"
    needs = ("zvec", "zvec.executor")

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None:
        self._library = import_module("zvec")
        self._collection = create(folder / "zvec", vectors.shape[1], {"tokenizer_name": "whitespace"})
        for start in range(0, len(texts), _BATCH):
            put(self._collection, start, texts[start : start + _BATCH], vectors[start : start + _BATCH])
        self._collection.optimize()
        self._collection._querier = _deep(self._collection.schema)
        self._rrf = self._library.RrfReRanker(rank_constant=60)

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]:
        legs = [
            self._library.Query("text", fts=self._library.Fts(match_string=text)),
            self._near(vector),
        ]
        found = self._collection.query(legs, topk=k, reranker=self._rrf, output_fields=["text"])
        return [int(one.id) for one in found]

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        return [int(one.id) for one in self._collection.query(self._near(vector), topk=k, output_fields=[])]

    def _near(self, vector: NDArray[Any]) -> Any:
        return self._library.Query("vector", vector=vector, param=self._library.HnswQueryParam(ef=WIDE))


def create(path: Path, dim: int, words: dict[str, Any]) -> Any:
    """A new collection of texts, tokenized as ``words`` say, and vectors."""
    library = import_module("zvec")
    shutil.rmtree(path, ignore_errors=True)
    graph = library.HnswIndexParam(library.MetricType.IP, m=HNSW.m, ef_construction=HNSW.ef_construction)
    text = library.FieldSchema("text", library.DataType.STRING, index_param=library.FtsIndexParam(**words))
    vector = library.VectorSchema("vector", library.DataType.VECTOR_FP32, dim, graph)
    return library.create_and_open(str(path), library.CollectionSchema("documents", [text], [vector]))


def put(collection: Any, first: int, texts: list[str], vectors: Matrix) -> None:
    """Insert documents, numbered from ``first`` on. ValueError where one is not taken."""
    make = import_module("zvec").Doc
    rows = enumerate(zip(texts, vectors, strict=True), first)
    states = collection.insert(
        [make(id=str(i), fields={"text": text}, vectors={"vector": vector}) for i, (text, vector) in rows]
    )
    if bad := [state for state in states if not state.ok()]:
        raise ValueError(str(bad[0]))


def _deep(schema: Any) -> Any:
    """Its executor takes as many candidates of a leg as hits are wanted; this one takes a hundred."""
    executor: Any = import_module("zvec.executor").QueryExecutor

    class Deep(executor):  # type: ignore[misc]
        def _build_multi_query(self, context: Any, queries: Any) -> Any:
            made = super()._build_multi_query(context, queries)
            subs = made.queries
            for sub in subs:
                sub.num_candidates = DEPTH
            made.queries = subs
            return made

    return Deep(schema)
