"""What the commands share that learn from judged queries and let what proves better serve."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.table import Table

from hybrid.cli.output import complain, identity, out, table
from hybrid.engine import Index
from hybrid.errors import StorageError
from hybrid.evaluate.comparison import Paired
from hybrid.evaluate.gate import Verdict
from hybrid.settings import Profile

QueriesFile = Annotated[Path, typer.Option(help="BEIR queries.jsonl, or a table of id, tab, text.")]
QrelsFile = Annotated[Path, typer.Option(help="BEIR or TREC judgments: two thirds train, a third judges.")]
TestQrelsFile = Annotated[
    Path | None, typer.Option(help="Judgments that judge instead; then all of --qrels may train.")
]


class Figures(Protocol):
    """A system's mean on the train and on the held-out queries."""

    @property
    def train(self) -> float: ...

    @property
    def held_out(self) -> float: ...


def tell_left_out(left_out: Mapping[str, int]) -> None:
    """A line on stderr for each reason why judged queries could not be used."""
    for reason, many in left_out.items():
        complain(f"{many:,} judged queries left out: {reason}")


def identities(files: Mapping[str, Path | None]) -> dict[str, dict[str, str]]:
    """What evidence says of the files that were given."""
    return {name: identity(file) for name, file in files.items() if file is not None}


@contextmanager
def unless_overtaken(directory: Path, serving: Profile, again: str) -> Iterator[Index]:
    """The index, open to install what was judged against ``serving``; StorageError, which says what to do
    ``again``, if another profile serves by now."""
    with Index.open(directory) as index:
        if index.profiles.serving != serving:
            raise StorageError(f"{directory}: another profile serves by now; {again}")
        yield index


def outcome(verdict: Verdict, number: int | None) -> str:
    """What became of what was judged: it serves as profile ``number``, or would, or may not."""
    if number is not None:
        return f"installed as profile {number}: {verdict.reason}"
    if verdict.installs is not None:
        return f"would be installed: {verdict.reason}"
    return f"refused, the profile stays: {verdict.reason}"


def tell_way_back(directory: Path, before: int) -> None:
    out.print(f"back: hybrid profile {shlex.quote(str(directory))} use {before}", soft_wrap=True)


def figures(systems: Mapping[str, Figures], verdict: Verdict, p: str = "p") -> Table:
    """What serves, the challengers against it, and what is held beside them; ``p`` heads the p-values."""
    rows = table("system")
    for heading in ("train", "held-out", "difference", "95 % interval", p):
        rows.add_column(heading, justify="right")
    for name, system in systems.items():
        challenge = verdict.challengers.get(name)
        compared = (
            _compared(challenge.against_incumbent, challenge.corrected) if challenge else ("", "", "")
        )
        style = "" if challenge else "dim"
        rows.add_row(name, f"{system.train:.4f}", f"{system.held_out:.4f}", *compared, style=style)
    return rows


def _compared(found: Paired, p: float) -> tuple[str, str, str]:
    return (
        f"{found.difference:+.4f}",
        f"{found.low:+.4f} … {found.high:+.4f}",
        "< .0001" if p < 0.0001 else f"{p:.4f}",
    )
