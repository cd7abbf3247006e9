"""Searching while somebody writes."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from itertools import cycle
from typing import Final

import numpy as np

from hybrid import Index
from hybrid.types import Wait
from tests.benchmarks.house import House
from tests.benchmarks.report import Report

SECONDS: Final = 10.0
WRITERS: Final[tuple[tuple[str, int, Wait], ...]] = (
    ("at rest", 0, "searchable"),
    ("single documents", 1, "searchable"),
    ("single documents, durable", 1, "durable"),
    ("batches of 1,000", 1000, "searchable"),
)


def run(house: House) -> Report:
    """On a copy of the index. Added documents are copies of old ones under new ids."""
    folder = house.plan.out / "cache" / "writing"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(house.index_path, folder)
    report = Report("writing", documents=house.plan.documents, seconds=SECONDS)
    table = report.table(
        "Hybrid searches of one thread beside a writer",
        note=(
            "`times`: p99 by p99 at rest. When `add` returns, documents are durable, and searchable, or "
            'with `wait="durable"` soon: `seen` is how long after its `add` one was found by its id.'
        ),
    )
    with Index.open(folder) as index:
        _searched(house, index, 1.0)
        rest = _searched(house, index, SECONDS)
        for name, batch, wait in WRITERS:
            writer = _Writer(house, index, batch, name, wait)
            with writer:
                took = rest if batch == 0 else _searched(house, index, SECONDS)
            p50, p99 = np.percentile(took, [50, 99]) * 1000
            table.add(
                what=name,
                **{"p50 ms": float(p50), "p99 ms": float(p99), "max ms": float(max(took)) * 1000},
                times=float(p99 / (np.percentile(rest, 99) * 1000)),
                searches=len(took),
                **writer.cells(),
            )
    shutil.rmtree(folder)
    return report


def _searched(house: House, index: Index, seconds: float) -> list[float]:
    took = []
    end = time.perf_counter() + seconds
    for query in cycle(house.queries("short")):
        start = time.perf_counter()
        index.search(query.text, vector=query.vector)
        took.append(time.perf_counter() - start)
        if time.perf_counter() > end:
            return took
    raise AssertionError("unreachable")


class _Writer:
    """Adds batches of so many documents without pause as long as the block lasts; of none, nothing."""

    def __init__(self, house: House, index: Index, batch: int, name: str, wait: Wait) -> None:
        self._index, self._batch, self._name, self._wait = index, batch, name, wait
        self._some = cycle(house.documents)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._took: list[float] = []
        self._seen: list[float] = []
        self._awaited: tuple[str, float] | None = None

    def __enter__(self) -> None:
        if self._batch:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._batch:
            self._thread.join()

    def _write(self) -> None:
        while not self._stop.is_set():
            part = [replace(next(self._some), id=self._id(i)) for i in range(self._batch)]
            start = time.perf_counter()
            self._index.add(part, wait=self._wait)
            added = time.perf_counter()
            self._look(part[0].id, added)
            self._took.append(added - start)

    def _look(self, id: str, added: float) -> None:
        """Whether the document that is awaited is there; then this one is the next to be awaited."""
        awaited, since = self._awaited or (id, added)
        self._awaited = awaited, since
        if self._index.get(awaited) is not None:
            self._seen.append(time.perf_counter() - since)
            self._awaited = None

    def _id(self, place: int) -> str:
        return f"{self._name} {len(self._took)} {place}"

    def cells(self) -> dict[str, float]:
        if not self._took:
            return {}
        p50, p99 = (np.percentile(self._took, [50, 99]) * 1000).tolist()
        added = len(self._took) * self._batch / sum(self._took)
        seen = {"seen p50 ms": float(np.median(self._seen)) * 1000, "seen max ms": max(self._seen) * 1000}
        return {"added/s": added, "add p50 ms": p50, "add p99 ms": p99, **seen}
