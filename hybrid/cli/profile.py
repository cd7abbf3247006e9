"""``hybrid profile``: show, list and choose the profiles of an index."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hybrid.cli.output import AsJson, Directory, nested, out, print_json, table
from hybrid.errors import QueryError
from hybrid.index import Index
from hybrid.settings import Installed, Profiles


class Action(StrEnum):
    SHOW = "show"
    LIST = "list"
    USE = "use"


def profile(
    directory: Directory,
    action: Annotated[Action, typer.Argument(help="show [NUMBER], list, or use NUMBER")] = Action.SHOW,
    number: Annotated[int | None, typer.Argument(help="The number of the profile to show or use.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the serving profile (how the index ranks) or another one, list all, or return to one of them."""
    if action is Action.USE and number is None:
        raise QueryError("write: hybrid profile DIR use NUMBER; hybrid profile DIR list shows the numbers")
    if action is Action.LIST and number is not None:
        raise QueryError("write: hybrid profile DIR list, or hybrid profile DIR show NUMBER")
    with Index.open(directory, read_only=action is not Action.USE) as index:
        if action is Action.USE and number is not None:
            index.use(number)
        profiles = index.profiles
    shown: Profiles | Installed = profiles
    if action is not Action.LIST:
        shown = profiles[profiles.serves if number is None else number]
    if as_json:
        print_json(shown.model_dump(mode="json"))
    elif isinstance(shown, Profiles):
        _list(shown)
    else:
        _show(shown)


def _show(installed: Installed) -> None:
    out.print(f"{installed.number}: {installed.profile}", soft_wrap=True)
    out.print(f"installed: {_when(installed)}", style="dim")
    for line in nested(installed.evidence):
        out.print(line, style="dim", soft_wrap=True)


def _list(profiles: Profiles) -> None:
    rows = table("", "profile", "installed")
    for one in profiles.history:
        serves = one.number == profiles.serves
        rows.add_row(
            f"{one.number}{'*' if serves else ''}",
            str(one.profile),
            _when(one),
            style="bold" if serves else "",
        )
    out.print(rows)
    out.print("* the serving profile", style="dim")


def _when(installed: Installed) -> str:
    return installed.date.replace("T", " ").replace("+00:00", " UTC") or "when the index was created"
