"""Kill a writer at a thousand moments, and look each time whether anything is lost.

    python -m tests.durability.crash --kills 1000

Each *life* is a forked process that opens the index which the last one left, compares it with MemoryIndex
(the operations that were acknowledged, or those and the one in flight, whole), verifies it, and goes on
with a random program until SIGKILL takes it: from the parent at a random moment, or from itself at a
named fail point. SIGKILL loses nothing of what the page cache holds; for power loss see ``power``.
"""

from __future__ import annotations

import logging
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import typer

from hybrid import Index, MemoryIndex
from hybrid.disk.failpoints import POINTS, arm
from tests.durability.compare import Judge, Lost
from tests.durability.forks import Child, RebuildReports, Report, die
from tests.durability.program import Life, Program, queries, shrink, warm_up
from tests.durability.sabotage import Part, part, sabotage
from tests.durability.show import CONSOLE, progress, scratch, show_table

RANDOM: Final = "at a random moment"
OPENING: Final = "while it opens"
MERGING: Final = "while tantivy merges"
NOT: Final = "not at all"
REACHED: Final = tuple(point for point in POINTS if point != "backup.legs")  # no life makes a copy
WAYS: Final = (*REACHED, RANDOM, OPENING, MERGING)

_STEPS_A_LIFE: Final = 200  # a fail point that is not reached by then is never reached
_SECONDS_A_LIFE: Final = 300.0
_SECONDS_OF_CHANCE: Final = {OPENING: 0.05, RANDOM: 0.25, MERGING: 0.012}
_MERGE_FACTOR: Final = 8  # tantivy merges when it has so many segments of one size
_LIVES_A_DIRECTORY: Final = 30  # on average


# -- in the child


@dataclass(frozen=True)
class Plan:
    """One life: what it is to find (``steps`` operations were acknowledged, ``begun`` had begun) and how
    it ends."""

    way: str
    random: Random
    path: Path
    program: Program
    memory: MemoryIndex
    steps: int
    begun: int
    broken: Part | None

    def live(self, report: Report) -> None:
        shrink()
        sabotage(self.broken)
        logging.getLogger("hybrid").addHandler(RebuildReports(report))
        life = Life(self.path, self.program, lambda n: report("begin", n), lambda n: report("done", n))
        report("opening", None)
        step = self._find(life) if self.steps or self.path.exists() else 0
        report("found", step)
        reader = Index.open(self.path, read_only=True) if life.index else None
        self._arm()
        for n in range(step, step + (self.way != NOT) * _STEPS_A_LIFE):
            life.run(n)
            reader = reader or Index.open(self.path, read_only=True)
            self._follow(life, reader, n)

    def _find(self, life: Life) -> int:
        """Open what the last life left and compare; how many operations are in it."""
        asked = queries(self.random, self.steps, 3)
        judge = Judge(self.program, self.memory, self.steps, self.begun, asked)
        searchable = self.steps > 0 and self.program[self.steps - 1].wait == "searchable"
        if self.random.random() < 0.3 and searchable:  # or a reader may be behind until a writer comes
            with Index.open(self.path, read_only=True) as reader:
                judge.judge(reader, "reader")
        life.index = Index.open(self.path)
        if self.way == OPENING:
            time.sleep(_SECONDS_A_LIFE)  # too late: the parent kills it here
        judge.judge(life.index, "writer")
        judge.verify(life.index)
        if self.random.random() < 0.2:
            life.index.compact()
            judge.judge(life.index, "writer, after compaction", exact=True)
        return max(judge.steps, 1)  # it is there, so it was made

    def _follow(self, life: Life, reader: Index, step: int) -> None:
        """A reader that was there before sees what was acknowledged, with its next search."""
        if self.program[step].wait == "searchable" and life.index is not None:
            written, seen = (index.search("kettle").sequence for index in (life.index, reader))
            if seen < written:
                raise Lost(f"a reader has missed commits {seen + 1} to {written}")

    def _arm(self) -> None:
        if self.way == MERGING:
            arm("lexical.committed", self._die_merging)
        for point in REACHED:
            if point == self.way:
                often = point.startswith(("ledger", "lexical"))
                arm(point, _dying(self.random.randint(1, 4) if often else 1))

    def _die_merging(self) -> None:
        if _segments(self.path) >= _MERGE_FACTOR:
            time.sleep(self.random.uniform(0, _SECONDS_OF_CHANCE[MERGING]))
            die()


def _dying(reached: int) -> Callable[[], None]:
    """Dies when called the ``reached``-th time."""
    calls = count(1)

    def called() -> None:
        if next(calls) == reached:
            die()

    return called


def _segments(path: Path) -> int:
    """How many segments the youngest tantivy index has."""
    metas = sorted(path.glob("g*/terms-*/meta.json"), key=lambda meta: meta.stat().st_mtime_ns)
    return metas[-1].read_text().count('"segment_id"') if metas else 0


# -- in the parent


@dataclass
class Outcome:
    """What became of a campaign. Rebuilds and losses count for the way in which the life before ended."""

    kills: Counter[str] = field(default_factory=Counter)
    rebuilds: Counter[str] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    operations: int = 0

    def rows(self) -> list[tuple[object, ...]]:
        counts = (self.kills, self.losses, self.rebuilds)
        every = [(way, *(count[way] for count in counts)) for way in WAYS]
        return [*every, ("all", *(count.total() for count in counts))]


