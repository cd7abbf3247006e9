"""``hybrid suggest`` and ``hybrid autocomplete``: what a query may have meant, or may become."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from hybrid.cli.conditions import Condition, condition
from hybrid.cli.output import AsJson, Directory, out, print_json, table
from hybrid.index import Index
from hybrid.types import printable


def suggest(
    directory: Directory,
    query: Annotated[str, typer.Argument(metavar="QUERY")],
    filter: Condition = None,
    as_json: AsJson = False,
) -> None:
    """Correct the misspelt words of a query by those of the documents."""
    with Index.open(directory, read_only=True) as index:
        suggestion = index.suggest(query, filter=condition(filter))
    if as_json:
        print_json({"query": query, "suggestion": None if suggestion is None else asdict(suggestion)})
        return
    if suggestion is None:
        out.print("nothing to correct", style="dim")
        return
    out.print(Text(printable(suggestion.query)), soft_wrap=True)
    rows = table("word", "documents", "instead of", "documents")
    for one in suggestion.corrections:
        instead = Text(printable(query[one.start : one.end]))
        rows.add_row(Text(printable(one.word)), f"{one.documents:,}", instead, f"{one.before:,}")
    out.print(rows)


def autocomplete(
    directory: Directory,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX")],
    limit: Annotated[int, typer.Option(help="The number of completions.")] = 10,
    filter: Condition = None,
    as_json: AsJson = False,
) -> None:
    """Complete the last word of a query by those of the documents; Chinese also by pinyin or its
    initials."""
    with Index.open(directory, read_only=True) as index:
        found = index.autocomplete(prefix, limit=limit, filter=condition(filter))
    if as_json:
        print_json({"prefix": prefix, "completions": found})
        return
    for one in found:
        out.print(Text(printable(one)), soft_wrap=True)
