"""How fast documents with ready-made vectors go in, against the two libraries one after the other."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hybrid import Index
from tests.benchmarks.house import BATCH, House, batches, build_graph, terms_of, write_lexical
from tests.benchmarks.measure import cpu_seconds
from tests.benchmarks.report import Report

_WARM: Final = 2_000


@dataclass(frozen=True)
class _Took:
    wall: float
    cpu: float

    def __add__(self, other: _Took) -> _Took:
        return _Took(self.wall + other.wall, self.cpu + other.cpu)


def run(house: House) -> Report:
    """Once each: building is long, and its parts are sums over many documents."""
    documents, vectors = house.documents, house.vectors
    for one in documents[:_WARM]:  # the dictionary loads, and what is remembered of words fills
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
    index = Index.create(folder / "index", encoder=None)
    parts["engine, searchable"] = _clocked(lambda: _add(index, documents))
    parts["engine, graph finished and saved"] = parts["engine, searchable"] + _clocked(index.close)
    report = Report("build", documents=len(documents), batch=BATCH)
    table = report.table(
        "Building with ready-made vectors",
        note="`of bare`: documents/s by those of `bare, with the analysis`: the engine analyses too.",
    )
    whole = parts["bare, with the analysis"].wall
    for name, took in parts.items():
        table.add(
            what=name,
            **{"wall s": took.wall, "CPU s": took.cpu, "documents/s": len(documents) / took.wall},
            **{"of bare": whole / took.wall},
        )
    shutil.rmtree(folder)
    return report


def _clocked(work: Callable[[], object]) -> _Took:
    wall, cpu = time.perf_counter(), cpu_seconds()
    work()
    return _Took(time.perf_counter() - wall, cpu_seconds() - cpu)


def _add(index: Index, documents: list[Any]) -> None:
    for part in batches(documents, BATCH):
        index.add(part)


def _saved(graph: Any, folder: Any) -> None:
    graph.save_index(str(folder / "bare.hnsw"))
