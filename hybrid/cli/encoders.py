"""``hybrid encoders``: which there are by name, and the rerankers of the catalogue."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from hybrid import plugins
from hybrid.cli.output import AsJson, out, print_json
from hybrid.encoders.named import MODELS, Named
from hybrid.hub import PUBLISHED, Published


def list_encoders(as_json: AsJson = False) -> None:
    """List the named encoders, the models of the catalogue (encoders, and rerankers for hybrid rerank), and
    the encoders of other packages. A folder, or the name of a model on the hub, is an encoder, too. Nothing
    is loaded or fetched."""
    named = [_facts(model) for model in MODELS.values()]
    published = [_published(model) for model in PUBLISHED.values()]
    others = [one for one in plugins.installed() if one.kind == "encoders"]
    if as_json:
        packaged = ({"name": one.name, "kind": "encoder", "package": one.package} for one in others)
        print_json([*named, *published, *packaged])
        return
    shown = [*map(_described, named), *map(_described_as_published, published)]
    shown += [f"{one.name}\n  of the package {one.package} {one.version}" for one in others]
    for text in shown:
        out.print(Text(text), soft_wrap=True)


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
        "kind": "encoder",
        "languages": model.languages,
        "dim": model.dim,
        "max_length": model.max_length,
        "prompts": model.prompts.model_dump(),
        "licence": model.licence,
        "ready": model.ready,
        "sources": [", ".join(map(str, recipe.places)) for recipe in model.recipes],
    }


def _described_as_published(one: dict[str, Any]) -> str:
    dim = f"{one['dim']} numbers, " if one["dim"] else ""
    lines = [
        f"{one['name']} ({one['kind']}{'' if one['tried'] else ', not tried here'})",
        f"{one['languages']}; {dim}{one['max_length']} tokens; {one['licence']}; "
        f"{one['parameters']} million parameters",
        f"the model hub's {one['repository']} at {one['revision']}",
        f"facts: {one['facts']}; card: {one['card']}",
    ]
    return "\n  ".join([*lines, *filter(None, [one["remark"]])])


def _published(model: Published) -> dict[str, Any]:
    return {
        "name": model.name,
        "kind": model.kind,
        "languages": model.languages,
        "dim": model.dim,
        "max_length": model.max_length,
        "prompts": None,
        "licence": model.licence,
        "parameters": model.parameters,
        "repository": model.repository,
        "revision": model.revision,
        "tried": model.tried,
        "remark": model.remark,
        "facts": model.facts,
        "card": model.card,
    }
