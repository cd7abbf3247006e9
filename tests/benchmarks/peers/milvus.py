"""Milvus Lite: its BM25 function and an HNSW index, fused by its RRF."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from hybrid.ann import HNSW
from hybrid.types import Matrix
from tests.benchmarks.peers import DEPTH, EF

_BATCH: Final = 1_000
_NAME: Final = "documents"


class Milvus:
    name = "Milvus Lite, HNSW"
    needs = ("pymilvus", "milvus_lite")

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None:
        self._library = import_module("pymilvus")
        self._client = self._library.MilvusClient(str(folder / "milvus.db"))
        if self._client.has_collection(_NAME):
            self._client.drop_collection(_NAME)
        indexes = self._client.prepare_index_params()
        indexes.add_index(
            "vector",
            index_type="HNSW",
            metric_type="IP",
            params={"M": HNSW.m, "efConstruction": HNSW.ef_construction},
        )
        indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        schema = self._schema(vectors.shape[1])
        self._client.create_collection(_NAME, schema=schema, index_params=indexes)
        for start in range(0, len(texts), _BATCH):
            part = enumerate(texts[start : start + _BATCH], start)
            rows = [{"id": i, "text": text, "vector": vectors[i].tolist()} for i, text in part]
            self._client.insert(_NAME, rows)
        self._client.flush(_NAME)
        self._client.load_collection(_NAME)

    def _schema(self, dim: int) -> Any:
        kinds, made = self._library.DataType, self._client.create_schema(auto_id=False)
        made.add_field("id", kinds.INT64, is_primary=True)
        words = {"tokenizer": "standard"}
        made.add_field(
            "text", kinds.VARCHAR, max_length=65_535, enable_analyzer=True, analyzer_params=words
        )
        made.add_field("vector", kinds.FLOAT_VECTOR, dim=dim)
        made.add_field("sparse", kinds.SPARSE_FLOAT_VECTOR)
        bm25 = self._library.Function(
            name="bm25",
            function_type=self._library.FunctionType.BM25,
            input_field_names=["text"],
            output_field_names=["sparse"],
        )
        made.add_function(bm25)
        return made

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]:
        ask, near = self._library.AnnSearchRequest, {"metric_type": "IP", "params": {"ef": EF}}
        legs = [
            ask([vector.tolist()], "vector", near, DEPTH),
            ask([text], "sparse", {"metric_type": "BM25"}, DEPTH),
        ]
        fusion = self._library.RRFRanker(60)
        found = self._client.hybrid_search(_NAME, legs, fusion, limit=k, output_fields=["text"])
        return [hit["id"] for hit in found[0]]

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        near = {"metric_type": "IP", "params": {"ef": EF}}
        found = self._client.search(
            _NAME, [vector.tolist()], anns_field="vector", search_params=near, limit=k
        )
        return [hit["id"] for hit in found[0]]
