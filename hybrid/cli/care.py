"""``hybrid verify``, ``stats``, ``compact``: check an index, describe it, remove deleted documents from
disk."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.filesize import decimal

from hybrid.cli.output import AsJson, Directory, bar, out, print_json, size, table
from hybrid.index import Index
from hybrid.limits import counted
from hybrid.settings import Profile
from hybrid.store import salvage


def verify(
    directory: Directory,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild everything but the ledger from the ledger.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check ledger, legs and vectors against one another, and tell what can be saved. Exit status 1 if
    something is wrong."""
    if repair:
        salvage.repair(directory)
    problems = salvage.examine(directory)
    if as_json:
        print_json({"sound": not problems, "problems": problems})
    else:
        for problem in problems or ["sound"]:
            out.print(problem, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


def stats(directory: Directory, as_json: AsJson = False) -> None:
    """Show the number of documents and segments, sizes, encoder, analyzer, sequence number."""
    with Index.open(directory, read_only=True) as index:
        figures = index.stats()
    if as_json:
        print_json(figures)
        return
    rows = table("", "")
    rows.show_header = False
    for name, value in figures.items():
        rows.add_row(name.replace("_", " "), _readable(name, value))
    out.print(rows)


def _readable(name: str, value: Any) -> str:
    if name == "bytes":
        return ", ".join(f"{part.replace('_', ' ')} {size / 1e6:,.1f} MB" for part, size in value.items())
    if name == "profile":
        return str(Profile.model_validate(value))
    return f"{value:,}" if isinstance(value, int) else "none" if value is None else str(value)


def compact(directory: Directory, as_json: AsJson = False) -> None:
    """Rewrite the index without deleted documents: no byte of them is left."""
    with Index.open(directory) as index:
        before, documents = size(directory), len(index)
        with bar("compacting", documents) as progress:
            index.compact(progress=progress.advance)
    after = size(directory)
    if as_json:
        print_json({"documents": documents, "bytes_before": before, "bytes_after": after})
    else:
        out.print(f"{counted(documents)} in {decimal(after)}, before in {decimal(before)}")
