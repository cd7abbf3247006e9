"""``python -m tests.benchmarks legs bare ...``: each prints its tables and writes them to --out."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

# One query, one thread: what a library would do with more is another question.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import typer

from hybrid.cli.output import out
from tests.benchmarks.house import House, Plan

USUAL: Final = ("legs", "bare", "batch", "build", "filters", "writing", "cold")
BENCHES: Final = (
    *USUAL,
    "scale",
    "peers",
    "words",
    "crossover",
    "memory",
    "libraries",
    "books",
    "suggestions",
    "threads",
    "votes",
)
_WHERE: Final = {"peers": "contest.run", "words": "contest.run_words"}


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help=f"{', '.join(BENCHES)}.")
    ] = None,
    documents: Annotated[int, typer.Option("-n", "--documents", help="Size of the collection.")] = 20_000,
    queries: Annotated[int, typer.Option(help="Queries of each length.")] = 200,
    rounds: Annotated[int, typer.Option(help="Times that each query is asked.")] = 7,
    folder: Annotated[Path, typer.Option("--out", help="Results, and what is built once.")] = Path(
        "build/benchmarks"
    ),
    data: Annotated[
        Path | None, typer.Option(help="A judged collection, a BEIR folder: for books, suggestions.")
    ] = None,
) -> None:
    """Measure. Without a name: what takes minutes."""
    for name in names or USUAL:
        if name not in BENCHES:
            raise typer.BadParameter(f"{name} is none of {', '.join(BENCHES)}")
    house = House(Plan(folder, documents, queries, rounds, data=data))
    for name in names or USUAL:
        module, function = _WHERE.get(name, f"{name}.run").split(".")
        report = getattr(import_module(f"tests.benchmarks.{module}"), function)(house)
        report.write(folder)
        out.print(report.markdown(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
