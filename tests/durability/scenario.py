"""The writer whose power is cut: some lives on one index, each ended by SIGKILL at a place of its own.

    python -m tests.durability.scenario SEED INDEX MARKS

Writes a line to MARKS when an operation begins and when it is acknowledged.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from hybrid import Index, failpoints
from tests.durability.compare import Judge
from tests.durability.forks import Child, Report, die
from tests.durability.program import Kind, Life, Program, shrink

_ADD: Final[tuple[Kind, ...]] = ("add", "add", "add")
SCRIPT: Final[tuple[Kind, ...]] = (
    *("create", *_ADD, "delete", "add", "reopen", "add", "delete", "compact", "add", "add", "delete"),
    *("reopen", "add", "compact", "add", "reopen", "add", "add"),
)
DEATHS: Final[dict[int, str]] = {
    7: "ledger.committed",
    11: "lexical.added",
    13: "graph.renamed",
    15: "current renamed",
}
"""At which step a life ends, and where."""


def program(seed: int) -> Program:
    return Program(seed, SCRIPT)


def main(seed: int, path: Path, marks: Path) -> int:
    """Live until the script is through."""
    plan, memory, steps = program(seed), program(seed).memory(0), 0
    descriptor = os.open(marks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for death in (*DEATHS, len(SCRIPT)):
        child = Child.start(lambda report: _live(path, plan, steps, death, descriptor, report))
        for event, value in child.events():
            if event == "error":
                raise RuntimeError(value)
            steps = value
    return 0


def _live(path: Path, plan: Program, steps: int, death: int, marks: int, report: Report) -> None:
    shrink()

    def mark(event: str, step: int) -> None:
        os.write(marks, f"{event} {step}\n".encode())

    def done(step: int) -> None:
        mark("done", step)
        report("steps", step + 1)

    life = Life(path, plan, lambda step: mark("begin", step), done)
    if steps:
        life.index = Index.open(path)
        judge = Judge(plan, plan.memory(steps), steps, steps + 1)
        judge.judge(life.index, "scenario")
        steps = judge.steps
    while steps < len(SCRIPT):
        if steps == death:
            _arm(DEATHS[death])
        life.run(steps)
        steps += 1
    assert life.index is not None
    life.index.close()


def _arm(place: str) -> None:
    if place in failpoints.POINTS:
        failpoints.arm(place, die)
        return
    rename = os.replace

    def renamed(source: Any, target: Any) -> None:
        rename(source, target)
        if Path(target).name == "current":
            die()

    os.replace = renamed  # type: ignore[assignment]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
