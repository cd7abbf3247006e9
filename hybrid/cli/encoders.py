"""``hybrid encoders``: which there are by name."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from hybrid import plugins
from hybrid.cli.output import AsJson, out, print_json
from hybrid.encoders.named import MODELS, Named


def list_encoders(as_json: AsJson = False) -> None:
    """List the named encoders and those of other packages. A folder, or the name of a model on the hub, is
    an encoder, too. Nothing is loaded or fetched."""
    found = [_facts(model) for model in MODELS.values()]
    others = [one for one in plugins.installed() if one.kind == "encoders"]
    if as_json:
        print_json([*found, *({"name": one.name, "package": one.package} for one in others)])
        return
    for one in found:
        out.print(Text(_described(one)), soft_wrap=True)
    for other in others:
        out.print(Text(f"{other.name}\n  of the package {other.package} {other.version}"), soft_wrap=True)


def _described(one: dict[str, Any]) -> str:
    prompts = ", ".join(f"{kind} {text!r}" for kind, text in one["prompts"].items() if text) or "none"
    return "\n  ".join(
        (
            f"{one['name']}{'' if one['ready'] else ' (built or fetched when first used)'}",
            f"{one['languages']}; {one['dim']} numbers, {one['max_length']} tokens; {one['licence']}",
            f"prompts: {prompts}",
            f"from {', or '.join(one['sources'])}",
        )
    )


def _facts(model: Named) -> dict[str, Any]:
    return {
        "name": model.name,
        "languages": model.languages,
        "dim": model.dim,
        "max_length": model.max_length,
        "prompts": model.prompts.model_dump(),
        "licence": model.licence,
        "ready": model.ready,
        "sources": [", ".join(map(str, recipe.places)) for recipe in model.recipes],
    }
