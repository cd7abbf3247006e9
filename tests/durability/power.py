"""Cut the power at every moment of a writer's life, and look each time whether anything is lost.

    python -m tests.durability.power --points 2000

A writer (``scenario``) is recorded with strace; from the recording the folder is laid down as it could be
after a power cut at any point (``disk``), opened, and compared with what had been acknowledged by then.

A proof that cannot fail is none: then the fsyncs of one kind of file after the other are left out of the
recording, as if the engine did not do them, and each time it must show.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeAlias

from hybrid import Document, Index, MemoryIndex
from tests.durability import scenario
from tests.durability.compare import Judge, Lost
from tests.durability.disk import EXTREMES, MIXTURES, Disk, Tree, Whim, lay, read
from tests.durability.forks import RebuildReports, Report, side_by_side
from tests.durability.program import Program, queries, shrink
from tests.durability.recording import Event, record

_SITES: Final = (
    (r"", "parent folder"),
    (r"[^/]+", "index folder"),
    (r"[^/]+/current.*", "current"),
    (r"[^/]+/g\d+", "generation folder"),
    (r"[^/]+/g\d+/lexical[^/.]*", "lexical folder"),
    (r"[^/]+/g\d+/lexical[^/.]*/.+", "lexical files"),
    (r"[^/]+/g\d+/lexical\..+", "lexical manifest"),
    (r"[^/]+/g\d+/graph-.+", "graph file"),
    (r"[^/]+/g\d+/graph\..+", "graph manifest"),
    (r"[^/]+/g\d+/([^/]+?)(?:\.tmp)?", r"\1"),
)


def site(path: str) -> str:
    """What kind of file or folder it is."""
    for pattern, name in _SITES:
        if found := re.fullmatch(pattern, path):
            return found.expand(name)
    return path


Verdict: TypeAlias = Literal["sound", "rebuilt", "lost"]


@dataclass(frozen=True)
class State:
    """What a power cut left, and the rule that it is held to: at least ``steps`` operations of the program
    were acknowledged, ``begun`` had begun."""

    tree: Tree = field(repr=False)
    steps: int
    begun: int
    whim: str
    point: int

    def key(self) -> int:
        return hash((tuple(self.tree.items()), self.steps, self.begun))


@dataclass(frozen=True)
class Recording:
    program: Program
    events: Sequence[Event]

    @classmethod
    def make(cls, seed: int, folder: Path) -> Recording:
        root, marks = folder / "root", folder / "marks"
        root.mkdir()
        command = [sys.executable, "-m", scenario.__name__, str(seed), str(root / "idx"), str(marks)]
        recording = cls(scenario.program(seed), record(command, root, marks))
        *_, last = recording.states([len(recording.events)], EXTREMES[1:2])
        if last.tree != read(root):
            raise RuntimeError("the recording does not come to what lies on the disk")
        return recording

    def sites(self) -> Counter[str]:
        return Counter(site(event.path) for event in self.events if event.action == "sync")

    def states(
        self, points: Iterable[int], whims: Sequence[Whim], without: str | None = None
    ) -> Iterator[State]:
        """What a cut leaves before each of the events ``points`` (ascending)."""
        disk, steps, begun, happened = Disk(), 0, 0, 0
        for point in points:
            for event in self.events[happened:point]:
                disk.apply(event, ignored=event.action == "sync" and site(event.path) == without)
                if event.action == "mark":
                    what, number = event.data.split()
                    begun = int(number) + 1
                    steps = begun if what == b"done" else steps
            happened = point
            for whim in whims:
                tree = disk.after(whim, Random(f"{point} {whim.name}"))
                yield State(tree, steps, max(begun, steps), whim.name, point)


class Bench:
    """Opens states and remembers what came of them: many cuts leave the same."""

    def __init__(self, program: Program, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._memories: dict[int, MemoryIndex] = {}
        self._known: dict[int, tuple[Verdict, str]] = {}
        self._number = 0

    @property
    def tried(self) -> int:
        """How many different states."""
        return len(self._known)

    def judge(self, states: Iterable[State]) -> Iterator[tuple[State, Verdict, str]]:
        """What came of each, in order."""
        batch: list[State] = []
        for state in states:
            batch.append(state)
            if len(batch) == 64:
                yield from self._judged(batch)
                batch = []
        yield from self._judged(batch)

    def _judged(self, states: list[State]) -> Iterator[tuple[State, Verdict, str]]:
        new = {key: state for state in states if (key := state.key()) not in self._known}
        for key, events in zip(new, side_by_side(map(self._work, new.values()), 30), strict=True):
            self._known[key] = _verdict(events)
        for state in states:
            yield state, *self._known[state.key()]

    def _work(self, state: State) -> Callable[[Report], None]:
        if state.steps not in self._memories:
            self._memories[state.steps] = self._program.memory(state.steps)
        self._number += 1
        folder = self._folder / f"state{self._number}"
        return partial(_try, self._program, self._memories[state.steps], state, folder)


def _verdict(events: list[tuple[str, str]]) -> tuple[Verdict, str]:
    said = dict(events)
    if "error" in said:
        return "lost", said["error"]
    return ("rebuilt", said["rebuilt"]) if "rebuilt" in said else ("sound", "")


def _try(program: Program, memory: MemoryIndex, state: State, folder: Path, report: Report) -> None:
    """Lay the state down, open it, compare it, and work on."""
    shrink()
    logging.getLogger("hybrid").addHandler(RebuildReports(report))
    folder.mkdir()
    lay(state.tree, folder)
    path = folder / "idx"
    if not state.steps and not path.exists():
        Index.create(path, encoder=None).close()  # as if it had never been tried
    else:
        judge = Judge(
            program, memory, state.steps, state.begun, queries(Random(state.point), state.begun, 2)
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
        judge.begun = judge.steps
        judge.judge(index, "worked on")
        judge.verify(index)
