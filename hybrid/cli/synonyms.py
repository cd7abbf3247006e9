"""``hybrid synonyms``: what else the keyword leg looks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybrid.cli.lists import replaces, show_list
from hybrid.cli.output import AsJson, Directory
from hybrid.index import Index
from hybrid.lexical.synonyms import read_synonyms


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
    changes = replaces(file, remove)
    rules = () if file is None else read_synonyms(file)
    with Index.open(directory, read_only=not changes) as index:
        if changes:
            index.set_synonyms(rules)
        known = index.synonyms
    show_list(known, "synonyms", "rule", replaced=changes, as_json=as_json)
