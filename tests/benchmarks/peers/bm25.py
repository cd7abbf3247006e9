"""bm25s with both its backends, and rank-bm25; at tantivy's k1 and b."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

_K1: Final = 1.2
_B: Final = 0.75


class Numba:
    name = "bm25s, numba"
    backend = "numba"
    needs: tuple[str, ...] = ("bm25s", "numba")

    def build(self, folder: Path, texts: list[str]) -> None:
        self._index: Any = import_module("bm25s").BM25(method="lucene", k1=_K1, b=_B, backend=self.backend)
        self._index.index([text.split() for text in texts], show_progress=False)

    def query(self, text: str, k: int) -> list[int]:
        terms = [term for term in text.split() if term in self._index.vocab_dict]
        found = self._index.retrieve([terms], k=k, show_progress=False, n_threads=1, return_as="documents")
        return list(map(int, found[0]))


class Numpy(Numba):
    name = "bm25s, numpy"
    backend = "numpy"
    needs = ("bm25s",)

    def query(self, text: str, k: int) -> list[int]:
        found = self._index.retrieve([text.split()], k=k, show_progress=False, return_as="documents")
        return list(map(int, found[0]))


class RankBM25:
    name = "rank-bm25"
    needs = ("rank_bm25",)

    def build(self, folder: Path, texts: list[str]) -> None:
        self._index: Any = import_module("rank_bm25").BM25Okapi(
            [text.split() for text in texts], k1=_K1, b=_B
        )

    def query(self, text: str, k: int) -> list[int]:
        scores = self._index.get_scores(text.split())
        best = np.argpartition(-scores, k)[:k]
        return [int(number) for number in best[np.argsort(-scores[best])]]
