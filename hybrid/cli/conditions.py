"""Conditions on metadata, as the commands take them."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

import typer

from hybrid.errors import FilterError

Condition = Annotated[
    str | None,
    typer.Option("--filter", help='A condition on metadata, JSON: {"price": {"lt": 100}}.'),
]


def condition(text: str | None) -> dict[str, Any] | None:
    """A filter from its JSON text. Raises FilterError."""
    if text is None:
        return None
    try:
        return cast(dict[str, Any], json.loads(text))
    except ValueError as error:
        raise FilterError(f"--filter is not JSON: {error}: {text:.80}") from error
