"""MemoryIndex fulfils the contract, and its BM25 is the formula."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from hybrid.backends.memory import MemoryIndex
from hybrid.backends.textbook import LuceneBM25
from tests.contracts.index import IndexContract


class TestContract(IndexContract):
    def make(self, folder: Path, **settings: Any) -> MemoryIndex:
        return MemoryIndex(**settings)


def test_bm25_is_the_formula() -> None:
    documents = [["a", "a", "b"], ["b"], ["c"] * 41]
    mean = (3 + 1 + 41) / 3
    idf_a, idf_b = math.log(1 + 2.5 / 1.5), math.log(1 + 1.5 / 2.5)
    tf_a = 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / mean))
    tf_b = 1 * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / mean))
    scores = LuceneBM25(documents).get_scores(["a", "b"])
    assert scores[0] == pytest.approx(idf_a * tf_a + idf_b * tf_b)
    # 41 terms are kept as 40, the next length that one byte can say
    tf_c = 41 * 2.2 / (41 + 1.2 * (0.25 + 0.75 * 40 / mean))
    assert LuceneBM25(documents).get_scores(["c"])[2] == pytest.approx(math.log(1 + 2.5 / 1.5) * tf_c)
