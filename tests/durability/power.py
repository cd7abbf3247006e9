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
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
import typer
from rich.progress import Progress

from hybrid import Document, Index, MemoryIndex
from tests.durability.compare import Judge
from tests.durability.disk import lay
from tests.durability.forks import Ended, RebuildReports, Report, complaint, side_by_side
from tests.durability.program import Program, queries, shrink, warm_up
from tests.durability.recording import ALL, Recording, State
from tests.durability.show import CONSOLE, progress, scratch, show_table

_CHUNK: Final = 4  # states a child
_BATCH: Final = 4 * _CHUNK  # states judged beyond the first loss, at most
_SECONDS_A_CHUNK: Final = 300.0
_SHOWN: Final = 3  # losses of each kind


class Judged(NamedTuple):
    """What came of a state."""

    verdict: Literal["sound", "rebuilt", "lost"]
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
            self._look_into(program, batch)
            yield from ((state, self._known[state.key]) for state in batch)

    def _look_into(self, program: Program, states: list[State]) -> None:
        """Judge those that are not known yet; again for what a child left that died or hung on another."""
        while new := list({state.key: state for state in states if state.key not in self._known}.values()):
            for state in new:
                self._memory(program, state.steps)  # before the fork, so that every child has it
            chunks = [new[start : start + _CHUNK] for start in range(0, len(new), _CHUNK)]
            works = [partial(self._chunk, program, chunk) for chunk in chunks]
            for chunk, events in zip(chunks, side_by_side(works, _SECONDS_A_CHUNK), strict=True):
                self._learn(chunk, events)

    def _learn(self, chunk: list[State], events: Ended) -> None:
        key = chunk[0].key
        for event, value in events:
            if event == "state":
                key = chunk[value].key
                self._known[key] = Judged("sound")
            elif event == "error":
                self._known[key] = Judged("lost", value)
            elif self._known[key].verdict == "sound":
                self._known[key] = Judged("rebuilt", value)

    def _chunk(self, program: Program, chunk: list[State], report: Report) -> None:
        shrink()
        logging.getLogger("hybrid").addHandler(RebuildReports(report))
        for number, state in enumerate(chunk):
            report("state", number)
            folder = Path(tempfile.mkdtemp(dir=self._folder))
            try:
                _try(program, self._memory(program, state.steps), state, folder)
            except BaseException as error:
                report("error", complaint(error).replace(f"{folder}/", ""))
            shutil.rmtree(folder)

    def _memory(self, program: Program, steps: int) -> MemoryIndex:
        if (program, steps) not in self._memories:
            self._memories[program, steps] = program.memory(steps)
        return self._memories[program, steps]


def _try(program: Program, memory: MemoryIndex, state: State, folder: Path) -> None:
    """Lay the state down, open it and compare it; of some, whether work goes on."""
    lay(state.tree, folder)
    path = folder / "idx"
    if not state.steps and not path.exists():
        Index.create(path, encoder=None).close()  # as if it had never been tried
        return
    asked = queries(Random(state.point), state.begun, 1)
    judge = Judge(program, memory, state.steps, state.begun, asked)
    with Index.open(path) as index:
        judge.judge(index, "opened")
        judge.verify(index)
        if state.key % 4:
            return
        extra = Document("afterwards", "work goes on")
        index.add([extra])
    judge.memory = deepcopy(judge.memory)
    judge.memory.add([extra])
    judge.begun, judge.asked = judge.steps, ()
    with Index.open(path) as index:
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

    def add(self, other: Found) -> None:
        self.states += other.states
        self.rebuilt += other.rebuilt
        self.lost += other.lost


def survey(bench: Bench, recording: Recording, points: Iterable[int]) -> Found:
    """Cut the power before each of the ``points``, in every way."""
    found = Found()
    for state, judged in bench.judge(recording.program, recording.states(points)):
        found.count(state, judged)
    return found


class Points:
    """Moments at which the power is cut, and what is left then if each fsync does its work."""

    def __init__(self, recording: Recording, points: Sequence[int]) -> None:
        self.recording, self.points = recording, points
        self.usual = {state.key for state in recording.states(points)}


def without(bench: Bench, cut: Points, site: str, among: slice = ALL) -> Found:
    """Cut the power with the fsyncs of ``site`` doing nothing. Only what that changes is counted, and the
    first loss is enough."""
    found = Found()
    recording = cut.recording
    worse = recording.states(cut.points, without=site, among=among)
    changed = (state for state in worse if state.key not in cut.usual)
    for state, judged in bench.judge(recording.program, changed):
        found.count(state, judged)
        if found.lost:
            break
    return found


