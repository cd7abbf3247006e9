"""``hybrid user-words``: words that Chinese segmentation keeps whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybrid.analyzers import read_user_dictionary
from hybrid.cli.lists import replaces, show_list
from hybrid.cli.output import AsJson, Directory, out
from hybrid.index import Index


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
    changes = replaces(file, remove)
    lines = () if file is None else read_user_dictionary(file)
    with Index.open(directory, read_only=not changes) as index:
        if changes:
            index.set_user_words(lines)
        known = index.user_words
    show_list(known, "user_words", "user word", replaced=changes, as_json=as_json)
    if changes and not as_json:
        out.print(f"documents are analysed with them by: hybrid reindex {directory}", soft_wrap=True)
