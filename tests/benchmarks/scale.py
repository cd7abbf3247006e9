"""Building, opening, searching and memory at growing sizes, each step in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import hnswlib
import tantivy

from hybrid import Index
from hybrid.disk import manifest
from hybrid.disk.folder import Folder
from hybrid.lexical.bm25 import open_index
from hybrid.lexical.published import FILE
from hybrid.lexical.segments import META
from hybrid.vector.hnsw import EF_SEARCH
from tests.benchmarks.corpus import BLOCK, Query
from tests.benchmarks.house import House, Plan, bare_search, kept, numbers, stack
from tests.benchmarks.measure import Ask, Timing, cpu_seconds, growth, interleave, recall, resident
from tests.benchmarks.report import Report

SIZES: Final = (10_000, 30_000, 100_000, 300_000, 1_000_000)
_EXACT: Final = 50  # queries whose recall is measured


def run(house: House) -> Report:
    plan = house.plan
    sizes = [size for size in SIZES if size < plan.documents] + [plan.documents]
    report = Report("scale", largest=plan.documents, queries=plan.queries)
    built = report.table(
        "Build", note="With ready-made vectors, until the graph is finished and saved; made once."
    )
    opened = report.table(
        "Open and memory, read-only",
        note=(
            "`first answer`: from the start of the process. Anonymous memory is the process's own, mapped "
            "pages are files'. `vectors` is what the float32 vectors alone would take."
        ),
    )
    searched = report.table(
        "Search",
        note="`bare`: the engine's own tantivy files and graph by the bare libraries, k = 100.",
    )
    filtered = report.table("Filtered hybrid search, short queries")
    queries = house.queries("short")
    for size in sizes:
        one = replace(plan, documents=size)
        built.add(documents=size, **apart(_build, one))
        opened.add(documents=size, **apart(_open, _path(one), queries))
        for kind in ("short", "long"):
            for cells in apart(_search, one, kind):
                searched.add(documents=size, queries=kind, **cells)
        for cells in apart(_filter, one):
            filtered.add(documents=size, **cells)
    _grow(report, searched.rows, sizes)
    return report


def _grow(report: Report, rows: list[Any], sizes: list[int]) -> None:
    if len(sizes) == 1:
        return
    table = report.table("Growth", note="The exponent b of p50 = a * documents^b, by least squares.")
    for kind, what in dict.fromkeys((row["queries"], row["what"]) for row in rows):
        costs = [row["p50 ms"] for row in rows if (row["queries"], row["what"]) == (kind, what)]
        table.add(queries=kind, what=what, exponent=growth(sizes, costs))


def apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """In a new process, so that one step's memory is not another's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _path(plan: Plan) -> Path:
    return House(plan).folder / "streamed"


