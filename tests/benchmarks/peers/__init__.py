"""What else a user could pick, each behind one small adapter.

Installed by `make bench-peers`, outside the project's dependencies (peers.txt); one that is missing is left
out. Every peer is given the analyzer's terms, each written as a code of letters and digits, so that all
tokenizers cut the texts alike and none pays for analysis; and the same unit vectors.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from hybrid.types import Matrix
from tests.benchmarks.report import Table

EF: Final = 200
WIDE: Final = 512
"""The ef of what is compared at a recall of .99 of the first hundred."""
DEPTH: Final = 100

EMBEDDED: Final = ("zvec.Zvec", "qdrant.Edge")
"""Those that threads may share, which `threads` asks, too."""

HYBRID: Final = (*EMBEDDED, "lance.Lance", "milvus.Milvus", "sqlite.SQLite", "txt.TxtAI")
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


class Coded:
    """Texts as codes of letters and digits, one a term, which every tokenizer leaves whole."""

    def __init__(self, terms: Sequence[Sequence[str]]) -> None:
        distinct = dict.fromkeys(term for some in terms for term in some)
        self._codes = {term: f"w{number}x" for number, term in enumerate(distinct)}
        self.texts = [self.of(some) for some in terms]

    def of(self, terms: Sequence[str]) -> str:
        return " ".join(self._codes.get(term, "unknown") for term in terms)


def installed(paths: Sequence[str], table: Table, *arguments: Any) -> list[Any]:
    """The peers that are installed, over the documents."""
    found = []
    for path in paths:
        try:
            peer = load(path)
        except ImportError as error:
            table.add(what=path, missing=str(error))
            continue
        start = time.perf_counter()
        peer.build(*arguments)
        table.add(what=peer.name, seconds=time.perf_counter() - start)
        found.append(peer)
    return found


def load(path: str) -> Any:
    """A new adapter: "module.Class". ImportError where what it adapts is not installed."""
    module, name = path.split(".")
    made = getattr(import_module(f"tests.benchmarks.peers.{module}"), name)()
    for needed in made.needs:
        import_module(needed)
    return made
