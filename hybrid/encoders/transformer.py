"""Use any sentence-transformers model as an encoder, and export it to a bundle."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hybrid import hub
from hybrid.encoders import build
from hybrid.encoders.bundle import MODEL, Bundle, Manifest, Prompts
from hybrid.encoders.tokens import TOKENIZER, free, token_offsets
from hybrid.errors import EncoderFailed, ModelNotFound, require
from hybrid.limits import brief, shown
from hybrid.threads import inside
from hybrid.types import Matrix

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_UNLIMITED = 1_000_000
"""The window of models that do not state one."""

_PRINTED = ("*.safetensors", "*.bin", "*config*.json")
"""The files of a folder that its id stands for."""


class Transformer:
    """The encoder of a sentence-transformers model, in a folder or named on the hub (``owner/model``,
    ``owner/model@revision``): an ``Encoder`` and ``Windowed``.

    Uses the model's own prompts. Weights are read from safetensors only, and no code of the model's runs.
    Loading takes seconds and some 400 MB; to serve queries, ``export`` it to a bundle. Needs the extra
    ``models``.

    The model is found or downloaded on first use, so any method may raise ModelNotFound, MissingExtra or
    EncoderFailed.
    """

    def __init__(self, place: str | Path) -> None:
        self._place = place
        self._lock = threading.RLock()
        self._loaded: SentenceTransformer | None = None

    def __repr__(self) -> str:
        return f"Transformer({str(self._place)!r})"

    @cached_property
    def id(self) -> str:
        """The name and the revision; for a folder, its name and the beginning of its weights' SHA-256."""
        if isinstance(self._place, Path):
            return f"{self._place.resolve().name}@{hub.fingerprint(self._place, *_PRINTED)}"
        return f"{self._reference.name}@{self._folder.name[:12]}"

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
        return limit - len(self._tokenizer.encode(self._prompts.document).ids)

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

    def export(self, folder: str | Path) -> Bundle:
        """Write a bundle of this model, and open it.

        Raises EncoderFailed if ``folder`` exists, and for a model that does not consist of a network,
        mean or CLS pooling, and optionally a normalisation.
        """
        folder = Path(folder)
        if folder.exists():
            raise EncoderFailed(f"{folder} exists already; choose another folder for the bundle")
        require("exporting a model", "onnx")
        manifest = self._manifest()
        with build.building(folder) as work:
            build.export(self.model[0].auto_model, work / MODEL)
            self._tokenizer.save(str(work / TOKENIZER))
            manifest.write(work)
        return Bundle(folder)

    @property
    def model(self) -> SentenceTransformer:
        """The sentence-transformers model itself; loaded on first use."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> SentenceTransformer:
        require(f"loading {self._place}", "sentence_transformers")
        arguments = hub.as_data(self._folder, str(self._place))
        with hub.quiet(), hub.bars_off():
            from sentence_transformers import SentenceTransformer

            try:
                return SentenceTransformer(**arguments)
            except Exception as error:  # its many libraries raise anything for a folder they cannot read
                raise EncoderFailed(
                    f"{self._place} is not a sentence-transformers model: {brief(error)}"
                ) from error

    @cached_property
    def _folder(self) -> Path:
        if isinstance(self._place, Path):
            return self._place
        return hub.snapshot(self._reference, self._place)

    @property
    def _reference(self) -> hub.Reference:
        found = hub.reference(str(self._place), "encoder")
        if found is None:
            raise ModelNotFound(f"{shown(self._place)} is not the name of a model on the hub")
        return found

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        backend = getattr(self.model.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise EncoderFailed(
                f"{self._place} has no tokenizer of the tokenizers library, which long texts need"
            )
        return free(backend)

    @property
    def _prompts(self) -> Prompts:
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
            prompts=self._prompts,
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
