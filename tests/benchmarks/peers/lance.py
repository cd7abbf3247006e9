"""LanceDB: its full-text index and its HNSW index, fused by its RRF."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hybrid.ann import HNSW
from hybrid.types import Matrix
from tests.benchmarks.peers import EF


class Lance:
    name = "LanceDB, IVF_HNSW_SQ"
    needs = ("lancedb", "lancedb.index", "lancedb.rerankers", "pyarrow")

    def __init__(self) -> None:
        os.environ.setdefault("LANCEDB_LOG", "error")  # it warns with every query, which costs

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None:
        arrow, index = import_module("pyarrow"), import_module("lancedb.index")
        rows = arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.ravel()), vectors.shape[1])
        columns = {"id": arrow.array(range(len(texts))), "text": texts, "vector": rows}
        table = import_module("lancedb").connect(folder / "lance")
        self._table = table.create_table("documents", arrow.table(columns), mode="overwrite")
        words = index.FTS(
            with_position=False,
            base_tokenizer="whitespace",
            stem=False,
            remove_stop_words=False,
            lower_case=False,
            ascii_folding=False,
        )
        self._table.create_index("text", config=words)
        graph = index.HnswSq(
            distance_type="dot", num_partitions=1, m=HNSW.m, ef_construction=HNSW.ef_construction
        )
        self._table.create_index("vector", config=graph)
        self._rrf = import_module("lancedb.rerankers").RRFReranker()

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]:
        asked = self._table.search(query_type="hybrid", vector_column_name="vector", fts_columns="text")
        asked = asked.vector(vector).text(text).ef(EF).limit(k).rerank(self._rrf)
        return _ids(asked.select(["id", "text"]).to_arrow())

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        asked = self._table.search(vector, vector_column_name="vector").ef(EF).limit(k)
        return _ids(asked.select(["id"]).to_arrow())


def _ids(table: Any) -> list[int]:
    return list(table["id"].to_pylist())