def spread(start: int, end: int, count: int) -> list[int]:
    """``count`` points from ``start`` to ``end``, both included, or all there are."""
    return sorted({round(point) for point in np.linspace(start, end, min(count, end - start + 1))})


def _killed(recording: Recording, kills: int, folder: Path, bar: Progress) -> dict[str, Recording]:
    """What a second writer did after the first was killed, at ``kills`` of its moments."""
    moments = recording.moments()[:kills]
    return {
        f"killed before the fsync of {where} in {kind}, then opened": recording.killed(point, folder)
        for where, kind, point in bar.track(moments, description="recording")
    }


def _cuts(bench: Bench, recordings: dict[str, Recording], points: int, bar: Progress) -> dict[str, Found]:
    """Cuts at ``points`` moments in each of the recordings."""
    return {
        name: survey(bench, recording, spread(recording.start, len(recording.events), points))
        for name, recording in bar.track(recordings.items(), description="cutting")
    }


def _sites(
    bench: Bench, recording: Recording, count: int, only: Collection[str], bar: Progress
) -> dict[str, Found]:
    """Where it must show: whatever was written, at some time it is acknowledged."""
    acknowledged = recording.acknowledged()
    cut = Points(recording, [acknowledged[number] for number in spread(0, len(acknowledged) - 1, count)])
    sites = [(where, fsyncs) for where, fsyncs in recording.sites().items() if where in only or not only]
    tracked = bar.track(sites, description="without fsyncs")
    return {f"{where} ({fsyncs})": without(bench, cut, where) for where, fsyncs in tracked}


def _openings(
    bench: Bench, killed: dict[str, Recording], count: int, only: Collection[str], bar: Progress
) -> dict[str, Found]:
    """Whether it shows when a second writer takes what it finds for durable."""
    rows: dict[str, Found] = {}
    for recording in bar.track(list(killed.values()), description="without fsyncs on opening"):
        cut = Points(recording, spread(recording.start, len(recording.events), count))
        sites = recording.sites(recording.opening)
        for where in (one for one in sites if f"{one}, on opening" in only or not only):
            found = rows.setdefault(f"{where}, on opening after a kill", Found())
            if not found.lost:
                found.add(without(bench, cut, where, recording.opening))
    return rows


def _rows(rows: dict[str, Found]) -> list[tuple[object, ...]]:
    return [(name, found.states, found.rebuilt, found.lost) for name, found in rows.items()]


def main(
    points: Annotated[int, typer.Option(help="At how many moments the power is cut.")] = 400,
    kills: Annotated[int, typer.Option(help="How many lives begin with what a killed writer left.")] = 100,
    seed: Annotated[int, typer.Option(help="Of what is written.")] = 1,
    site: Annotated[
        list[str] | None, typer.Option(help="Whose fsyncs alone are left out; by default, all.")
    ] = None,
) -> None:
    """Cut the power again and again. Exit status 1 if anything was lost."""
    begin = time.monotonic()
    with scratch() as folder, progress() as bar:
        recording = Recording.make(seed, folder / "recording")
        killed = _killed(recording, kills, folder / "recording", bar)
        warm_up()
        bench = Bench(folder)
        after = max(8, points // 20)
        cuts = _cuts(bench, {"once": recording}, points, bar) | _cuts(bench, killed, after, bar)
        tried = bench.tried
        only = site or ()
        sites = _sites(bench, recording, max(5, points // 4), only, bar)
        sites |= _openings(bench, killed, after, only, bar)
    show_table(("power cut", "states", "rebuilt", "lost"), _rows(cuts))
    show_table(("without the fsyncs of", "states changed", "rebuilt", "lost"), _rows(sites))
    for name, found in cuts.items():
        for example in found.examples[:_SHOWN]:
            CONSOLE.print(f"lost, {name}: {example}", markup=False)
    losses = sum(found.lost for found in cuts.values())
    seconds = time.monotonic() - begin
    CONSOLE.print(f"{len(recording.events):,} events, {tried:,} different states: {losses} losses")
    CONSOLE.print(f"{bench.tried - tried:,} more without fsyncs; {seconds:.0f} seconds, seed {seed}")
    raise typer.Exit(bool(losses))


if __name__ == "__main__":
    typer.run(main)
