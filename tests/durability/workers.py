"""Readers share a pool whose processes are killed and stopped, beside a writer that never pauses, and check
every answer against the history: ``python -m tests.durability.workers --minutes 3``.

Exit status 1 when an answer fits no state of the index, a call fails for more than a process that was
stopped, a process hangs, or one is left. ``--without again`` has the pool ask once only; then calls must
fail.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from hybrid import Index, Pool
from hybrid.errors import WorkerTimeout
from hybrid.pool import process
from tests.durability.footprint import machine, show
from tests.durability.history import History
from tests.durability.load import Load, fill
from tests.durability.reader import Reader, Tally

TIMEOUT: Final = 30.0
"""Seconds of the pool: much more than any call here takes."""

_READERS: Final = 3
_PATIENCE: Final = 300.0


class Siege:
    """A pool of two on the index at ``path``, its readers, and who kills its processes one at a time."""

    def __init__(self, path: Path, index: Index, history: History, seed: int) -> None:
        self._load = Load(path, index, history, threads=0, processes=0)
        self._pool = Pool(path, processes=2, timeout=TIMEOUT)
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._readers = [
            Reader(self._pool, history, self._load.clock, f"reader {i}", seed + i) for i in range(_READERS)
        ]
        self.killed = self.stopped = self.late = 0
        self._known: set[int] = set()

    def run(self, seconds: float, *, stops: bool) -> list[str]:
        """What went wrong in ``seconds``, with at least two kills."""
        threads = [threading.Thread(target=self._read, args=[one], daemon=True) for one in self._readers]
        self._load.start()
        with self._load.busy():
            for thread in threads:
                thread.start()
            end = time.monotonic() + seconds
            while (time.monotonic() < end or self.killed < 2) and not self._complaints():
                self._strike(stops and self._random.random() < 0.1)
            self._stop.set()
            for thread in threads:
                thread.join(_PATIENCE)
        tallies = [*self._load.finish(), Tally("pool")]
        self._end(tallies[-1])
        left = [f"{thread.name} hangs" for thread in threads if thread.is_alive()]
        if self.late > self.stopped:
            left.append(f"{self.late} calls were late, but {self.stopped} processes were stopped")
        return self._complaints() + Load.complaints(tallies) + left

    @property
    def turns(self) -> int:
        return sum(reader.tally.turns for reader in self._readers)

    def _complaints(self) -> list[str]:
        return [line for reader in self._readers for line in reader.tally.complaints]

    def _read(self, reader: Reader) -> None:
        with reader.tally.complaining():
            while not self._stop.is_set():
                try:
                    reader.turn()
                except WorkerTimeout:
                    self.late += 1
            reader.witness.finish()

    def _strike(self, stop: bool) -> None:
        """Kill or stop a process at any moment; then wait until both are ready again and no call is under
        way that has seen one of them die."""
        time.sleep(self._random.random() / 2)
        worker = self._random.choice(self._pool._workers)
        if (pid := worker.pid) is None:
            return
        self._known.add(pid)
        os.kill(pid, signal.SIGSTOP if stop else signal.SIGKILL)
        self.stopped, self.killed = self.stopped + stop, self.killed + (not stop)
        self._await(lambda: worker.pid != pid and all(one._ready for one in self._pool._workers))
        turns = [reader.tally.turns for reader in self._readers]
        for reader, before in zip(self._readers, turns, strict=True):
            self._await(lambda reader=reader, before=before: reader.tally.turns > before)

    def _await(self, so: Any) -> None:
        end = time.monotonic() + _PATIENCE
        while not so() and not self._complaints():
            if time.monotonic() > end:
                self._readers[0].tally.complaints.append("the pool hangs")
            time.sleep(0.01)

    def _end(self, tally: Tally) -> None:
        with tally.complaining():
            problems = self._pool.verify()
            self._known |= {worker.pid for worker in self._pool._workers if worker.pid is not None}
            self._pool.close()
            tally.complaints += problems
            tally.complaints += [
                f"process {pid} is left" for pid in self._known if Path(f"/proc/{pid}").exists()
            ]


@contextmanager
def once() -> Iterator[None]:
    """Break the pool: what dies is not asked again."""
    tries, process._TRIES = process._TRIES, 1  # type: ignore[misc]
    try:
        yield
    finally:
        process._TRIES = tries  # type: ignore[misc]


def siege(path: Path, seconds: float, documents: int, seed: int, *, stops: bool) -> dict[str, Any]:
    history = History(documents, seed=seed, dim=32, touched=20)
    with fill(path, history) as index:
        made = Siege(path, index, history, seed)
        complaints = made.run(seconds, stops=stops)
        problems = index.verify()
    counts = {"killed": made.killed, "stopped": made.stopped, "searches": made.turns, "late": made.late}
    return counts | {"complaints": complaints + problems}


def main(
    minutes: Annotated[float, typer.Option(help="How long.")] = 3.0,
    documents: Annotated[int, typer.Option(help="How many the index holds.")] = 2000,
    seed: Annotated[int, typer.Option(help="Whom to kill, and when.")] = 1,
    without: Annotated[str, typer.Option(help="Break the pool first: again.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Kill the processes of a pool and check every answer."""
    with tempfile.TemporaryDirectory(prefix="hybrid-workers-") as folder:
        path, seconds = Path(folder, "idx"), 60 * minutes
        if without == "again":
            with once():
                report = siege(path, seconds, documents, seed, stops=False)
        else:
            report = siege(path, seconds, documents, seed, stops=True)
    show({"machine": machine()} | report, as_json)
    raise typer.Exit(1 if report["complaints"] else 0)


if __name__ == "__main__":
    typer.run(main)
