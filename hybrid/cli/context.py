"""``hybrid context``: numbered passages to answer a question from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, cast

import typer

from hybrid.cli.conditions import Condition, condition
from hybrid.cli.output import AsJson, Directory, complain, out, print_json
from hybrid.context import Context, Order
from hybrid.index import Index
from hybrid.types import printable


def context(
    directory: Directory,
    question: Annotated[str, typer.Argument(metavar="QUESTION")],
    tokens: Annotated[int, typer.Option(help="The budget, in tokens of the index's encoder.")] = 2000,
    per_document: Annotated[int, typer.Option(help="The number of passages of a document.")] = 3,
    neighbours: Annotated[int, typer.Option(help="How many passages on each side are added.")] = 1,
    order: Annotated[str, typer.Option(help="document or score.")] = "document",
    min_relevance: Annotated[
        float | None,
        typer.Option(metavar="P", help="Abstain unless a document is relevant with probability P or more."),
    ] = None,
    filter: Condition = None,
    as_json: AsJson = False,
) -> None:
    """Print numbered passages for the prompt of a chatbot. Exit status 1 where there are none."""
    with Index.open(directory, read_only=True) as index:
        found = index.context(
            question,
            tokens=tokens,
            per_document=per_document,
            neighbours=neighbours,
            order=cast(Order, order),
            min_relevance=min_relevance,
            filter=condition(filter),
        )
    if as_json:
        print_json(_json(found))
    elif found:
        out.print("\n".join(map(printable, found.text.split("\n"))), soft_wrap=True)
    else:
        complain(f"no good answer: {found.reason}")
    if not found:
        raise typer.Exit(1)


def _json(found: Context) -> dict[str, Any]:
    return asdict(found) | {"text": found.text}
