"""Queries a second: of one reader that several threads ask, of a pool of processes, and of peers."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from hybrid import RRF, Index, Pool
from hybrid.search.request import Options
from hybrid.search.search import laps
from hybrid.search.searcher import Searcher
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import House, stack
from tests.benchmarks.measure import cpu_seconds, recall
from tests.benchmarks.peers import DEPTH, EMBEDDED, Coded, installed
from tests.benchmarks.report import Report, Table

THREADS: Final = (1, 2, 4, 8)
PROCESSES: Final = (1, 2, 4)
SECONDS: Final = 1.0  # of each round
MODES: Final[dict[str, Options]] = {
    "lexical": {"mode": "lexical"},
    "vector": {"mode": "vector"},
    "hybrid, RRF": {"fusion": RRF()},
    "hybrid, default": {},
}

Ask = Callable[[int], object]


@dataclass(frozen=True)
class Contestant:
    """``ask``, called with a query's number by so many ``threads`` at once."""

    ask: Ask
    threads: int = 1


@dataclass(frozen=True)
class Rates:
    """By round: queries a second, and CPU seconds a query, of all threads and processes."""

    wall: list[float]
    cpu: list[float]

    def row(self, base: Rates) -> dict[str, float]:
        """``by one``: the median of the rates by those of ``base`` in the same round."""
        shares = np.divide(self.wall, base.wall)
        rates = {"queries/s": float(np.median(self.wall)), "by one": float(np.median(shares))}
        return rates | {"CPU ms": float(np.median(self.cpu)) * 1000}


def run(house: House) -> Report:
    report = Report("threads", documents=house.plan.documents, cores=_cores(), k=10)
    queries = house.queries("short")
    with ExitStack() as stacked:
        index = stacked.enter_context(Index.open(house.index_path, read_only=True))
        pools = [stacked.enter_context(Pool(house.index_path, processes=n)) for n in PROCESSES]
        for mode, options in MODES.items():
            table = report.table(
                f"Queries a second, {mode}",
                note="Short queries with vectors, ten documents each. `by one`: by one thread, in the same "
                "round; the median of rounds.",
            )
            _tell(table, _ours(index, pools, queries, options), len(queries), house.plan.rounds)
        _peers(house, index, pools[1], report)
        steps = report.table(
            "The steps of one query, in microseconds",
            note="One thread, the legs one by one: of each query the least of the rounds, their mean.",
        )
        with index.searcher() as searcher:
            for mode, options in MODES.items():
                steps.add(mode=mode, **_steps(searcher, queries, options, house.plan.rounds))
    return report


def _ours(
    index: Index, pools: Sequence[Pool], queries: Sequence[Query], options: Options
) -> dict[str, Contestant]:
    one = _asking(index.search, queries, options)
    made = {f"threads, {n}": Contestant(one, n) for n in THREADS}
    for pool in pools:
        n = pool.processes
        made[f"Pool, {n}"] = Contestant(_asking(pool.search, queries, options), n)
        made[f"Pool, {n}, JSON made there"] = Contestant(_asking(_answering(pool), queries, options), n)
    return made


def _answering(pool: Pool) -> Callable[..., bytes]:
    return lambda text, **options: pool.call(as_json, text, options)


def as_json(index: Index, text: str, options: Mapping[str, Any]) -> bytes:
    """What a server sends, made where the index is."""
    hits = [
        (hit.id, hit.score, hit.document.title, hit.document.text, hit.document.metadata)
        for hit in index.search(text, **options)
    ]
    return orjson.dumps(hits)


def _asking(search: Callable[..., object], queries: Sequence[Query], options: Options) -> Ask:
    return lambda place: search(queries[place].text, vector=queries[place].vector, **options)


def _asking_peer(peer: Any, texts: Sequence[str], queries: Sequence[Query]) -> Ask:
    return lambda place: peer.query(texts[place], queries[place].vector, 10)


def _tell(table: Table, contestants: Mapping[str, Contestant], queries: int, rounds: int) -> None:
    rates = measured(contestants, queries, rounds)
    base = next(iter(rates.values()))
    for name, own in rates.items():
        table.add(what=name, **own.row(base))


def measured(
    contestants: Mapping[str, Contestant], queries: int, rounds: int, seconds: float = SECONDS
) -> dict[str, Rates]:
    """The rates of each, which take turns, after a round that does not count."""
    rates = {name: Rates([], []) for name in contestants}
    for turn in range(rounds + 1):
        for name, one in contestants.items():
            wall, cpu = _rate(one.ask, one.threads, queries, seconds)
            if turn:
                rates[name].wall.append(wall)
                rates[name].cpu.append(cpu)
    return rates


def _rate(ask: Ask, threads: int, queries: int, seconds: float) -> tuple[float, float]:
    """Queries a second that some threads ask, each from another one on, and CPU seconds a query."""
    counts, start, used = [0] * threads, time.perf_counter(), cpu_seconds()

    def work(thread: int) -> None:
        first = thread * queries // threads
        while not counts[thread] or time.perf_counter() < start + seconds:
            ask((first + counts[thread]) % queries)
            counts[thread] += 1

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    total = sum(counts)
    return total / (time.perf_counter() - start), (cpu_seconds() - used) / total


def _steps(searcher: Searcher, queries: Sequence[Query], options: Options, rounds: int) -> dict[str, float]:
    took: dict[str, float] = defaultdict(float)
    for query in queries:
        (request,) = searcher.encoded(searcher.asker.many([query.text], [query.vector], options))
        found = [laps(searcher.snapshot, request) for _ in range(rounds)]
        for step in found[0]:
            took[step] += min(one[step] for one in found) / len(queries) * 1e6
    return took


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# -- peers


def _peers(house: House, index: Index, pool: Pool, report: Report) -> None:
    """Those that threads may share, beside ours: RRF of a hundred candidates a leg."""
    folder, built = house.folder / "peers", report.table("Peers built")
    folder.mkdir(exist_ok=True)
    coded = Coded(house.terms)
    peers = installed(EMBEDDED, built, folder, coded.texts, house.vectors)
    queries = house.queries("short")
    texts = [coded.of(house.analyzer.terms(query.text)) for query in queries]
    options: Options = {"fusion": RRF(), "depth": DEPTH}
    ours = _asking(index.search, queries, options)
    asks = {"ours": ours, "ours, default": _asking(index.search, queries, {"depth": DEPTH})}
    for peer in peers:
        asks[peer.name] = _asking_peer(peer, texts, queries)
    contestants = {f"{name}, {n}": Contestant(ask, n) for name, ask in asks.items() for n in (1, 2)}
    contestants["ours, Pool, 2"] = Contestant(_asking(pool.search, queries, options), 2)
    note = "Threads after the name. Ten documents with their texts, RRF."
    _tell(report.table("Beside peers", note=note), contestants, len(queries), house.plan.rounds)
    vectors = stack(queries)
    exact = house.exact(vectors, DEPTH)
    found = {peer.name: [peer.nearest(vector, DEPTH) for vector in vectors] for peer in peers}
    found["ours"] = [
        [int(hit.id) for hit in index.search(vector=vector, mode="vector", k=DEPTH)] for vector in vectors
    ]
    shares = report.table("Recall of the hundred candidates of the vector leg")
    for name, lists in found.items():
        shares.add(what=name, recall=recall(lists, exact))
