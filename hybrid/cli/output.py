"""Output of all commands: consoles, messages, tables and progress bars."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from hybrid.types import Stages

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

Directory = Annotated[Path, typer.Argument(metavar="DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def complain(message: str) -> None:
    """Print one line on stderr, with control characters escaped."""
    line = " ".join(message.split())
    readable = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    sys.stderr.write(f"hybrid: {''.join(readable)}\n")


def print_json(value: Any) -> None:
    # Not orjson: metadata may contain integers beyond 64 bits.
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # an ASCII terminal, or a file name with lone surrogates
        text = json.dumps(value, indent=2)
    sys.stdout.write(text + "\n")


def write_anything() -> None:
    """Make stdout and stderr escape characters that their encoding lacks, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s")


class Bar:
    """A progress bar: count, rate, time left. Draws nothing if stderr is not a terminal."""

    def __init__(self, progress: Progress, task: Any) -> None:
        self._progress, self._task = progress, task

    def advance(self, by: float) -> None:
        self._progress.advance(self._task, by)


@contextmanager
def bar(label: str, total: float | None, *, shown: bool = True) -> Iterator[Bar]:
    """Show a progress bar; ``total`` is None if unknown."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f}"), _Rate())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    hidden = not (shown and err.is_terminal)
    with Progress(*columns, *times, console=err, transient=True, disable=hidden) as progress:
        yield Bar(progress, progress.add_task(label, total=total))


@contextmanager
def stages() -> Iterator[Stages]:
    """Show one progress bar after the other, one per stage; call the result with the stage, the number of
    its steps done and their total."""
    with ExitStack() as drawn:
        current: tuple[str, Bar] | None = None
        seen = 0

        def show(stage: str, done: int, total: int) -> None:
            nonlocal current, seen
            if current is None or current[0] != stage:
                drawn.close()
                current, seen = (stage, drawn.enter_context(bar(stage, total))), 0
            current[1].advance(done - seen)
            seen = done

        yield show


def identity(file: Path) -> dict[str, str]:
    """Identify a file in the evidence of a profile: its name, and the SHA-256 of its content."""
    with file.open("rb") as opened:
        return {"file": file.name, "sha256": hashlib.file_digest(opened, "sha256").hexdigest()}


def size(directory: Path) -> int:
    """Return the total size in bytes of all files in ``directory``."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def nested(values: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """Yield a line for each of ``values``; nested mappings are indented below their name."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:"
            yield from nested(value, indent + "  ")
        else:
            yield f"{indent}{name}: {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return "none" if value is None or value == {} else str(value)


def table(*columns: str) -> Table:
    """Make a table in the style of all commands."""
    made = Table(header_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
