"""``hybrid delete`` and ``hybrid update``: change documents that are named by id or by a condition."""

from __future__ import annotations

import json
from typing import Annotated, Any, TypedDict

import typer

from hybrid.cli.conditions import Condition, condition
from hybrid.cli.output import AsJson, Directory, err, out, print_json
from hybrid.errors import DocumentError, InputError
from hybrid.index import Index
from hybrid.limits import counted
from hybrid.metadata.selection import Selection

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID...]")]
Everything = Annotated[bool, typer.Option("--everything", help="All documents.")]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", help="Do not ask before changing documents selected by --filter or --everything."
    ),
]


class Named(TypedDict):
    """Which documents, as ``Index.delete`` takes them."""

    ids: list[str] | None
    filter: dict[str, Any] | None
    everything: bool


def delete(
    directory: Directory,
    ids: Ids = None,
    filter: Condition = None,
    everything: Everything = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete documents by id (unknown ids are ignored), or all that pass a filter."""
    named = _named("delete", ids, filter, everything)
    with Index.open(directory) as target:
        _ask(target, named, "Delete", yes)
        report = {"deleted": target.delete(**named), "documents": len(target)}
    if as_json:
        print_json(report)
    else:
        out.print(f"{counted(report['deleted'])} deleted; {directory} holds {report['documents']:,}")


def update(
    directory: Directory,
    ids: Ids = None,
    metadata: Annotated[
        str, typer.Option("--set", metavar="JSON", help='Keys to set, null to remove: {"stock": 0}.')
    ] = ...,  # type: ignore[assignment]
    filter: Condition = None,
    everything: Everything = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Change the metadata of documents, selected by id or filter, without encoding them again."""
    named, changes = _named("update", ids, filter, everything), _changes(metadata)
    with Index.open(directory) as target:
        _ask(target, named, "Change", yes)
        updated = target.update_metadata(changes, **named)
    if as_json:
        print_json({"updated": updated})
    else:
        out.print(f"{counted(updated)} updated")


def _named(act: str, ids: list[str] | None, filter: str | None, everything: bool) -> Named:
    named: Named = {"ids": ids or None, "filter": condition(filter), "everything": everything}
    if bool(ids) + (filter is not None) + everything != 1:
        raise InputError(f"hybrid {act}: name documents in one way: by ID, --filter or --everything")
    Selection.of(f"hybrid {act}", **named)  # refused before an index is opened
    return named


def _changes(text: str) -> dict[str, Any]:
    try:
        changes: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"--set is not JSON: {error}: {text:.80}") from error
    return changes


def _ask(target: Index, named: Named, act: str, yes: bool) -> None:
    """Ask before a change to documents that a filter selects: it may select more than expected."""
    if named["ids"] is None and not yes:
        affected = target.count(filter=named["filter"])
        err.print(f"{act} {affected:,} of {counted(len(target))}?", end=" ")
        if not typer.confirm("", prompt_suffix="", err=True):
            raise typer.Exit(1)