class Campaign:
    """Many lives, one after the other, mostly on the same directory."""

    def __init__(self, seed: int, folder: Path, broken: Part | None = None) -> None:
        self.outcome = Outcome()
        self._seed, self._folder, self._broken = seed, folder, broken
        self._random = Random(seed)
        self._number = 0
        self._ended = NOT
        self._begin_again()

    def run(self, kills: int, tick: Callable[[], object] = lambda: None) -> Outcome:
        for way in schedule(kills, self._random):
            self._live(way)
            tick()
            if self._random.random() < 1 / _LIVES_A_DIRECTORY:
                self._finish()
        self._finish()
        return self.outcome

    def _finish(self) -> None:
        """Look once more, and drop the directory."""
        self._live(NOT)
        for path in (self._path, self._before):
            shutil.rmtree(path, ignore_errors=True)
        self._begin_again()

    def _begin_again(self) -> None:
        """A new program on a new directory."""
        self._number += 1
        self._program = Program(self._random.getrandbits(32))
        self._memory = MemoryIndex()
        self._steps, self._in_flight = 0, False
        self._path = self._folder / f"index{self._number}"
        self._before = self._folder / f"before{self._number}"

    def _live(self, way: str) -> None:
        if self._path.exists():
            shutil.rmtree(self._before, ignore_errors=True)
            shutil.copytree(self._path, self._before)
        random = Random(self._random.getrandbits(32))
        moment = random.uniform(0, _SECONDS_OF_CHANCE.get(way, 0))
        given = (self._program, self._memory, self._steps, self._steps + self._in_flight)
        child = Child.start(Plan(way, random, self._path, *given, self._broken).live)
        problems = self._watch(child, {RANDOM: "found", OPENING: "opening"}.get(way), moment)
        if way != NOT and child.status == 0:
            self.outcome.complaints.append(
                f"never killed {way}: it was not reached in {_STEPS_A_LIFE} steps"
            )
        self.outcome.kills[way] += child.status == -signal.SIGKILL
        if problems:
            self._lost(problems[0])
        self._ended = way

    def _watch(self, child: Child, start: str | None, moment: float) -> list[str]:
        """Follow a life to its end, which comes ``moment`` seconds after it reports ``start``."""
        problems: list[str] = []
        limit = time.monotonic() + _SECONDS_A_LIFE
        for event, value in child.events(limit):
            self._note(event, value, problems)
            if event == start:
                break
        hung = start is None or time.monotonic() > limit
        for event, value in child.events(limit if start is None else time.monotonic() + moment):
            self._note(event, value, problems)
        if child.status is None:
            problems += ["it hangs"] * hung
            child.kill()
        for event, value in child.events():
            self._note(event, value, problems)
        if child.status not in (0, 1, -signal.SIGKILL):
            problems.append(f"it died by itself: {child.status}")
        return problems

    def _note(self, event: str, value: Any, problems: list[str]) -> None:
        if event == "begin":
            self._in_flight = True
        elif event == "done":
            self._advance(value + 1)
        elif event == "found":
            self._advance(value)
        elif event == "rebuilt":
            self.outcome.rebuilds[self._ended] += 1
        elif event == "error":
            problems.append(value)

    def _advance(self, steps: int) -> None:
        for step in range(self._steps, steps):
            self._program[step].remember(self._memory)
            self.outcome.operations += 1
        self._steps, self._in_flight = steps, False

    def _lost(self, problem: str) -> None:
        kept = self._before if self._before.exists() else self._path
        for path in {self._before, self._path} - (set() if self._broken else {kept}):
            shutil.rmtree(path, ignore_errors=True)
        self.outcome.losses[self._ended] += 1
        self.outcome.complaints.append(
            f"killed {self._ended}, then: {problem} (seed {self._seed}, kill {self.outcome.kills.total()}; "
            f"Program({self._program.seed}), step {self._steps}; as it was found: {kept})"
        )
        self._begin_again()


def schedule(kills: int, random: Random) -> list[str]:
    """The ways to die: half of them the fail points in turn, the others moments."""
    at_points = max(kills // 2, min(kills, len(REACHED)))
    points, moments = cycle(REACHED), cycle([RANDOM, RANDOM, RANDOM, OPENING, MERGING])
    ways = [*islice(points, at_points), *islice(moments, kills - at_points)]
    random.shuffle(ways)
    return ways


def main(
    kills: Annotated[int, typer.Option(help="How often.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the programs and the moments.")] = 1,
    without: Annotated[
        str,
        typer.Option(
            help="Break the engine on purpose: replay (legs are not caught up), commit (too late), "
            "count (readers are not told)."
        ),
    ] = "",
) -> None:
    """Kill a writer again and again. Exit status 1 if anything was lost."""
    begin = time.monotonic()
    warm_up()
    with scratch() as folder:
        with progress() as bar:
            task = bar.add_task("kills", total=kills)
            campaign = Campaign(seed, folder, part(without))
            outcome = campaign.run(kills, lambda: bar.update(task, advance=1, refresh=True))
        show_table(("killed", "kills", "losses", "rebuilds"), outcome.rows())
        for complaint in outcome.complaints:
            CONSOLE.print(complaint, markup=False)
        seconds = time.monotonic() - begin
        CONSOLE.print(f"{outcome.operations:,} operations acknowledged, {seconds:.0f} seconds, seed {seed}")
    raise typer.Exit(bool(outcome.complaints))


if __name__ == "__main__":
    typer.run(main)
