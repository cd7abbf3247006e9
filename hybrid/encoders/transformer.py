"""Use any sentence-transformers model as an encoder, and export it to a bundle."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hybrid.encoders import build
from hybrid.encoders.bundle import MODEL, TRAINING, Bundle, Manifest, Prompts
from hybrid.encoders.tokens import TOKENIZER, free, token_offsets
from hybrid.errors import EncoderFailed, ModelNotFound, require
from hybrid.limits import brief
from hybrid.threads import inside
from hybrid.types import Matrix

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_UNLIMITED = 1_000_000
"""The window of models that do not state one."""


class Transformer:
    """The encoder of a sentence-transformers model, in a folder or named on the hub: an ``Encoder`` and
    ``Windowed``.

    Uses the model's own prompts. Loading takes seconds and some 400 MB; to serve queries, ``export`` it
    to a bundle. Needs the extra ``models``.

    The model is found or downloaded on first use, so any method may raise ModelNotFound, MissingExtra or
    EncoderFailed. One that is loaded already is used as ``model``; then ``place`` is its id.
    """

    def __init__(self, place: str | Path, model: SentenceTransformer | None = None) -> None:
        self._place = place
        self._lock = threading.RLock()
        self._given = model is not None
        self._loaded = model

    def __repr__(self) -> str:
        return f"Transformer({str(self._place)!r})"

    @cached_property
    def id(self) -> str:
        """The name and the revision; for a folder, its name and the beginning of its weights' SHA-256."""
        if self._given:
            return str(self._place)
        if isinstance(self._place, Path):
            return f"{self._place.resolve().name}@{_fingerprint(self._place)}"
        return f"{self._place}@{self._folder.name[:12]}"

    @property
    def dim(self) -> int:
        dim = self.model.get_embedding_dimension()
        if dim is None:
            raise EncoderFailed(f"{self._place} does not state the length of its vectors")
        return dim

    @property
    def max_tokens(self) -> int:
        """The number of a document's tokens that fit beside the prompt and the special tokens."""
        limit = min(self.model.max_seq_length or _UNLIMITED, _UNLIMITED)
        return limit - len(self._tokenizer.encode(self.prompts.document).ids)

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        """Return the characters ``text[start:end]`` of each token, in order, (n, 2); nothing is
        truncated."""
        return token_offsets(self._tokenizer, text)

    def documents(self, texts: Sequence[str]) -> Matrix:
        """Encode documents: float32 (len(texts), dim); computed in bfloat16 on a CPU with AMX, which is 2
        to 3 times faster."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        with _bfloat16(self.model):
            return self._encode(self.model.encode_document, texts)

    def queries(self, texts: Sequence[str]) -> Matrix:
        """Encode queries: float32 (len(texts), dim)."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        return self._encode(self.model.encode_query, texts)

    def export(self, folder: str | Path, training: Mapping[str, Any] | None = None) -> Bundle:
        """Write a bundle of this model, and open it. ``training``: how it was trained, for the bundle to
        tell.

        Raises EncoderFailed if ``folder`` exists, and for a model that cannot be a bundle.
        """
        folder = Path(folder)
        if folder.exists():
            raise EncoderFailed(f"{folder} exists already; choose another folder for the bundle")
        self.check_exportable()
        manifest = self._manifest()
        with build.building(folder) as work:
            build.export(self.model[0].auto_model, work / MODEL)
            self._tokenizer.save(str(work / TOKENIZER))
            if training is not None:
                text = json.dumps(training, ensure_ascii=False, indent=2)
                (work / TRAINING).write_text(text + "\n", encoding="utf-8")
            manifest.write(work)
        return Bundle(folder)

    def check_exportable(self) -> None:
        """Raises EncoderFailed for a model that does not consist of a network, mean or CLS pooling, and
        optionally a normalisation."""
        require("exporting a model", "onnx")
        self._pooling()

    @property
    def model(self) -> SentenceTransformer:
        """The sentence-transformers model itself; loaded on first use."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> SentenceTransformer:
        require(f"loading {self._place}", "sentence_transformers")
        folder = self._folder
        with build.quiet(), _bars_off():
            from sentence_transformers import SentenceTransformer

            try:
                return SentenceTransformer(str(folder), local_files_only=True)
            except Exception as error:  # its many libraries raise anything for a folder they cannot read
                raise EncoderFailed(
                    f"{self._place} is not a sentence-transformers model: {brief(error)}"
                ) from error

    @cached_property
    def _folder(self) -> Path:
        return self._place if isinstance(self._place, Path) else _snapshot(self._place)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        backend = getattr(self.model.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise EncoderFailed(
                f"{self._place} has no tokenizer of the tokenizers library, which long texts need"
            )
        return free(backend)

    @property
    def prompts(self) -> Prompts:
        """The model's own prompts."""
        known = self.model.prompts
        default = known.get(self.model.default_prompt_name or "") or ""
        document = next(filter(None, map(known.get, ("document", "passage", "corpus"))), default)
        return Prompts(query=known.get("query") or default, document=document)

    def _encode(self, encode: Any, texts: Sequence[str]) -> Matrix:
        try:
            with inside:
                return np.asarray(encode(list(texts), show_progress_bar=False), np.float32)
        except Exception as error:  # torch raises many classes
            raise EncoderFailed(f"{self._place} failed: {brief(error)}") from error

    def _manifest(self) -> Manifest:
        return Manifest(
            id=f"{self.id}:onnx",
            dim=self.dim,
            max_length=self.model.max_seq_length or _UNLIMITED,
            pooling=self._pooling(),
            normalize=any(type(module).__name__ == "Normalize" for module in self.model),
            prompts=self.prompts,
            source=str(self.id),
        )

    def _pooling(self) -> Literal["mean", "cls"]:
        kinds = [type(module).__name__ for module in self.model]
        pooling = getattr(self.model[1], "pooling_mode", None) if len(kinds) > 1 else None
        if (
            kinds[:2] != ["Transformer", "Pooling"]
            or set(kinds[2:]) - {"Normalize"}
            or pooling not in ("mean", "cls")
        ):
            raise EncoderFailed(
                f"{self._place} cannot be a bundle: it is {' + '.join(kinds)} with {pooling} pooling, "
                "a bundle is Transformer + Pooling (mean or cls) + Normalize"
            )
        found: Literal["mean", "cls"] = pooling
        return found