def _build(plan: Plan) -> dict[str, float]:
    house = House(plan)
    figures: dict[str, float] = {}

    def make(draft: Path) -> None:
        start, used, generated = time.perf_counter(), cpu_seconds(), 0.0
        with Index.create(draft, encoder=None) as index:
            for number in range(-(-len(house.corpus) // BLOCK)):
                before = time.perf_counter()
                documents = list(house.corpus.block(number).documents())
                generated += time.perf_counter() - before
                index.add(documents)
            searchable = time.perf_counter() - start - generated
        wall = time.perf_counter() - start - generated
        figures.update(
            {"searchable s": searchable, "finished s": wall, "documents/s": len(house.corpus) / wall}
        )
        figures.update({"CPU s": cpu_seconds() - used - generated})

    path = kept(_path(plan), make)
    files = [file for file in path.rglob("*") if file.is_file()]
    return figures | {"disk MB": sum(file.stat().st_size for file in files) / 1e6}


def _open(path: Path, queries: list[Query]) -> dict[str, float]:
    start, used = time.perf_counter(), time.process_time()
    index = Index.open(path, read_only=True)
    opened, used = time.perf_counter() - start, time.process_time() - used
    index.search(queries[0].text, vector=queries[0].vector)
    answered, first = time.perf_counter() - start, _since_birth()
    before = resident()
    for query in queries:
        index.search(query.text, vector=query.vector)
    after, vectors = resident(), len(index) * len(queries[0].vector) * 4 / 1e6
    index.close()
    return {
        "open s": opened,
        "open CPU s": used,
        "open and answer s": answered,
        "first answer s": first,
        "anonymous MB": before["anonymous"],
        "mapped MB": before["mapped"],
        "anonymous after queries MB": after["anonymous"],
        "mapped after queries MB": after["mapped"],
        "vectors MB": vectors,
        "anonymous by vectors": after["anonymous"] / vectors,
    }


def _since_birth() -> float:
    """Seconds since this process began."""
    started = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def _search(plan: Plan, kind: str) -> list[dict[str, Any]]:
    house = House(plan)
    path = _path(plan)
    queries = house.queries(kind)
    vectors = stack(queries)
    terms = [house.analyzer.terms(query.text) for query in queries]
    with Index.open(path, read_only=True) as index:
        lexical = _bare_lexical(path)
        searcher = lexical.searcher()
        graph = _bare_graph(path, vectors.shape[1])

        def bare_vector(i: int) -> object:
            return None if graph is None else graph.knn_query(vectors[i], 100, num_threads=1)

        contestants: dict[str, Ask] = {
            "bare tantivy": lambda i: bare_search(lexical, searcher, terms[i], 100),
            "bare hnswlib": bare_vector,
            "lexical": lambda i: index.search(queries[i].text, mode="lexical"),
            "vector": lambda i: index.search(vector=vectors[i], mode="vector"),
            "hybrid": lambda i: index.search(queries[i].text, vector=vectors[i]),
        }
        found = interleave(contestants, len(queries), rounds=plan.rounds)
        some = vectors[:_EXACT]
        answers = [numbers([hit.id for hit in index.search(vector=one, mode="vector")]) for one in some]
        with index._store.reading() as snapshot:
            exact = [scores.argsort()[:10].tolist() for scores in -(some @ snapshot.vectors.rows.vectors.T)]
    return _cells(found, recall(answers, exact))


def _bare_lexical(path: Path) -> tantivy.Index:
    """The engine's own files, by the bare library: what tantivy looks for is laid beside links to them."""
    files = next(path.rglob("lexical-*"))
    with closing(Folder.open(files.parent)) as generation, tempfile.TemporaryDirectory() as mirror:
        for file in files.iterdir():
            (Path(mirror) / file.name).symlink_to(file.resolve())
        (Path(mirror) / META).write_text(manifest.read(generation, FILE)["commit"])
        index = open_index(Path(mirror))
        index.reload()
        return index


def _bare_graph(path: Path, dim: int) -> Any:
    """The saved graph in a bare hnswlib; None where the index has none, being small."""
    for saved in path.rglob("graph-hnswlib-*.hnsw"):
        graph = hnswlib.Index("ip", dim)
        graph.load_index(str(saved))
        graph.set_ef(EF_SEARCH)
        return graph
    return None


def _cells(found: dict[str, Timing], found_share: float) -> list[dict[str, Any]]:
    bare = found["bare tantivy"].p50 + found["bare hnswlib"].p50
    return [
        {"what": name, **timing.row()}
        | ({"by bare legs": timing.p50 / bare} if name == "hybrid" else {})
        | ({"recall@10": found_share, "ef": EF_SEARCH} if name == "vector" else {})
        for name, timing in found.items()
    ]


def _filter(plan: Plan) -> list[dict[str, Any]]:
    house = House(plan)
    queries = house.queries("short")
    with Index.open(_path(plan), read_only=True) as index:
        conditions: dict[str, dict[str, Any] | None] = {"none": None}
        conditions |= {f"{n / 100:g}%": {"shard": {"lt": n}} for n in (1, 10, 100, 1000, 5000, 9000)}
        index.search(queries[0].text, vector=queries[0].vector)
        start, used = time.perf_counter(), time.process_time()
        index.search(queries[0].text, vector=queries[0].vector, filter={"shard": {"lt": 1}})
        first, used = time.perf_counter() - start, time.process_time() - used
        asking = {name: _asking(index, queries, where) for name, where in conditions.items()}
        found = interleave(asking, min(_EXACT, len(queries)), rounds=2)
    none = found["none"].p50
    rows: list[dict[str, Any]] = [
        {"filter": name, **timing.row(), "times": timing.p50 / none} for name, timing in found.items()
    ]
    rows[0].update({"first filter s": first, "first filter CPU s": used})
    return rows


def _asking(index: Index, queries: list[Query], where: dict[str, Any] | None) -> Ask:
    return lambda i: index.search(queries[i].text, vector=queries[i].vector, filter=where)
