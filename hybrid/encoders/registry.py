"""Find the encoder that a user names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeGuard

from numpy.typing import ArrayLike

from hybrid import hub, plugins
from hybrid.encoders.bundle import MANIFEST, Bundle
from hybrid.encoders.function import FunctionEncoder
from hybrid.encoders.named import MODELS
from hybrid.encoders.transformer import Transformer
from hybrid.errors import ModelNotFound, PluginError
from hybrid.limits import shown
from hybrid.plugins import Plugin
from hybrid.types import Encoder

EncoderSpec: TypeAlias = str | Path | Encoder | Callable[[list[str]], ArrayLike]


def load(spec: EncoderSpec) -> Encoder:
    """Return the encoder that ``spec`` names or is.

    ``spec`` is a named model (``"multilingual-e5-small"``, ``"all-MiniLM-L6-v2"``), an encoder of another
    package (`hybrid.plugins`), a short name of the catalogue (`hybrid.hub.PUBLISHED`), a folder (a bundle,
    or a sentence-transformers model), a sentence-transformers model on the hub (``owner/model``, or
    ``owner/model@revision`` with a commit, branch or tag), a function from a list of texts to vectors, or
    an encoder. A string means the first of these, in this order.

    Models load with the first text they encode; only a named model that is not in the cache is fetched and
    built here. Raises ModelNotFound, MissingExtra, or EncoderFailed for a damaged bundle.
    """
    if isinstance(spec, str) and spec in MODELS:
        return MODELS[spec].open()
    if isinstance(spec, str) and (plugin := plugins.find("encoders", spec)) is not None:
        return _of(plugin)
    if isinstance(spec, str) and spec in hub.PUBLISHED:
        return _on_hub(spec)
    if isinstance(spec, str | Path):
        return _at(spec)
    if _is_encoder(spec):
        return spec
    if callable(spec):
        return FunctionEncoder(spec)
    raise ModelNotFound(f"{shown(spec)} is not an encoder: give a name, a folder, a function or an encoder")


def spec_of(spec: EncoderSpec) -> str | None:
    """Return ``spec`` as text that ``load`` accepts in any working directory; None for an object."""
    if isinstance(spec, str) and (spec in MODELS or plugins.find("encoders", spec) is not None):
        return spec
    if isinstance(spec, str) and spec in hub.PUBLISHED:
        return spec
    if isinstance(spec, Path):
        return str(spec.expanduser().absolute())
    if isinstance(spec, str):
        return str(hub.folder(spec) or _short(spec))
    return None


def _short(name: str) -> str:
    """The short name of a repository of the catalogue; other names as they are."""
    return next((one.name for one in hub.PUBLISHED.values() if one.repository == name), name)


def _of(plugin: Plugin) -> Encoder:
    encoder = plugins.made(plugin)
    if not _is_encoder(encoder):
        raise PluginError(f"{plugin} returns no encoder but {shown(encoder)}")
    return encoder


def _at(place: str | Path) -> Encoder:
    if (folder := hub.folder(str(place))) is None:
        return _on_hub(place)
    return Bundle(folder) if (folder / MANIFEST).is_file() else Transformer(folder)


def _on_hub(name: str | Path) -> Encoder:
    if isinstance(name, str) and hub.reference(name, "encoder") is not None:
        return Transformer(name)
    raise ModelNotFound(
        f"{shown(name)} is not an encoder: not a named model ({', '.join(MODELS)}), "
        "not one of an installed package (hybrid plugins), not a folder and not a name on the hub"
    )


def _is_encoder(spec: object) -> TypeGuard[Encoder]:
    methods = all(callable(getattr(spec, method, None)) for method in ("documents", "queries"))
    return methods and {"id", "dim"}.issubset(dir(spec))  # to ask for them could load a model
