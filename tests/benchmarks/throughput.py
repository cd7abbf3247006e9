"""Queries a second: one index asked by threads, a pool of processes, and peers; short bursts by turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from hybrid import RRF, Index, Pool
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import House, stack
from tests.benchmarks.measure import cpu_seconds, recall
from tests.benchmarks.peers import DEPTH, EMBEDDED, Coded, installed
from tests.benchmarks.report import Report, Table

THREADS: Final = (1, 2, 4, 8)
PROCESSES: Final = (1, 2, 4)
BURST: Final = 0.7  # seconds
MODES: Final[Mapping[str, Mapping[str, Any]]] = {
    "lexical": {"mode": "lexical"},
    "RRF": {"fusion": RRF(), "depth": DEPTH},
    "default": {"depth": DEPTH},
}

Ask = Callable[[int], object]


@dataclass(frozen=True)
class Contestant:
    """``ask`` called by so many ``threads`` at once."""

    name: str
    ask: Ask
    threads: int


@dataclass(frozen=True)
class Burst:
    """How many queries a second, and the CPU seconds each, of all threads and processes."""

    rate: float
    cpu: float


def run(house: House) -> Report:
    report = Report("throughput", documents=house.plan.documents, k=10, depth=DEPTH, burst=BURST)
    note = (
        "Ten documents with their texts. `by one`: by one thread in the same round, the median of rounds."
    )
    with ExitStack() as stacked:
        index = stacked.enter_context(Index.open(house.index_path, read_only=True))
        pools = {n: stacked.enter_context(Pool(house.index_path, processes=n)) for n in PROCESSES}
        for mode, options in MODES.items():
            queries = house.queries("long")
            contestants = _ours(index, pools, queries, options)
            _tell(report.table(f"Queries a second, {mode}", note=note), contestants, house.plan.rounds)
        _peers(house, index, pools[2], report)
    return report


def _ours(
    index: Index, pools: Mapping[int, Pool], queries: Sequence[Query], options: Mapping[str, Any]
) -> list[Contestant]:
    named: dict[str, tuple[Callable[..., object], Sequence[int]]] = {"threads": (index.search, THREADS)}
    made = [
        Contestant(f"{name}, {n}", _asking(search, queries, options), n)
        for name, (search, counts) in named.items()
        for n in counts
    ]
    for n, pool in pools.items():
        made.append(Contestant(f"Pool, {n}", _asking(pool.search, queries, options), n))
    for n, pool in pools.items():
        ask = _asking(_calling(pool), queries, options)
        made.append(Contestant(f"Pool, {n}, answers as JSON", ask, n))
    return made


def _calling(pool: Pool) -> Callable[..., bytes]:
    return lambda text, **options: pool.call(as_json, text, options)


def as_json(index: Index, text: str, options: Mapping[str, Any]) -> bytes:
    """What a server sends, made where the index is."""
    hits = [
        (hit.id, hit.score, hit.document.title, hit.document.text, hit.document.metadata)
        for hit in index.search(text, **options)
    ]
    return orjson.dumps(hits)


def _asking(search: Callable[..., object], queries: Sequence[Query], options: Mapping[str, Any]) -> Ask:
    if options.get("mode") == "lexical":
        return lambda i: search(queries[i % len(queries)].text, **options)
    return lambda i: search(
        queries[i % len(queries)].text, vector=queries[i % len(queries)].vector, **options
    )


def _tell(table: Table, contestants: Sequence[Contestant], rounds: int, **more: float) -> None:
    bursts = race(contestants, rounds)
    one = np.array([burst.rate for burst in bursts[contestants[0].name]])
    for contestant in contestants:
        own = bursts[contestant.name]
        rates = np.array([burst.rate for burst in own])
        cells = {
            "queries/s": float(np.median(rates)),
            "by one": float(np.median(rates / one)),
            "CPU ms": float(np.median([burst.cpu for burst in own])) * 1000,
        }
        table.add(what=contestant.name, **cells, **more)


def race(contestants: Sequence[Contestant], rounds: int) -> dict[str, list[Burst]]:
    """The bursts of each, which take turns, each round beginning with another; one round more runs before,
    untimed."""
    found: dict[str, list[Burst]] = {one.name: [] for one in contestants}
    for turn in range(-1, rounds):
        for step in range(len(contestants)):
            one = contestants[(turn + step) % len(contestants)]
            burst = _burst(one)
            if turn >= 0:
                found[one.name].append(burst)
    return found


def _burst(one: Contestant) -> Burst:
    end, counts = time.perf_counter() + BURST, [0] * one.threads

    def ask(number: int) -> None:
        i = number * 7
        while time.perf_counter() < end:
            one.ask(i)
            counts[number] += 1
            i += 1

    start, used = time.perf_counter(), cpu_seconds()
    others = [threading.Thread(target=ask, args=[number]) for number in range(1, one.threads)]
    for other in others:
        other.start()
    ask(0)
    for other in others:
        other.join()
    total, took = sum(counts), time.perf_counter() - start
    return Burst(total / took, (cpu_seconds() - used) / total)


# -- peers


def _peers(house: House, index: Index, pool: Pool, report: Report) -> None:
    """RRF of a hundred candidates a leg."""
    built = report.table("Peers built")
    coded = Coded(house.terms)
    folder = house.folder / "peers"
    folder.mkdir(exist_ok=True)
    peers = installed(EMBEDDED, built, folder, coded.texts, house.vectors)
    if not peers:
        return
    queries = house.queries("long")
    texts = [coded.of(house.analyzer.terms(query.text)) for query in queries]
    ours = _asking(index.search, queries, MODES["RRF"])
    asks: dict[str, Ask] = {"hybrid-retrieval": ours} | {
        peer.name: lambda i, peer=peer: peer.query(
            texts[i % len(texts)], queries[i % len(texts)].vector, 10
        )
        for peer in peers
    }
    contestants = [Contestant(f"{name}, {n}", ask, n) for name, ask in asks.items() for n in (1, 2)]
    pooled = _asking(pool.search, queries, MODES["RRF"])
    contestants.append(Contestant("hybrid-retrieval, Pool, 2", pooled, 2))
    table = report.table("Peers, RRF", note="Threads after the name. Ten documents with their texts.")
    _tell(table, contestants, house.plan.rounds)
    some = stack(queries)
    exact = house.exact(some, DEPTH)
    near = {peer.name: [peer.nearest(vector, DEPTH) for vector in some] for peer in peers}
    near["hybrid-retrieval"] = [
        [int(hit.id) for hit in index.search(vector=vector, mode="vector", k=DEPTH)] for vector in some
    ]
    report.table(
        "Recall@100 of the vector legs",
        [{"what": name, "recall": recall(found, exact)} for name, found in near.items()],
    )
