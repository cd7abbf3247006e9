"""``hybrid count`` and ``hybrid facets``: how many documents there are, and how they divide."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.text import Text

from hybrid.cli.conditions import Condition, condition
from hybrid.cli.output import AsJson, Directory, out, print_json, table
from hybrid.index import Index
from hybrid.limits import counted
from hybrid.metadata.facets import TOP, Facet, Interval, Ranges, Terms

Query = Annotated[
    str | None, typer.Option("--query", metavar="QUERY", help="Only documents that contain a word of it.")
]


def count(
    directory: Directory, filter: Condition = None, query: Query = None, as_json: AsJson = False
) -> None:
    """Count the documents that pass a filter and contain a word of a query."""
    with Index.open(directory, read_only=True) as index:
        documents = index.count(query=query, filter=condition(filter))
    if as_json:
        print_json({"documents": documents})
    else:
        out.print(counted(documents))


def facets(
    directory: Directory,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH[=EDGE,...]...", help="Keys of the metadata: brand, price=100,500."),
    ],
    top: Annotated[int, typer.Option(help="How many values of each.")] = TOP,
    filter: Condition = None,
    query: Query = None,
    as_json: AsJson = False,
) -> None:
    """Count documents by the values of their metadata, most frequent first, or in ranges."""
    wanted = [_wanted(text, top) for text in paths]
    with Index.open(directory, read_only=True) as index:
        found = index.facets(wanted, query=query, filter=condition(filter))
    if as_json:
        print_json({path: _json(facet) for path, facet in found.items()})
        return
    for facet in found.values():
        _show(facet)


def _wanted(text: str, top: int) -> Terms | Ranges:
    path, sign, edges = text.partition("=")
    return Ranges(path, [_edge(edge) for edge in edges.split(",")]) if sign else Terms(path, top)


def _edge(text: str) -> float | str:
    """A number; anything else is to be a date."""
    for number in (int, float):
        with suppress(ValueError):
            return number(text)
    return text


def _json(facet: Facet) -> dict[str, Any]:
    counts = [
        (count.value._asdict() if isinstance(count.value, Interval) else {"value": count.value})
        | {"documents": count.documents}
        for count in facet.counts
    ]
    return asdict(facet) | {"counts": counts}


def _show(facet: Facet) -> None:
    rows = table(facet.path, "documents")
    for count in facet.counts:
        rows.add_row(Text(_readable(count.value)), f"{count.documents:,}")
    out.print(rows)
    whole = facet.counts and isinstance(facet.counts[0].value, Interval)
    more = 0 if whole else facet.distinct - len(facet.counts)
    rest = f"{more:,} more value{'' if more == 1 else 's'}; " if more else ""
    out.print(f"{rest}{facet.missing:,} of {counted(facet.documents)} without", style="dim")


def _readable(value: Any) -> str:
    if not isinstance(value, Interval):
        return value if isinstance(value, str) else json.dumps(value)
    lower, upper = value
    if lower is None:
        return f"below {upper}"
    return f"{lower} and above" if upper is None else f"{lower} to below {upper}"