def _snapshot(name: str) -> Path:
    """Return the folder of ``name`` in the hub's cache; download it if it is missing."""
    require(f"the model {name} from the hub", "sentence_transformers", "huggingface_hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE

    repository = name if "/" in name else f"sentence-transformers/{name}"
    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except OSError:
        pass
    why = "HF_HUB_OFFLINE is set"
    if not HF_HUB_OFFLINE:
        try:
            with build.quiet():
                skipped = ["onnx/*", "openvino/*", "*.onnx", "*.h5", "*.ot", "*.msgpack"]
                return Path(snapshot_download(repository, etag_timeout=5, ignore_patterns=skipped))
        except Exception as error:  # the hub's client passes on errors of its HTTP library
            why = brief(error)
    raise ModelNotFound(
        f"{name} is nowhere to be found: no folder of that name, not in the hub's cache ({HF_HUB_CACHE}), "
        f"not on the model hub as {repository} ({why})"
    )


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(
        [*folder.rglob("*.safetensors"), *folder.rglob("*.bin"), *folder.rglob("*config*.json")]
    ):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


@contextmanager
def _bars_off() -> Iterator[None]:
    """Turn off the progress bars of transformers, which has its own switch."""
    from transformers.utils import logging

    bars: Any = logging  # its functions carry no types
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@contextmanager
def _bfloat16(model: SentenceTransformer) -> Iterator[None]:
    import torch

    with torch.autocast("cpu", torch.bfloat16, enabled=model.device.type == "cpu" and _has_amx()):
        yield


def _has_amx() -> bool:
    try:
        return " amx_bf16 " in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
