"""Time single searches: through the path that serves users, one query at a time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Protocol

import numpy as np

from hybrid.evaluate.asking import System
from hybrid.types import Fusion, Mode, Steps

TIMED: Final = 200
"""At most this many queries are timed."""
HITS: Final = 10


@dataclass(frozen=True)
class Latency:
    """Seconds that single searches took, at three percentiles, and how many ``queries`` were timed."""

    p50: float
    p95: float
    p99: float
    queries: int

    def to_json(self) -> dict[str, float]:
        return asdict(self)


class Timeable(Protocol):
    """An index that can be timed: an Index, a MemoryIndex, a test's double."""

    def search(self, query: str, /, *, k: int, mode: Mode, fusion: Fusion | None) -> object: ...


def sample(texts: Iterable[str], size: int = TIMED) -> list[str]:
    """At most ``size`` of the distinct ``texts``, evenly spread."""
    distinct = list(dict.fromkeys(texts))
    size = min(size, len(distinct))
    return [distinct[place * len(distinct) // size] for place in range(size)]


@dataclass(frozen=True)
class Timings:
    """``systems``: the time of one search for the best 10, without encoding. ``encoding``: the time to
    encode a text; None where that cannot be told."""

    systems: dict[str, Latency]
    encoding: Latency | None


def time_searches(
    index: Timeable,
    texts: Sequence[str],
    systems: Mapping[str, System],
    *,
    progress: Steps | None = None,
) -> Timings:
    """Search for each of ``texts`` by each system. Give texts that the index has not been asked yet.

    The systems take turns on every text, each time beginning with another, so that whatever else the
    machine does meanwhile falls on all of them. Before, the text is searched for once by meaning, which
    encodes it (an ``Index`` remembers vectors of queries); how much longer that takes than the same search
    again is what encoding costs. The first text also loads the model and tells nothing about encoding.
    """
    names = list(systems)
    first = next((name for name in names if systems[name].mode != "lexical"), None)
    took: dict[str, list[float]] = {name: [] for name in names}
    encoding: list[float] = []
    for place, text in enumerate(texts):
        fresh = 0.0 if first is None else _time(index, text, systems[first])
        for turn in range(len(names)):
            name = names[(place + turn) % len(names)]
            took[name].append(_time(index, text, systems[name]))
        if first is not None and place:
            encoding.append(max(0.0, fresh - took[first][-1]))
        if progress is not None:
            progress(place + 1, len(texts))
    latencies = {name: _latency(seconds) for name, seconds in took.items() if seconds}
    return Timings(latencies, _latency(encoding) if encoding else None)


def _time(index: Timeable, text: str, system: System) -> float:
    start = time.perf_counter()
    index.search(text, k=HITS, mode=system.mode, fusion=system.fusion)
    return time.perf_counter() - start


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]).tolist()
    return Latency(p50, p95, p99, len(seconds))
