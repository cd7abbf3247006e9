"""Taking turns, and counting: wall and CPU time of contestants on one list of queries.

Contestants take turns on every block of queries, each time beginning with another, in many rounds, so that
whatever else the machine does falls on all of them. Of each query the median over the rounds counts; p50
and p99 are over queries. CPU time counts all threads of this process, native ones included, and of the
processes it started.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ask = Callable[[int], object]
"""Asks a contestant the query of this number."""

BLOCK: Final = 20
ROUNDS: Final = 7
LIBRARIES: Final = (
    *("hybrid-retrieval", "numpy", "tantivy", "hnswlib", "onnxruntime", "tokenizers", "lightgbm"),
    *("lancedb", "pymilvus", "milvus-lite", "sqlite-vec", "apsw", "txtai", "bm25s", "numba", "rank-bm25"),
    *("faiss-cpu", "usearch", "zvec", "qdrant-edge-py"),
)


@dataclass(frozen=True)
class Timing:
    """Milliseconds a query. ``wall`` (queries,): the median of each query's rounds; ``spread``: the
    interquartile range over the rounds, its median over queries; ``cpu``: the median over blocks."""

    wall: NDArray[np.float64]
    spread: float
    cpu: float

    @property
    def p50(self) -> float:
        return float(np.percentile(self.wall, 50))

    @property
    def p99(self) -> float:
        return float(np.percentile(self.wall, 99))

    def row(self) -> dict[str, float]:
        return {"p50 ms": self.p50, "p99 ms": self.p99, "IQR ms": self.spread, "CPU ms": self.cpu}


def cpu_seconds() -> float:
    """Of this process, all its threads, and the living processes that it started."""
    return time.process_time() + _of_children()


def _of_children() -> float:
    return sum(_cpu_of(child) for child in children(os.getpid()))


def children(pid: int) -> list[int]:
    """The living processes that ``pid`` started, and what they started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def _cpu_of(pid: int) -> float:
    """Seconds on a core, summed over threads."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, ValueError):
            total += int(task.read_text().split()[0])
    return total / 1e9


def interleave(
    contestants: Mapping[str, Ask], queries: int, *, rounds: int = ROUNDS, block: int = BLOCK
) -> dict[str, Timing]:
    """How long each of ``contestants`` takes for the queries 0 to ``queries`` - 1. One round more runs
    before, untimed: caches fill, and graphs and lists are paged in."""
    names = list(contestants)
    wall = {name: np.zeros((rounds, queries)) for name in names}
    cpu: dict[str, list[float]] = {name: [] for name in names}
    starts = range(0, queries, block)
    for turn in range(-1, rounds):
        for place, start in enumerate(starts):
            part = range(start, min(start + block, queries))
            for step in range(len(names)):
                name = names[(turn + place + step) % len(names)]
                took, used = _timed(contestants[name], part)
                if turn >= 0:
                    wall[name][turn, part.start : part.stop] = took
                    cpu[name].append(used)
    return {name: _timing(wall[name], cpu[name]) for name in names}


def _timed(ask: Ask, numbers: Sequence[int]) -> tuple[list[float], float]:
    """Seconds of each query, and CPU seconds a query."""
    took = []
    others, used = _of_children(), time.process_time()  # in this order: to look at them costs, too
    for number in numbers:
        start = time.perf_counter()
        ask(number)
        took.append(time.perf_counter() - start)
    used = time.process_time() - used
    return took, (used + _of_children() - others) / len(numbers)


def _timing(wall: NDArray[np.float64], cpu: Sequence[float]) -> Timing:
    low, middle, high = np.percentile(wall, [25, 50, 75], axis=0) * 1000
    return Timing(middle, float(np.median(high - low)), float(np.median(cpu)) * 1000)


def whole(contestants: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Timing]:
    """The same for tasks that are one piece: each is done ``rounds`` times, taking turns."""
    return interleave({name: _only(task) for name, task in contestants.items()}, 1, rounds=rounds)


def _only(task: Callable[[], object]) -> Ask:
    return lambda _: task()


def growth(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent b of cost = a * size^b, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def recall(found: Sequence[Sequence[int]], exact: Sequence[Sequence[int]]) -> float:
    """The mean share of each ``exact`` answer that was found; where there is nothing to find, all was."""
    shares = [len(set(a) & set(b)) / len(b) if len(b) else 1.0 for a, b in zip(found, exact, strict=True)]
    return float(np.mean(shares))


def resident() -> dict[str, float]:
    """Megabytes of this process: ``anonymous`` is its own, ``mapped`` are pages of files, which the system
    takes back when it needs them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return {"anonymous": int(kilobytes["RssAnon"]) / 1e3, "mapped": int(kilobytes["RssFile"]) / 1e3}


def machine() -> dict[str, Any]:
    """What is measured on, and the versions of what is measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": versions(LIBRARIES),
    }


def versions(names: Sequence[str]) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def load() -> float:
    """Processes that wanted a core, on average over the last minute, everybody's included."""
    return round(os.getloadavg()[0], 2)
