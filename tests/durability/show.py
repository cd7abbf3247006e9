"""How the harnesses show what they do and what came of it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

CONSOLE = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:.1f}/s")


def progress() -> Progress:
    """Bars with rate and time left. They are drawn between two steps: a thread would be forked along."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
    times = (TextColumn("left"), TimeRemainingColumn(), TextColumn("so far"), TimeElapsedColumn())
    return Progress(*columns, *times, console=CONSOLE, auto_refresh=False)


def show_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Names at the left, numbers at the right."""
    table = Table(
        Column(header[0], no_wrap=True), *(Column(h, justify="right") for h in header[1:]), box=None
    )
    for row in rows:
        table.add_row(*map(str, row))
    CONSOLE.print(table)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the indexes, in memory where there is such a place: a killed process leaves there what
    it would leave on a disk, and a thousand fsyncs cost nothing. Stays if something was left in it."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="hybrid-durability-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()
