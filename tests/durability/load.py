"""One writer that adds, replaces and deletes without pause, and readers in threads and processes that
check every answer against the history: ``python -m tests.durability.load --minutes 3``.

Exit status 1 when an answer fits no state of the index, a thread or process hangs, or something grows.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import queue
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from hybrid import Index
from tests.durability.footprint import machine, one_arena, show
from tests.durability.history import History
from tests.durability.reader import MODES, Clock, Reader, Tally

_LEAST: Final = 6  # steps of the writer
_PATIENCE: Final = 300.0  # seconds until a thread or process that does not end counts as hung


class Load:
    """A writer thread and readers beside it, on the index at ``path``, which the history filled."""

    def __init__(self, path: Path, index: Index, history: History, *, threads: int, processes: int) -> None:
        self._path, self._index, self._history = path, index, history
        self._context = multiprocessing.get_context("spawn")
        self.clock = Clock(self._context, history.filled)
        self._stop, self._go = self._context.Event(), self._context.Event()
        self.writing = threading.Event()
        self.steps = Tally("writer")
        self._tallies: queue.Queue[Tally] = queue.Queue()
        self._reports: Any = self._context.Queue()
        self._threads = [threading.Thread(target=self._write, daemon=True)]
        self._threads += [
            threading.Thread(target=self._read, args=(i,), daemon=True) for i in range(threads)
        ]
        recipe = (history.documents, history.seed, history.dim, history.touched)
        self._processes = [
            self._context.Process(
                target=_read_elsewhere,
                args=(path, recipe, self.clock, i, self._stop, self._go, self._reports),
                daemon=True,
            )
            for i in range(processes)
        ]

    def start(self) -> None:
        for process in self._processes:
            process.start()
        for thread in self._threads:
            thread.start()

    @contextmanager
    def crowd(self) -> Iterator[None]:
        """Everybody at work: the readers, and the writer beside them."""
        self._go.set()
        with self.busy():
            yield
        self._go.clear()

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The writer at work."""
        self.writing.set()
        yield
        self.writing.clear()

    def finish(self) -> list[Tally]:
        """Stop everybody; whoever does not end in time is a complaint."""
        self._stop.set()
        self._go.set()
        self.writing.set()
        tallies = [self.steps]
        for _ in self._processes:
            tallies.append(self._await(self._reports, "a reader process"))
        for _ in self._threads[1:]:
            tallies.append(self._await(self._tallies, "a reader thread"))
        self._threads[0].join(_PATIENCE)
        if self._threads[0].is_alive():
            tallies.append(Tally("writer", complaints=["the writer hangs"]))
        for process in self._processes:
            process.join(_PATIENCE)
            process.kill()
        return tallies

    def wait(self, seconds: float) -> None:
        """Let them work for ``seconds``, and longer where the machine is so busy that the writer has done
        next to nothing; unless it has failed."""
        start = time.monotonic()
        while not self.steps.complaints and (past := time.monotonic() - start) < seconds + _PATIENCE:
            if past > seconds and self.steps.turns >= _LEAST:
                break
            time.sleep(0.05)

    @staticmethod
    def complaints(tallies: Sequence[Tally]) -> list[str]:
        """What went wrong, and what grew."""
        wrong = [line for tally in tallies for line in tally.complaints]
        return wrong + [line for tally in tallies for line in tally.growth.complaints(tally.name)]

    @staticmethod
    def growth(tallies: Sequence[Tally]) -> dict[str, Any]:
        return {tally.name: tally.growth.summary() for tally in tallies if len(tally.growth.samples) > 1}

    def _await(self, reports: Any, who: str) -> Tally:
        try:
            tally = reports.get(timeout=_PATIENCE)
        except queue.Empty:
            faulthandler.dump_traceback()
            return Tally(who, complaints=[f"{who} hangs or died"])
        assert isinstance(tally, Tally)
        return tally

    def _write(self) -> None:
        with self.steps.complaining():
            while not self._stop.is_set():
                if not self.writing.wait(0.1):
                    continue
                n = self.clock.acked + 1
                self.clock.begin(n)
                self._history.apply(self._index, n)
                self.clock.acknowledge(n)
                self.steps.turns += 1
                self.steps.growth.sample()

    def _read(self, number: int) -> None:
        reader = Reader(self._index, self._history, self.clock, f"thread {number}", number)
        self._tallies.put(reader.until(self._stop, self._go))


