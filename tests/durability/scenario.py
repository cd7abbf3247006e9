"""The writer whose power is cut: it makes an index, changes it, dies of SIGKILL now and then, and goes on.

    python -m tests.durability.scenario SEED INDEX MARKS STEPS BEGUN END

STEPS operations are in INDEX, or up to BEGUN of them; it goes on to number END. To MARKS it writes a line
when an operation begins and when it is acknowledged.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Final

from hybrid import Index
from hybrid.disk.failpoints import FailPoint, arm
from tests.durability.compare import Judge
from tests.durability.forks import Child, Report, die
from tests.durability.program import Kind, Life, Program, shrink

SCRIPT: Final[tuple[Kind, ...]] = (
    *("create", "add", "add", "delete", "add", "add", "reopen", "add", "delete", "compact"),
    *("add", "update", "delete", "reopen", "add", "compact", "add", "delete", "reopen", "add"),
)
_DEATHS: Final[dict[int, FailPoint]] = {7: "ledger.committed", 11: "lexical.added", 13: "graph.renamed"}
"""At which step a life ends, and where."""


def program(seed: int) -> Program:
    return Program(seed, SCRIPT)


def main(seed: int, path: Path, marks: Path, steps: int, begun: int, end: int) -> None:
    """Live, as often as it takes, until the operations are through."""
    descriptor = os.open(marks, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while steps < end:
        child = Child.start(partial(_live, program(seed), path, steps, begun, end, descriptor))
        said = list(child.events())
        begun, steps = (dict(said).get(what, known) for what, known in (("begun", begun), ("steps", steps)))
        if "error" in dict(said):
            raise RuntimeError(said)


def _live(plan: Program, path: Path, steps: int, begun: int, end: int, marks: int, report: Report) -> None:
    shrink()

    def begin(step: int) -> None:
        os.write(marks, f"begin {step}\n".encode())
        report("begun", step + 1)

    def done(step: int) -> None:
        os.write(marks, f"done {step}\n".encode())
        report("steps", step + 1)

    life = Life(path, plan, begin, done)
    if path.exists():
        life.index = Index.open(path)
        judge = Judge(plan, plan.memory(steps), steps, begun)
        judge.judge(life.index, "scenario")
        steps = max(judge.steps, 1)
    for step in range(steps, end):
        if (death := _DEATHS.get(step)) and begun <= step:
            arm(death, die)
        life.run(step)
    if life.index is not None:
        life.index.close()
    report("steps", end)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:7]))
