"""Hostile input for minutes: ``python -m tests.durability.fuzz --minutes 10 [--only search]``.

Every target of tests/fuzzing gets an equal share of the time, with fresh random inputs each time. A
finding is an input that met with an error which is not ours, a wrong answer, more than 10 s of work or a
minute of waiting. Exit status 1 if there was any.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import HypothesisWarning
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tests.fuzzing.every import TARGETS
from tests.fuzzing.target import Target, World

SLOW = 10.0  # seconds of work for one input
HANGS = 60  # seconds of waiting
_ROUND = 50  # inputs between two looks at the clock


@dataclass
class Tally:
    """What became of one target."""

    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: list[str] = field(default_factory=list)


def fuzz(target: Target, seconds: float, folder: Path) -> Tally:
    """Try inputs until the time is over or one is found that fails."""
    tally, world, begun = Tally(), World(folder), time.monotonic()

    @settings(
        max_examples=_ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # to shrink takes minutes
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(target.inputs)
    def attempt(input: Any) -> None:
        tally.inputs += 1
        signal.alarm(HANGS)
        started = time.process_time()
        target.check(world, input)
        taken = time.process_time() - started
        tally.slowest = max(tally.slowest, taken)
        assert taken < SLOW, f"{taken:.0f} s"

    while time.monotonic() - begun < seconds and not tally.findings:
        try:
            attempt()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a panic in native code is no Exception
            tally.findings.append(_told(error))
    signal.alarm(0)
    try:
        world.close()
    except Exception as error:
        tally.findings.append(f"afterwards: {type(error).__name__}: {error}")
    tally.seconds = time.monotonic() - begun
    return tally


def _told(error: BaseException) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1]
    notes = "\n".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}\nin {where.filename}:{where.lineno}\n{notes}"[:4000]


def _hangs(*_: object) -> None:
    raise AssertionError(f"hangs for {HANGS} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="", help="targets whose name contains this")
    arguments = parser.parse_args()
    logging.disable()  # an index says what it builds again
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", HypothesisWarning)
    signal.signal(signal.SIGALRM, _hangs)
    chosen = [target for target in TARGETS if arguments.only in target.name]
    console, tallies = Console(), {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("fuzzing", total=len(chosen))
        for target in chosen:
            progress.update(task, description=target.name)
            with tempfile.TemporaryDirectory(prefix="hybrid-fuzz-") as folder:
                share = 60 * arguments.minutes / len(chosen)
                tallies[target.name] = fuzz(target, share, Path(folder))
            progress.advance(task)
    console.print(_table(tallies))
    for name, tally in tallies.items():
        for finding in tally.findings:
            console.print(f"\n{name}:\n{finding}", markup=False, highlight=False)
    return int(any(tally.findings for tally in tallies.values()))


def _table(tallies: dict[str, Tally]) -> Table:
    rows = Table("target", "inputs", "seconds", "slowest input", "findings", box=None)
    for name, tally in tallies.items():
        rows.add_row(
            name,
            f"{tally.inputs:,}",
            f"{tally.seconds:.0f}",
            f"{tally.slowest:.2f} s",
            str(len(tally.findings)),
        )
    total = sum(tally.inputs for tally in tallies.values())
    rows.add_row("all", f"{total:,}", f"{sum(t.seconds for t in tallies.values()):.0f}")
    return rows


if __name__ == "__main__":
    sys.exit(main())