def _read_elsewhere(
    path: Path, recipe: tuple[int, int, int, int], clock: Clock, number: int, stop: Any, go: Any, out: Any
) -> None:
    """A reader process, from its first line to its last."""
    documents, seed, dim, touched = recipe
    history = History(documents, seed=seed, dim=dim, touched=touched)
    tally = Tally(f"process {number}")
    with tally.complaining(), Index.open(path, read_only=True) as index:
        tally = Reader(index, history, clock, f"process {number}", 100 + number).until(stop, go, alone=True)
    out.put(tally)


def fill(path: Path, history: History) -> Index:
    """A new index, in the first state that holds as many documents as were asked for."""
    index = Index.create(path, encoder=None, analyzer="english")
    for n in range(1, history.filled + 1):
        history.apply(index, n)
    return index


# -- latency, in the writer's own process


@dataclass
class Latencies:
    """Seconds that searches took, one list a cycle, at rest and while the writer writes."""

    rest: list[list[float]] = field(default_factory=list)
    writing: list[list[float]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Milliseconds; the spread of p99 is over cycles."""
        report = {name: percentiles(getattr(self, name)) for name in ("rest", "writing")}
        ratios = [_p(w, 99) / _p(r, 99) for r, w in zip(self.rest, self.writing, strict=True)]
        ratio = report["writing"]["p99"] / report["rest"]["p99"]
        return report | {"ratio_p99": round(ratio, 2), "ratio_by_cycle": [round(r, 2) for r in ratios]}


def percentiles(cycles: list[list[float]]) -> dict[str, Any]:
    """p50 and p99 in milliseconds, and the spread of p99 over cycles."""
    everything = [seconds for cycle in cycles for seconds in cycle]
    figures: dict[str, Any] = {f"p{p}": round(_p(everything, p) * 1e3, 3) for p in (50, 99)}
    spread = [round(_p(cycle, 99) * 1e3, 3) for cycle in cycles]
    return figures | {"searches": len(everything), "p99_by_cycle": [min(spread), max(spread)]}


def _p(seconds: Sequence[float], percent: float) -> float:
    return float(np.percentile(seconds, percent))


def measure(reader: Reader, seconds: float) -> list[float]:
    """How long searches of ten hits take, one after the other, modes in turn."""
    found, end, turn = [], time.monotonic() + seconds, 0
    while time.monotonic() < end:
        found.append(reader.timed(MODES[turn % 3]))
        turn += 1
    return found


def run(path: Path, minutes: float, documents: int, dim: int, phase: float = 5.0) -> dict[str, Any]:
    """Cycles of rest (measured), writing (measured) and everybody (checked), for ``minutes``."""
    history, latencies = History(documents, dim=dim, touched=20), Latencies()
    with fill(path, history) as index:
        load = Load(path, index, history, threads=2, processes=2)
        reader = Reader(index, history, load.clock, "main", 99)
        load.start()
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end and not load.steps.complaints:
            time.sleep(0.5)
            latencies.rest.append(measure(reader, phase))
            with load.busy():
                latencies.writing.append(measure(reader, phase))
            with load.crowd():
                load.wait(phase)
        tallies = load.finish()
        reader.witness.finish()
        problems = index.verify()
    return {
        "machine": machine(),
        "documents": documents,
        "dim": dim,
        "steps": load.steps.turns,
        "searches": sum(tally.turns for tally in tallies[1:]) + reader.tally.turns,
        "whole": sum(tally.wholes for tally in tallies),
        "pages": sum(tally.pages for tally in tallies),
        "latency_ms": latencies.report(),
        "growth": load.growth(tallies),
        "complaints": load.complaints(tallies) + problems,
    }


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 3.0,
    documents: Annotated[int, typer.Option(help="How many the index holds.")] = 8000,
    dim: Annotated[int, typer.Option(help="Numbers a vector has.")] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load an index and check every answer."""
    one_arena()
    with tempfile.TemporaryDirectory(prefix="hybrid-load-") as folder:
        report = run(Path(folder, "idx"), minutes, documents, dim)
    show(report, as_json)
    raise typer.Exit(1 if report["complaints"] else 0)


if __name__ == "__main__":
    typer.run(main)
