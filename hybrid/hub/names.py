"""Names of models on the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import regex

from hybrid.errors import ModelNotFound
from hybrid.hub.catalogue import PUBLISHED, Kind
from hybrid.limits import shown

_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_NAME: Final = regex.compile(
    rf"(?P<name>(?:(?P<owner>{_PART})/)?{_PART})(?:@(?P<revision>{_PART}(?:/{_PART}){{0,3}}))?"
)

_OWNERS: Final[Mapping[Kind, str]] = {
    "encoder": "sentence-transformers",
    "cross-encoder": "cross-encoder",
}
"""The owner of models that are named without one."""


@dataclass(frozen=True)
class Reference:
    """A model on the hub: the ``name`` that ids begin with, its ``repository``, and the ``revision``: a
    commit, a branch or a tag; None for what the repository's main branch holds."""

    name: str
    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repository}@{self.revision}" if self.revision else self.repository


def reference(name: str, kind: Kind) -> Reference | None:
    """Return the model that ``name`` means: a name of the catalogue or one of its repositories, at the
    pinned revision; or ``owner/model``, ``owner/model@revision`` and both without the owner. None if it is
    no such name. Nothing is looked for.

    Raises ModelNotFound for a model of the catalogue that is of another kind.
    """
    if (found := _NAME.fullmatch(name)) is None or ".." in name:
        return None
    known = next((one for one in PUBLISHED.values() if found["name"] in (one.name, one.repository)), None)
    if known is not None and known.kind != kind:
        raise ModelNotFound(
            f"{shown(name)} is no {kind} but a model of the kind {known.kind}; hybrid encoders lists them"
        )
    if known is not None:
        return Reference(known.repository, known.repository, found["revision"] or known.revision)
    if found["owner"]:
        return Reference(found["name"], found["name"], found["revision"])
    if kind not in _OWNERS:
        return None
    return Reference(found["name"], f"{_OWNERS[kind]}/{found['name']}", found["revision"])
