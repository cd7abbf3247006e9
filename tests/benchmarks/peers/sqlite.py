"""SQLite: FTS5, and sqlite-vec, which scans all vectors; fused by RRF in Python.

Through apsw, since many builds of Python leave extensions out.
"""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from hybrid.types import Matrix
from tests.benchmarks.peers import DEPTH

_WORDS: Final = "select rowid from words where words match ? order by rank limit ?"
_NEAR: Final = "select rowid from vectors where vector match ? and k = ? order by distance"


class FTS5:
    name = "SQLite FTS5"
    needs: tuple[str, ...] = ("apsw",)

    def build(self, folder: Path, texts: list[str]) -> None:
        path = folder / f"{type(self).__name__}.db"
        path.unlink(missing_ok=True)
        self._database = import_module("apsw").Connection(str(path))
        self._database.execute("create virtual table words using fts5(terms)")
        with self._database:
            rows = enumerate(texts)
            self._database.executemany("insert into words(rowid, terms) values (?, ?)", rows)
            self._database.execute("insert into words(words) values ('optimize')")

    def query(self, text: str, k: int) -> list[int]:
        asked = " OR ".join(dict.fromkeys(text.split()))
        return [row[0] for row in self._database.execute(_WORDS, (asked, k))]


class SQLite:
    name = "SQLite FTS5 + sqlite-vec, RRF"
    needs = ("apsw", "sqlite_vec")

    def build(self, folder: Path, texts: list[str], vectors: Matrix) -> None:
        self._words = FTS5()
        self._words.build(folder, texts)
        self._database = self._words._database
        self._database.enable_load_extension(True)
        self._database.load_extension(import_module("sqlite_vec").loadable_path())
        kind = f"float[{vectors.shape[1]}] distance_metric=cosine"
        self._database.execute(f"create virtual table vectors using vec0(vector {kind})")
        with self._database:
            rows = ((i, vector.tobytes()) for i, vector in enumerate(vectors))
            self._database.executemany("insert into vectors(rowid, vector) values (?, ?)", rows)

    def query(self, text: str, vector: NDArray[Any], k: int) -> list[int]:
        scores: defaultdict[int, float] = defaultdict(float)
        for leg in (self._words.query(text, DEPTH), self.nearest(vector, DEPTH)):
            for rank, number in enumerate(leg, 1):
                scores[number] += 1 / (60 + rank)
        best = sorted(scores, key=lambda number: (-scores[number], number))[:k]
        for number in best:
            self._database.execute("select terms from words where rowid = ?", (number,)).fetchall()
        return best

    def nearest(self, vector: NDArray[Any], k: int) -> list[int]:
        return [row[0] for row in self._database.execute(_NEAR, (vector.tobytes(), k))]
