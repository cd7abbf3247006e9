"""How fast documents go in: with ready-made vectors against the two libraries one after the other, and with
an encoder against the encoder alone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from hybrid import Document, Index
from hybrid.types import Matrix
from tests.benchmarks.house import BATCH, House, batches, build_graph, terms_of, write_lexical
from tests.benchmarks.measure import cpu_seconds
from tests.benchmarks.report import Report

_ENCODED: Final = 5_000
_COST: Final = 0.002  # seconds of a core a document


@dataclass(frozen=True)
class _Took:
    wall: float
    cpu: float

    def __add__(self, other: _Took) -> _Took:
        return _Took(self.wall + other.wall, self.cpu + other.cpu)


def run(house: House) -> Report:
    """Once each: building is long, and its parts are sums over many documents."""
    documents, vectors = house.documents, house.vectors
    for one in documents:  # the dictionary loads, and what is remembered of words fills
        terms_of(house.analyzer, one)
    folder = house.plan.out / "cache" / "build"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    analysed: list[list[str]] = []
    parts: dict[str, _Took] = {}
    parts["analysis"] = _clocked(
        lambda: analysed.extend(terms_of(house.analyzer, one).of("terms") for one in documents)
    )
    parts["bare tantivy, terms ready"] = _clocked(lambda: write_lexical(folder / "tantivy", analysed))
    parts["bare hnswlib, one thread"] = _clocked(lambda: _saved(build_graph(vectors), folder))
    bare = parts["bare tantivy, terms ready"] + parts["bare hnswlib, one thread"]
    parts["bare, one after the other"] = bare
    parts["bare, with the analysis"] = bare + parts["analysis"]
    segments = {}
    for way, fill in (("add", _add), ("load", Index.load)):
        index = Index.create(folder / way, encoder=None)
        parts[f"{way}, searchable"] = _clocked(partial(fill, index, documents))
        segments[way] = _segments(index)
        parts[f"{way}, graph finished and saved"] = parts[f"{way}, searchable"] + _clocked(index.close)
    report = Report("build", documents=len(documents), batch=BATCH)
    table = report.table(
        "Building with ready-made vectors",
        note="`of bare`: documents/s by those of `bare, with the analysis`, as the engine analyses. `add`: "
        "a thousand documents at a time, searchable on return.",
    )
    whole = parts["bare, with the analysis"].wall
    for name, took in parts.items():
        table.add(
            what=name,
            **{"wall s": took.wall, "CPU s": took.cpu, "documents/s": len(documents) / took.wall},
            **{"of bare": whole / took.wall, "segments": segments.get(name.partition(",")[0], "")},
        )
    _with_encoder(documents[:_ENCODED], vectors, folder, report)
    shutil.rmtree(folder)
    return report


def _with_encoder(documents: list[Document], vectors: Matrix, folder: Path, report: Report) -> None:
    table = report.table(
        f"Building with an encoder that takes {_COST * 1000:g} ms a document",
        note="`of encoder`: documents/s by those of the encoder alone in the same run.",
    )
    texts = [replace(document, vector=None) for document in documents]
    for way, fill in (("add", _add), ("load", Index.load)):
        encoder = _Encoder(vectors)
        index = Index.create(folder / f"encoded-{way}", encoder=encoder)
        encoder.took, encoder.done = 0.0, 0
        took = _clocked(partial(fill, index, texts))
        whole = took + _clocked(index.close)
        for name, part in ((f"{way}, searchable", took), (f"{way}, graph finished and saved", whole)):
            rate = {"documents/s": len(texts) / part.wall, "of encoder": encoder.took / part.wall}
            table.add(what=name, **{"wall s": part.wall, "CPU s": part.cpu}, **rate)


class _Encoder:
    """Keeps a core busy, as a model does, and leaves the interpreter to others; answers ready vectors."""

    def __init__(self, vectors: Matrix) -> None:
        self._vectors = vectors
        self._work = np.ones((256, 256), np.float32)
        self.done, self.took = 0, 0.0

    def __call__(self, texts: list[str]) -> Matrix:
        start, end = time.perf_counter(), time.thread_time() + _COST * len(texts)
        while time.thread_time() < end:
            self._work @ self._work
        numbers = (np.arange(self.done, self.done + len(texts))) % len(self._vectors)
        self.done += len(texts)
        self.took += time.perf_counter() - start
        return self._vectors[numbers]


def _segments(index: Index) -> int:
    with index._store.reading() as snapshot:
        return int(snapshot.lexical.searcher.num_segments)


def _clocked(work: Callable[[], object]) -> _Took:
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return _Took(time.perf_counter() - wall, cpu_seconds() - cpu)


def _add(index: Index, documents: list[Any]) -> None:
    for part in batches(documents, BATCH):
        index.add(part)


def _saved(graph: Any, folder: Any) -> None:
    graph.save_index(str(folder / "bare.hnsw"))
