"""Modules that other packages share, found by their entry points.

A package says in its pyproject.toml what it brings, by kind and name:

    [project.entry-points."hybrid_retrieval.encoders"]
    my_encoder = "my_package:MyEncoder"

    encoders    called without arguments, it returns a `hybrid.types.Encoder`
    analyzers   called without arguments, it returns a `hybrid.types.Analyzer`, whose id is the name, "-"
                and a version
    fusions     a dataclass of values that JSON has, whose objects are each a `hybrid.types.Fusion`
    rerankers   a dataclass of values that JSON has, whose objects are each a `hybrid.types.Reranker`
    readers     called with the path of a file, it returns its text, or `hybrid.Document`s, whose ids tell
                them apart within the file; the name is the suffix of such files

What is installed is listed from the metadata of packages. Nothing is loaded before it is named; an index
keeps the name and parameters, never the path of a module.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from importlib import metadata
from typing import Any, Final, Literal, TypeAlias, get_args

from hybrid.errors import PluginError
from hybrid.limits import brief, shown

Kind: TypeAlias = Literal["encoders", "analyzers", "fusions", "rerankers", "readers"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
GROUP: Final = "hybrid_retrieval"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Plugin:
    """A module of another package: its ``kind`` and ``name``, the ``package`` and its ``version``, and
    where in it the module is, as "package.module:name"."""

    kind: Kind
    name: str
    package: str
    version: str
    value: str

    def __str__(self) -> str:
        return f"{self.name} of the package {self.package} {self.version} ({self.value})"


@cache
def installed() -> tuple[Plugin, ...]:
    """Every one that is installed, by kind and name. Nothing is loaded. A name is a letter, then letters,
    digits and underscores, all in lower case and at most 32; others are left out."""
    found = {
        Plugin(kind, point.name, *_package(point), point.value)
        for kind in KINDS
        for point in metadata.entry_points(group=f"{GROUP}.{kind}")
        if _NAME.fullmatch(point.name)
    }
    return tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), one.name, one.package)))


def _package(point: metadata.EntryPoint) -> tuple[str, str]:
    return ("?", "?") if point.dist is None else (str(point.dist.name), str(point.dist.version))


def names(kind: Kind) -> list[str]:
    """The names that can be used for a kind."""
    return list(dict.fromkeys(one.name for one in installed() if one.kind == kind))


def find(kind: Kind, name: object) -> Plugin | None:
    """The one of this name; None where none is installed. Raises PluginError where several are."""
    found = [one for one in installed() if (one.kind, one.name) == (kind, name)]
    if len(found) > 1:
        packages = " and ".join(one.package for one in found)
        raise PluginError(f"{kind} {name!r} is in the packages {packages}; uninstall all but one")
    return found[0] if found else None


@cache
def load(plugin: Plugin) -> Any:
    """What its entry point is. Raises PluginError where it cannot be loaded."""
    point = metadata.EntryPoint(plugin.name, plugin.value, f"{GROUP}.{plugin.kind}")
    try:
        return point.load()
    except Exception as cause:
        raise _failed(plugin, "cannot be loaded", cause) from cause


def made(plugin: Plugin, *arguments: Any) -> Any:
    """What it returns when it is called. Raises PluginError."""
    found = load(plugin)
    if not callable(found):
        raise PluginError(f"{plugin} is a {type(found).__name__}, which cannot be called")
    try:
        return found(*arguments)
    except Exception as cause:
        raise _failed(plugin, "failed", cause) from cause


def _failed(plugin: Plugin, what: str, cause: Exception) -> PluginError:
    return PluginError(f"{plugin} {what}: {type(cause).__name__}: {brief(cause)}")


# Values with parameters: fusions and rerankers


def value(plugin: Plugin, parameters: Mapping[str, Any]) -> Any:
    """An object of its dataclass, which can be called. Raises PluginError for unknown parameters, or
    refused ones."""
    kind = load(plugin)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise PluginError(f"{plugin} is no dataclass")
    known = [field.name for field in fields(kind)]
    if unknown := [name for name in parameters if name not in known]:
        raise PluginError(
            f"{plugin} has no parameter {shown(unknown[0])}; its parameters: {', '.join(known) or 'none'}"
        )
    try:
        found = kind(**parameters)
    except Exception as cause:
        raise _failed(plugin, "failed", cause) from cause
    if not callable(found):
        raise PluginError(f"{plugin} is of no use here: its objects cannot be called")
    return found


def stored(kind: Kind, given: object) -> tuple[str, dict[str, Any]] | None:
    """The name and the parameters of an object of such a dataclass; None for any other object. Raises
    PluginError for parameters that JSON does not have."""
    if not is_dataclass(given) or isinstance(given, type):
        return None
    place = f"{type(given).__module__}:{type(given).__qualname__}"
    plugin = next((one for one in installed() if (one.kind, one.value) == (kind, place)), None)
    if plugin is None:
        return None
    parameters = asdict(given)
    try:
        json.dumps(parameters, allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise PluginError(f"{plugin}: its parameters cannot be kept as JSON: {cause}") from cause
    return plugin.name, parameters
