"""``import hybrid`` waits for nothing; what it offers loads when asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import hybrid
from hybrid import Document
from tests.durability import child

HEAVY = (
    "'torch onnxruntime sentence_transformers transformers opencc jieba ir_measures scipy tokenizers"
    " lightgbm marisa_trie huggingface_hub'"
)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_loads_neither_numpy_nor_pydantic() -> None:
    assert run("import sys, hybrid; print({'numpy', 'pydantic'} & set(sys.modules))") == "set()"


def test_every_name_loads_and_brings_nothing_heavy() -> None:
    code = "import sys, hybrid; all(getattr(hybrid, name) for name in hybrid.__all__);"
    assert run(f"{code} print(set({HEAVY}.split()) & set(sys.modules))") == "set()"


def test_an_index_at_work_imports_nothing(tmp_path: Path) -> None:
    """An import opens files; where that fails, the error is not one of ours."""
    child.run(work_without_imports, tmp_path / "idx")


def work_without_imports(path: str) -> None:
    def documents(numbers: range) -> list[Document]:
        long = {n: 900 if n % 7 else 2 for n in numbers}
        texts = {n: f"word{n} and text " * times for n, times in long.items()}
        return [Document(str(n), text, vector=np.eye(16)[n % 16]) for n, text in texts.items()]

    with hybrid.Index.create(path, encoder=None, analyzer="english") as index:
        index.add(documents(range(40)))
        before = set(sys.modules)
        results = index.search("word3 text", vector=np.ones(16))
        assert results.total == 40
        assert results.hits[0].highlights
        index.explain("word3 text", "3", mode="lexical")
        index.delete([str(n) for n in range(30)])
        index.add(documents(range(100, 160)))
        index.compact()
        assert index.verify() == []
        assert set(sys.modules) == before


def test_names_come_from_where_they_are_defined() -> None:
    homes = {name for names in hybrid._HOMES.values() for name in names.split()}
    assert homes | {"__version__"} == set(hybrid.__all__)
    assert set(hybrid.__all__) <= set(dir(hybrid))


NAMES = {
    **dict.fromkeys(("Candidates", "Document", "Hit", "Passage", "Qrels", "Results", "Run"), "types"),
    **dict.fromkeys(("RRF", "Adaptive", "CombSUM", "Distribution", "Linear", "MinMax"), "fusion"),
    **dict.fromkeys(("Rocchio", "Softplus", "TheoreticalMinMax", "ZScore"), "fusion"),
    **dict.fromkeys(("DEFAULT_ENCODER", "Index"), "index"),
    "AsyncIndex": "async_index",
    **dict.fromkeys(("Context", "check_citations"), "context"),
    **dict.fromkeys(("Correction", "Suggestion"), "types"),
    "Explanation": "search.explain",
    "HybridError": "errors",
    "Impression": "ledger.impressions",
    "MemoryIndex": "backends.memory",
    "PastQuery": "ledger.past",
    "Profile": "settings",
    "Searcher": "search.searcher",
    "restore": "store.backup",
    "salvage": "store.salvage",
    "salvage_past_queries": "store.salvage",
}
PARTS = {
    **{name: name for name in ("analyzers", "corpora", "crawl", "encoders", "errors", "evaluate")},
    **{name: name for name in ("fusion", "learn", "limits", "rerank", "settings", "types")},
    "facets": "metadata.facets",
    "filters": "metadata.filters",
}


def test_what_is_public_resolves_to_where_it_is_defined() -> None:
    assert set(NAMES) | {"__version__"} == set(hybrid.__all__)
    for name, home in NAMES.items():
        assert getattr(hybrid, name) is getattr(import_module(f"hybrid.{home}"), name)


@pytest.mark.parametrize(("part", "home"), PARTS.items())
def test_parts_are_there_without_an_import_of_their_own(part: str, home: str) -> None:
    assert run(f"import hybrid; print(hybrid.{part}.__name__)") == f"hybrid.{home}"


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'hybrid' has no attribute 'Indx'"):
        _ = hybrid.Indx  # type: ignore[attr-defined]
