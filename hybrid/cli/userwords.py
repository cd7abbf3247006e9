"""``hybrid user-words``: words that Chinese segmentation keeps whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from hybrid.analyzers import read_user_dictionary
from hybrid.cli.output import AsJson, Directory, out, print_json
from hybrid.errors import InputError
from hybrid.index import Index
from hybrid.types import printable


def user_words(
    directory: Directory,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="A dictionary in jieba's format: word [frequency] [tag] a line. [show the words in use]",
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Know no words of one's own any more.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show, or replace, an index's user words. Queries know them from the next search on, documents after
    hybrid reindex."""
    if file is not None and remove:
        raise InputError("give a FILE or --remove, not both")
    lines = () if file is None else read_user_dictionary(file)
    changes = file is not None or remove
    with Index.open(directory, read_only=not changes) as index:
        if changes:
            index.set_user_words(lines)
        known = index.user_words
    if as_json:
        print_json({"user_words": known})
    elif changes:
        out.print(f"{len(known):,} user word{'' if len(known) == 1 else 's'}")
        out.print(f"documents are analysed with them by: hybrid reindex {directory}", soft_wrap=True)
    else:
        for word in known:
            out.print(Text(printable(word)))
