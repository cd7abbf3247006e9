"""Fusions as JSON, the form in which an index stores its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from itertools import islice
from typing import Any, Final

from hybrid import plugins
from hybrid.errors import SettingsError
from hybrid.fusion.adaptive import Adaptive
from hybrid.fusion.combsum import CombSUM
from hybrid.fusion.linear import Linear
from hybrid.fusion.normalize import NORMALIZERS, Normalizer
from hybrid.fusion.rocchio import Rocchio
from hybrid.fusion.rrf import RRF
from hybrid.limits import shown
from hybrid.types import Fusion

_MOST: Final = 20  # parameters; no method has as many
_METHODS: Final[Mapping[str, type[RRF | Linear | CombSUM | Rocchio | Adaptive]]] = {
    "rrf": RRF,
    "linear": Linear,
    "combsum": CombSUM,
    "rocchio": Rocchio,
    "adaptive": Adaptive,
}


def dump(fusion: Fusion) -> dict[str, Any]:
    """Write a fusion as JSON: ``{"method": "rrf", "k": 60}``. Raises SettingsError for one that is neither
    of this package nor a plug-in."""
    if isinstance(fusion, RRF):
        weighted = {} if fusion.weights is None else {"weights": list(fusion.weights)}
        return {"method": "rrf", "k": fusion.k, **weighted}
    if isinstance(fusion, Rocchio):
        first = dump(fusion.first)
        return {"method": "rocchio", "first": first, "share": fusion.share, "top": fusion.top}
    if isinstance(fusion, CombSUM):
        return {"method": "combsum", "normalize": _name(fusion.normalize)}
    if isinstance(fusion, Linear):
        return {
            "method": "linear",
            "weights": list(fusion.weights),
            "normalize": _name(fusion.normalize),
            "complete": fusion.complete,
            **({"coverage": fusion.coverage} if fusion.coverage else {}),
        }
    if isinstance(fusion, Adaptive):
        return {
            "method": "adaptive",
            "signal": fusion.signal,
            "slope": fusion.slope,
            "bias": fusion.bias,
            "normalize": _name(fusion.normalize),
        }
    if (known := plugins.stored("fusions", fusion)) is not None:
        return {"method": known[0], **known[1]}
    raise SettingsError(
        f"{shown(fusion)} has no stored form; pass it to each search, or use one of this package or of "
        "another that brings one (hybrid.plugins)"
    )


def load(profile: Mapping[str, Any]) -> Fusion:
    """Read what ``dump`` wrote; a missing parameter has its default. Raises SettingsError for an unknown
    method or parameter, QueryError for a value that the method refuses."""
    if not isinstance(profile, Mapping):
        raise SettingsError(f"stored fusion: {shown(profile)} is not a JSON object")
    parameters = dict(islice(profile.items(), _MOST))
    name = parameters.pop("method", None)
    method = _METHODS.get(name) if isinstance(name, str) else None
    if method is None:
        return _of_package(name, parameters)
    known = [field.name for field in fields(method)]
    if unknown := [key for key in parameters if key not in known]:
        raise SettingsError(
            f"stored fusion {name}: no parameter {shown(unknown[0])}; it has {', '.join(known)}"
        )
    if method is Rocchio and "first" in parameters:
        parameters["first"] = load(parameters["first"])
    return method(**parameters)


def _of_package(name: object, parameters: Mapping[str, Any]) -> Fusion:
    """A fusion of another package."""
    if (plugin := plugins.find("fusions", name)) is None:
        known = ", ".join([*_METHODS, *plugins.names("fusions")])
        raise SettingsError(f"stored fusion: method is {shown(name)}; it must be one of {known}")
    made: Fusion = plugins.value(plugin, parameters)
    return made


def _name(normalizer: Normalizer) -> str:
    for name, known in NORMALIZERS.items():
        if type(normalizer) is known:
            return name
    raise SettingsError(f"{shown(normalizer)} has no stored form; use one of {', '.join(NORMALIZERS)}")
