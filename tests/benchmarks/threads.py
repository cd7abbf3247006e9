"""Queries a second of one reader that several threads ask."""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import numpy as np

from hybrid import RRF, Index
from hybrid.search.request import Options
from hybrid.search.search import laps
from hybrid.search.searcher import Searcher
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import House
from tests.benchmarks.report import Report

THREADS: Final = (1, 2, 4, 8)
SECONDS: Final = 1.0  # of each round
MODES: Final[dict[str, Options]] = {
    "lexical": {"mode": "lexical"},
    "vector": {"mode": "vector"},
    "hybrid, RRF": {"fusion": RRF()},
    "hybrid, default": {},
}


def run(house: House) -> Report:
    report = Report("threads", documents=house.plan.documents, cores=_cores(), k=10)
    queries = house.queries("short")
    with Index.open(house.index_path, read_only=True) as index:
        asks = {mode: _asking(index, queries, options) for mode, options in MODES.items()}
        rates = measured(asks, len(queries), house.plan.rounds)
        table = report.table(
            "Queries a second",
            note="Short queries with vectors, ten documents each; the median of rounds that take turns.",
        )
        for mode in MODES:
            found = {threads: float(np.median(rates[mode, threads])) for threads in THREADS}
            table.add(
                mode=mode,
                **{f"{threads} threads": rate for threads, rate in found.items()},
                **{"2 by 1": found[2] / found[1]},
            )
        steps = report.table(
            "The steps of one query, in microseconds",
            note="One thread, the legs one by one: of each query the least of the rounds, their mean.",
        )
        with index.searcher() as searcher:
            for mode, options in MODES.items():
                steps.add(mode=mode, **_steps(searcher, queries, options, house.plan.rounds))
    return report


def measured(
    asks: dict[str, Callable[[int], object]], queries: int, rounds: int, seconds: float = SECONDS
) -> dict[tuple[str, int], list[float]]:
    """The rates of each mode and number of threads, by round, after one that does not count."""
    rates: dict[tuple[str, int], list[float]] = defaultdict(list)
    for turn in range(rounds + 1):
        for mode, ask in asks.items():
            for threads in THREADS:
                rate = _rate(ask, threads, queries, seconds)
                if turn:
                    rates[mode, threads].append(rate)
    return rates


def _rate(ask: Callable[[int], object], threads: int, queries: int, seconds: float) -> float:
    """Queries a second that some threads ask, each from another one on."""
    counts, start = [0] * threads, time.perf_counter()

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
    return sum(counts) / (time.perf_counter() - start)


def _asking(index: Index, queries: list[Query], options: Options) -> Callable[[int], object]:
    return lambda place: index.search(queries[place].text, vector=queries[place].vector, **options)


def _steps(searcher: Searcher, queries: list[Query], options: Options, rounds: int) -> dict[str, float]:
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
