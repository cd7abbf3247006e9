"""``hybrid profile``: how an index ranks, how it used to, and back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from hybrid.cli.output import AsJson, Directory, nested, out, print_json, table
from hybrid.engine import Index
from hybrid.errors import QueryError
from hybrid.settings import Installed, Profiles


class Action(StrEnum):
    SHOW = "show"
    LIST = "list"
    USE = "use"


def profile(
    directory: Directory,
    action: Annotated[Action, typer.Argument(help="show, list, or use NUMBER")] = Action.SHOW,
    number: Annotated[int | None, typer.Argument(help="Of the profile to use.")] = None,
    as_json: AsJson = False,
) -> None:
    """How the index ranks, all the ways it has ranked so far, or back to one of them."""
    if (action is Action.USE) != (number is not None):
        raise QueryError("say: hybrid profile DIR use NUMBER; hybrid profile DIR list shows the numbers")
    with Index.open(directory, read_only=action is not Action.USE) as index:
        if number is not None:
            index.use(number)
        profiles = index.profiles
    if as_json:
        print_json(_json(profiles, action))
    elif action is Action.LIST:
        _list(profiles)
    else:
        _show(profiles[profiles.serves])


def _json(profiles: Profiles, action: Action) -> Any:
    if action is Action.LIST:
        return profiles.model_dump(mode="json")
    return profiles[profiles.serves].model_dump(mode="json")


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
    out.print("* serves", style="dim")


def _when(installed: Installed) -> str:
    return installed.date.replace("T", " ").replace("+00:00", " UTC") or "when the index was made"
