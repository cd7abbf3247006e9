"""Bundles: a text encoder as a folder that onnxruntime and tokenizers can serve alone.

model.onnx       token ids to token vectors, float32 (batch, tokens, dim); where ONNX keeps the
                 weights apart, the file of weights lies beside it
tokenizer.json   of the tokenizers library
encoder.json     the manifest: how to prompt, pool and normalise, and what the other files must be
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hybrid.encoders.tokens import token_offsets
from hybrid.errors import EncoderFailed, FormatTooNew, ModelNotFound
from hybrid.limits import shown
from hybrid.types import Matrix

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
MANIFEST = "encoder.json"
FORMAT: Literal[1] = 1


class Prompts(BaseModel):
    """What is put before a text, by its role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = ""
    document: str = ""


class Digest(BaseModel):
    """What a file must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Digest:
        with path.open("rb") as file:
            return cls(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


class Manifest(BaseModel):
    """``encoder.json``. ``max_length`` counts tokens, prompt and special tokens included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = FORMAT
    id: str = Field(min_length=1)
    dim: int = Field(gt=0)
    max_length: int = Field(gt=2)
    pooling: Literal["mean", "cls"] = "mean"
    normalize: bool = True
    prompts: Prompts = Prompts()
    source: str = ""
    files: dict[str, Digest] = {}

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Raises ModelNotFound if there is none, FormatTooNew, or EncoderFailed if it is malformed."""
        path = folder / MANIFEST
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ModelNotFound(
                f"{folder} is no encoder bundle: {MANIFEST} cannot be read ({error.strerror})"
            ) from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            if field == "format":
                raise FormatTooNew(
                    f"{path} has format {shown(first['input'])}, this version reads {FORMAT}; upgrade"
                ) from None
            raise EncoderFailed(
                f"{path}: {field}: {first['msg']}; delete the folder and build it again"
            ) from None

    def write(self, folder: Path) -> None:
        """Write the manifest of the files that lie in ``folder`` already."""
        digests = {path.name: Digest.of(path) for path in sorted(folder.iterdir())}
        complete = self.model_copy(update={"files": digests})
        (folder / MANIFEST).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


class Bundle:
    """The encoder of a bundle: an ``Encoder`` and ``Windowed``.

    Opening reads the manifest only; the network and the tokenizer load at the first text. Then the
    files' sizes are checked, which finds an interrupted copy; ``verify`` checks every byte.

    Every text runs alone, on one core: several at once on several cores. A batch would save nothing
    (what it gains, padding costs), and under dynamic quantisation, which takes one scale a batch, a
    text's vector would depend on its neighbours.
    Texts longer than the window are cut off at its end: cut them first (``hybrid.encoders.cut``).
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        self._lock = threading.Lock()
        self._loaded: tuple[Tokenizer, Any] | None = None

    def __repr__(self) -> str:
        return f"Bundle({str(self.folder)!r})"

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def dim(self) -> int:
        return self.manifest.dim

    @property
    def max_tokens(self) -> int:
        """How many tokens of a document fit beside the prompt and the special tokens."""
        prompt = self._tokenizer.encode(self.manifest.prompts.document)
        return self.manifest.max_length - len(prompt.ids)

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        """(n, 2): the characters ``text[start:end]`` of each token, in order, nothing truncated."""
        return token_offsets(self._tokenizer, text)

    def documents(self, texts: Sequence[str]) -> Matrix:
        """float32 (len(texts), dim), of unit length if the manifest says so.

        Raises EncoderFailed if the bundle is damaged or a text cannot be encoded.
        """
        return self._encode(texts, self.manifest.prompts.document)

    def queries(self, texts: Sequence[str]) -> Matrix:
        """As ``documents``, with the prompt for queries."""
        return self._encode(texts, self.manifest.prompts.query)

    def verify(self) -> None:
        """Read every file and compare its SHA-256. Raises EncoderFailed if one differs."""
        for name, digest in self.manifest.files.items():
            if Digest.of(self.folder / name) != digest:
                raise self._damaged(name)

    def _encode(self, texts: Sequence[str], prompt: str) -> Matrix:
        tokens = [self._fit(one.ids) for one in self._tokenize([prompt + text for text in texts])]
        if len(tokens) == 1:
            return self._run(tokens[0])[None]
        vectors = np.empty((len(texts), self.dim), np.float32)
        with ThreadPoolExecutor(cores(), "encoder") as pool:
            for row, vector in enumerate(pool.map(self._run, tokens)):
                vectors[row] = vector
        return vectors

    def _tokenize(self, texts: list[str]) -> list[Encoding]:
        try:
            if len(texts) == 1:  # a batch would be handed to the tokenizer's thread pool
                return [self._tokenizer.encode(texts[0])]
            return self._tokenizer.encode_batch_fast(texts)
        except BaseException as error:  # a panic of the tokenizer's is no Exception
            if not isinstance(error, (TypeError, ValueError)) and type(error).__name__ != "PanicException":
                raise
            raise EncoderFailed(f"{self.id} cannot take a text: {error}") from error

    def _fit(self, ids: list[int]) -> list[int]:
        """The last guard: keep the beginning, and the special token at the end."""
        limit = self.manifest.max_length
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]

    def _run(self, tokens: list[int]) -> Matrix:
        """The vector (dim,) of one text."""
        ids = np.array([tokens], np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        try:
            (states,) = self._session.run(None, {name: inputs[name] for name in self._inputs})
        except Exception as error:  # onnxruntime raises classes of its own
            raise EncoderFailed(f"{self.id} failed on {len(tokens)} tokens: {error}") from error
        vector: Matrix = states[0, 0] if self.manifest.pooling == "cls" else states[0].mean(axis=0)
        return vector / max(float(np.linalg.norm(vector)), 1e-12) if self.manifest.normalize else vector

    @property
    def _tokenizer(self) -> Tokenizer:
        return self._load()[0]

    @property
    def _session(self) -> Any:
        return self._load()[1]

    @property
    def _inputs(self) -> list[str]:
        return [given.name for given in self._session.get_inputs()]

    def _load(self) -> tuple[Tokenizer, Any]:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._open()
        return self._loaded

    def _open(self) -> tuple[Tokenizer, Any]:
        for name, digest in self.manifest.files.items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != digest.size:
                raise self._damaged(name)
        try:
            return open_tokenizer(self.folder / TOKENIZER), open_session(self.folder / MODEL)
        except Exception as error:  # both libraries raise plain Exception for a malformed file
            raise EncoderFailed(
                f"{self.folder} cannot be loaded: {error}; delete the folder and build it again"
            ) from error

    def _damaged(self, name: str) -> EncoderFailed:
        return EncoderFailed(
            f"{self.folder / name} is not the file that was built; delete {self.folder} and build it again"
        )


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_tokenizer(path: Path) -> Tokenizer:
    """Load a tokenizer that neither truncates nor pads, whatever its file says."""
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def open_session(path: Path) -> Any:
    """Load a network for one-core runs; several threads may run it at once."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
