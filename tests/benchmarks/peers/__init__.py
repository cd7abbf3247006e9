"""What else a user could pick, each behind one small adapter.

Installed by `make bench-peers`, outside the project's dependencies (peers.txt); one that is missing is left
out. Every peer is given the analyzer's terms, each written as a code of letters and digits, so that all
tokenizers cut the texts alike and none pays for analysis; and the same unit vectors.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from hybrid.types import Matrix

EF: Final = 200
DEPTH: Final = 100

HYBRID: Final = ("lance.Lance", "milvus.Milvus", "sqlite.SQLite", "txt.TxtAI")
LEXICAL: Final = ("bm25.Numba", "bm25.Numpy", "sqlite.FTS5", "bm25.RankBM25")
VECTOR: Final = ("ann.HNSWlib", "ann.Faiss", "ann.USearch")


class Hybrid(Protocol):
    """Searched by words and by a vector; a document's id is its number."""

    name: str

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None: ...

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]: ...

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        """The vector leg alone, as ``query`` uses it."""
        ...


class Lexical(Protocol):
    name: str

    def build(self, folder: Path, texts: list[str]) -> None: ...

    def query(self, text: str, k: int) -> list[int]: ...


class Nearest(Protocol):
    name: str

    def build(self, folder: Path, vectors: Matrix) -> None: ...

    def set_ef(self, ef: int) -> None: ...

    def query(self, vector: NDArray[Any], k: int) -> list[int]: ...


def load(path: str) -> Any:
    """A new adapter: "module.Class". ImportError where what it adapts is not installed."""
    module, name = path.split(".")
    made = getattr(import_module(f"tests.benchmarks.peers.{module}"), name)()
    for needed in made.needs:
        import_module(needed)
    return made
