"""What a writer did to its folder, recorded, and every state in which a power cut may leave that folder."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Final

from tests.durability import scenario
from tests.durability.cuts import EVERYTHING, EXTREMES, MIXTURES, PowerCut, site, splits
from tests.durability.disk import Disk, Tree, lay, read
from tests.durability.program import Program
from tests.durability.strace import Event, record

ALL: Final = slice(None)


@dataclass(frozen=True)
class State:
    """What a power cut left, and the rule that it is held to: at least ``steps`` operations of the program
    were acknowledged, ``begun`` had begun."""

    tree: Tree = field(repr=False)
    steps: int
    begun: int
    point: int
    cut: str

    @cached_property
    def key(self) -> int:
        return hash((tuple(self.tree.items()), self.steps, self.begun))


@dataclass(frozen=True)
class Recording:
    """What a writer did. Up to event ``start`` it is the same as another recording, whose process was
    killed there."""

    program: Program
    events: Sequence[Event]
    start: int = 0

    @classmethod
    def make(cls, seed: int, folder: Path) -> Recording:
        """A new index, and all of the scenario."""
        (folder / "root").mkdir(parents=True)
        events = _record(seed, folder, 0, 0, len(scenario.SCRIPT))
        return cls(scenario.program(seed), events)._checked(folder)

    def killed(self, point: int, folder: Path) -> Recording:
        """The writer killed before event ``point``; another one opens what it left, in the page cache too,
        and does an operation or two."""
        (left,) = self.states([point], [EVERYTHING])
        (folder / "root").mkdir(parents=True)
        lay(left.tree, folder / "root")
        events = _record(self.program.seed, folder, left.steps, left.begun, left.begun + 1)
        later = (replace(event, began=event.began + point) for event in events)
        return Recording(self.program, [*self.events[:point], *later], point)._checked(folder)

    def _checked(self, folder: Path) -> Recording:
        (last,) = self.states([len(self.events)], [EVERYTHING])
        if last.tree != read(folder / "root"):
            raise RuntimeError("the recording does not come to what lies on the disk")
        shutil.rmtree(folder)
        return self

    def sites(self, among: slice = ALL) -> Counter[str]:
        """How many fsyncs each site got in this part of the events."""
        return Counter(site(event.path) for event in self.events[among] if event.action == "sync")

    @property
    def opening(self) -> slice:
        """The part in which the second writer only opens what the first one left."""
        later = enumerate(self.events[self.start :], self.start)
        return slice(self.start, next(number for number, event in later if event.action == "mark"))

    def moments(self) -> list[tuple[str, str, int]]:
        """For each site and kind of operation on an index that is there, the last moment before an fsync
        that has something to do: all is written then, and not safe. The most telling first."""
        found: dict[tuple[str, str], int] = {}
        disk, kind = Disk(), "create"
        for number, event in enumerate(self.events):
            if event.action == "mark":
                what, step = event.data.split()
                kind = self.program[int(step)].kind if what == b"begin" else "between"
            elif event.action == "sync" and kind != "create" and disk.unsynced(event.path):
                found[site(event.path), kind] = number
            disk.apply(event)
        return _most_telling_first(found)

    def acknowledged(self) -> list[int]:
        """The points right after an operation was acknowledged."""
        marks = ((n, event.data) for n, event in enumerate(self.events, 1) if event.action == "mark")
        return [n for n, data in marks if data.startswith(b"done")]

    def states(
        self,
        points: Iterable[int],
        cuts: Sequence[PowerCut] = (),
        without: str | None = None,
        among: slice = ALL,
    ) -> Iterator[State]:
        """What is left of a cut before each of the events ``points`` (ascending); by default, of every kind
        of cut. The fsyncs of the site ``without`` ``among`` some events do nothing."""
        disk, steps, begun, happened = Disk(), 0, 0, 0
        part = range(len(self.events))[among]
        for point in points:
            for number, event in enumerate(self.events[happened:point], happened):
                idle = event.action == "sync" and number in part and site(event.path) == without
                disk.apply(event, ignored=idle)
                if event.action == "mark":
                    what, step = event.data.split()
                    begun = max(begun, int(step) + 1)
                    steps = int(step) + 1 if what == b"done" else steps
            happened = point
            for cut in cuts or (*EXTREMES, *MIXTURES, *splits(set(map(site, disk.pending())))):
                yield State(disk.after(cut, Random(f"{point} {cut.name}")), steps, begun, point, cut.name)


def _most_telling_first(moments: dict[tuple[str, str], int]) -> list[tuple[str, str, int]]:
    """The first of each site, then the others."""
    telling = ["ledger.db-wal", "index folder", "generation folder", "current", "ledger.db"]
    seen: Counter[str] = Counter()
    ranked = []
    for (where, kind), number in moments.items():
        rank = telling.index(where) if where in telling else len(telling)
        ranked.append((seen[where], rank, where, kind, number))
        seen[where] += 1
    return [(where, kind, number) for _, _, where, kind, number in sorted(ranked)]


def _record(seed: int, folder: Path, steps: int, begun: int, end: int) -> list[Event]:
    root, marks = folder / "root", folder / "marks"
    arguments = [str(value) for value in (seed, root / "idx", marks, steps, begun, end)]
    return record([sys.executable, "-m", "tests.durability.scenario", *arguments], root, marks)
