"""Cut the power at every moment of a writer's life, and look each time whether anything is lost.

    python -m tests.durability.power --points 1000

A writer (``scenario``) is recorded with strace; from the recording the folder is laid down as it could be
after a power cut at any point (``disk``), opened, and compared with what had been acknowledged by then.
Some of these writers are killed first and another one opens what they left: what it finds in the page
cache is not on the disk either.

A proof that cannot fail is none: so the fsyncs of one site after the other are left out of the recording,
as if the engine did not do them, and each time it must show.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias

import numpy as np
import typer
from rich.progress import Progress
from rich.table import Table

from hybrid import Document, Index, MemoryIndex
from tests.durability.compare import Judge
from tests.durability.cuts import site
from tests.durability.disk import lay
from tests.durability.forks import RebuildReports, Report, side_by_side
from tests.durability.program import Program, queries, shrink, warm_up
from tests.durability.recording import Recording, State
from tests.durability.show import CONSOLE, progress, scratch

_BATCH: Final = 32
_SECONDS_A_STATE: Final = 30.0
_SHOWN: Final = 20

Verdict: TypeAlias = Literal["sound", "rebuilt", "lost"]


class Judged(NamedTuple):
    verdict: Verdict
    why: str = ""


class Bench:
    """Opens states and remembers what came of them: many cuts leave the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memories: dict[tuple[Program, int], MemoryIndex] = {}
        self._known: dict[int, Judged] = {}

    @property
    def tried(self) -> int:
        """How many different states."""
        return len(self._known)

    def judge(self, program: Program, states: Iterable[State]) -> Iterator[tuple[State, Judged]]:
        """What came of each, in order."""
        rest = iter(states)
        while batch := list(islice(rest, _BATCH)):
            new = list({state.key: state for state in batch if state.key not in self._known}.values())
            works = [partial(_try, program, self._memory(program, s.steps), s, self._folder) for s in new]
            for state, events in zip(new, side_by_side(works, _SECONDS_A_STATE), strict=True):
                self._known[state.key] = _judged(dict(events))
            yield from ((state, self._known[state.key]) for state in batch)

    def _memory(self, program: Program, steps: int) -> MemoryIndex:
        if (program, steps) not in self._memories:
            self._memories[program, steps] = program.memory(steps)
        return self._memories[program, steps]


def _judged(said: dict[str, str]) -> Judged:
    if "error" in said:
        return Judged("lost", said["error"])
    return Judged("rebuilt", said["rebuilt"]) if "rebuilt" in said else Judged("sound")


def _try(program: Program, memory: MemoryIndex, state: State, folder: Path, report: Report) -> None:
    """Lay the state down, open it, compare it, and work on."""
    shrink()
    logging.getLogger("hybrid").addHandler(RebuildReports(report))
    folder = Path(tempfile.mkdtemp(dir=folder))
    lay(state.tree, folder)
    path = folder / "idx"
    if not state.steps and not path.exists():
        Index.create(path, encoder=None).close()  # as if it had never been tried
    else:
        judge = Judge(
            program, memory, state.steps, state.begun, queries(Random(state.point), state.begun, 1)
        )
        _open(path, judge)
    shutil.rmtree(folder)


def _open(path: Path, judge: Judge) -> None:
    extra = Document("afterwards", "work goes on")
    with Index.open(path) as index:
        judge.judge(index, "opened")
        judge.verify(index)
        index.add([extra])
    with Index.open(path) as index:
        judge.memory.add([extra])
        judge.begun, judge.asked = judge.steps, ()
        judge.judge(index, "worked on")
        judge.verify(index)


@dataclass
class Found:
    """How many states were judged, how many were rebuilt or lost, and the first of these."""

    states: int = 0
    rebuilt: int = 0
    lost: int = 0
    examples: list[str] = field(default_factory=list)

    def count(self, state: State, judged: Judged) -> None:
        self.states += 1
        self.rebuilt += judged.verdict == "rebuilt"
        self.lost += judged.verdict == "lost"
        if judged.verdict == "lost":
            what = f"{state.steps} acknowledged, {state.begun} begun"
            self.examples.append(f"cut before event {state.point} {state.cut} ({what}): {judged.why}")


