"""Show, or replace, a list of lines with which an index reads queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from hybrid.cli.output import out, print_json
from hybrid.errors import InputError
from hybrid.limits import counted
from hybrid.types import printable


def replaces(file: Path | None, remove: bool) -> bool:
    """Whether a command replaces the list, by the lines of ``file`` or by none. Raises InputError for
    both."""
    if file is not None and remove:
        raise InputError("give a FILE or --remove, not both")
    return file is not None or remove


def show_list(lines: Sequence[str], name: str, one: str, *, replaced: bool, as_json: bool) -> None:
    """Show the ``lines``, or how many there are where they were ``replaced``. ``name``: the list's in JSON;
    ``one``: what a line is called."""
    if as_json:
        print_json({name: lines})
    elif replaced:
        out.print(counted(len(lines), one))
    else:
        for line in lines:
            out.print(Text(printable(line)))
