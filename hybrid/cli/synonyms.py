"""``hybrid synonyms``: what else the keyword leg looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hybrid.cli.output import AsJson, Directory, out, print_json
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.lexical.synonyms import read_synonyms
from hybrid.types import printable


def synonyms(
    directory: Directory,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Rules, one a line: a, b or a => b, c. [show those in use]"),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Look for no synonyms any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show, or replace, an index's synonyms. They count from the next search on."""
    if file is not None and remove:
        raise InputError("give a FILE or --remove, not both")
    rules = () if file is None else read_synonyms(file)
    changes = file is not None or remove
    with Index.open(directory, read_only=not changes) as index:
        if changes:
            index.set_synonyms(rules)
        known = index.synonyms
    if as_json:
        print_json({"synonyms": known})
    elif changes:
        out.print(f"{len(known):,} rule{'' if len(known) == 1 else 's'}")
    else:
        for rule in known:
            out.print(Text(printable(rule)))