def survey(bench: Bench, recording: Recording, points: Iterable[int]) -> Found:
    """Cut the power before each of the ``points``, in every way."""
    found = Found()
    for state, judged in bench.judge(recording.program, recording.states(points)):
        found.count(state, judged)
    return found


def without(bench: Bench, recording: Recording, points: Sequence[int], site: str) -> Found:
    """The same with the fsyncs of ``site`` doing nothing. Only what that changes is counted, and the first
    loss is enough."""
    found = Found()
    usual = {state.key for state in recording.states(points)}
    changed = (state for state in recording.states(points, without=site) if state.key not in usual)
    for state, judged in bench.judge(recording.program, changed):
        found.count(state, judged)
        if found.lost:
            break
    return found


def spread(start: int, end: int, count: int) -> list[int]:
    """``count`` points from ``start`` to ``end``, both included, or all there are."""
    return sorted({round(point) for point in np.linspace(start, end, min(count, end - start + 1))})


def _cuts(bench: Bench, recordings: dict[str, Recording], count: int, bar: Progress) -> dict[str, Found]:
    """Cuts in each of the recordings: ``count`` in the first, and as many together in the others."""
    rows: dict[str, Found] = {}
    for name, recording in recordings.items():
        share = max(8, count // (len(recordings) - 1)) if recording.start else count
        points = spread(recording.start, len(recording.events), share)
        rows[name] = survey(bench, recording, bar.track(points, description=name))
    return rows


def _killed(recording: Recording, folder: Path, bar: Progress) -> dict[str, Recording]:
    """The recording, and with a kill before each kind of fsync."""
    recordings = {"of a writer": recording}
    for (where, kind), point in bar.track(recording.moments().items(), description="recording"):
        recordings[f"after a kill before {where} in {kind}"] = recording.killed(point, folder)
    return recordings


def _sites(bench: Bench, recording: Recording, count: int, bar: Progress) -> dict[str, Found]:
    points = sorted({*recording.acknowledged(), *spread(0, len(recording.events), count)})
    sites = bar.track(recording.sites(), description="without fsyncs")
    return {where: without(bench, recording, points, where) for where in sites}


def _table(title: str, rows: dict[str, Found], more: Callable[[str], str] = str) -> Table:
    table = Table(title, "states", "rebuilt", "lost", box=None)
    for name, found in rows.items():
        table.add_row(more(name), str(found.states), str(found.rebuilt), str(found.lost))
    return table


def main(
    points: Annotated[int, typer.Option(help="At how many moments of the writer's life.")] = 400,
    seed: Annotated[int, typer.Option(help="Of what it writes.")] = 1,
) -> None:
    """Cut the power again and again. Exit status 1 if anything was lost."""
    begin = time.monotonic()
    with scratch() as folder, progress() as bar:
        recording = Recording.make(seed, folder / "recording")
        recordings = _killed(recording, folder / "recording", bar)
        warm_up()
        bench = Bench(folder)
        cuts = _cuts(bench, recordings, points, bar)
        tried = bench.tried
        sites = _sites(bench, recording, points // 4, bar)
    fsyncs = recording.sites()
    CONSOLE.print(_table("power cut", cuts))
    CONSOLE.print(_table("without the fsyncs of", sites, lambda name: f"{name} ({fsyncs[name]})"))
    complaints = [f"{name}: {example}" for name, found in cuts.items() for example in found.examples]
    for complaint in complaints[:_SHOWN]:
        CONSOLE.print(complaint, markup=False)
    CONSOLE.print(
        f"{len(recording.events):,} events recorded; {tried:,} states, and {bench.tried - tried:,} without fsyncs; "
        f"{time.monotonic() - begin:.0f} seconds, seed {seed}"
    )
    raise typer.Exit(bool(complaints))


if __name__ == "__main__":
    typer.run(main)
