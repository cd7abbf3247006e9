"""Bundles: a text encoder as a folder that needs only onnxruntime and tokenizers.

model.onnx       token ids to token vectors, float32 (1, tokens, dim); if ONNX stores the weights
                 separately, the file of weights is beside it
queries.onnx     optional: the same for queries, faster and almost equal
tokenizer.json   of the tokenizers library; with unigram.json beside it, it lacks the vocabulary, which
                 is in the files that hybrid.encoders.unigram describes
training.json    optional: how the encoder was trained, and on which queries: hybrid.encoders.trained
encoder.json     the manifest: prompts, pooling, normalisation, and checksums of the other files
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hybrid.encoders import unigram
from hybrid.encoders.tokens import TOKENIZER, LibraryTokens, Tokens
from hybrid.errors import EncoderFailed, FormatTooNew, ModelNotFound
from hybrid.limits import named, shown
from hybrid.threads import inside
from hybrid.types import Matrix

MODEL = "model.onnx"
QUERY_MODEL = "queries.onnx"
MANIFEST = "encoder.json"
TRAINING = "training.json"
FORMAT: Literal[2] = 2
"""Format 1 had no separate network for queries and no tokenizer without vocabulary; it can still be
read."""

T = TypeVar("T")


class Prompts(BaseModel):
    """The prompts put before queries and before documents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    query: str = ""
    document: str = ""


class Digest(BaseModel):
    """The length and checksum that a file must have."""

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

    format: Literal[1, 2] = FORMAT
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
        """Read the manifest. Raises ModelNotFound if there is none, FormatTooNew, or EncoderFailed if it is
        malformed."""
        path = folder / MANIFEST
        try:
            text = path.read_bytes()
        except OSError as error:
            raise ModelNotFound(
                f"{folder} is not an encoder bundle: {MANIFEST} cannot be read ({error.strerror})"
            ) from None
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(named, first["loc"]))
            if field == "format":
                raise FormatTooNew(
                    f"{path} has format {shown(first['input'])}, this version reads {FORMAT}; upgrade"
                ) from None
            raise EncoderFailed(
                f"{path}: {field or 'the file'}: {first['msg']}; delete the folder and build it again"
            ) from None

    def write(self, folder: Path) -> None:
        """Write the manifest, with checksums of the files now in ``folder``."""
        digests = {path.name: Digest.of(path) for path in sorted(folder.iterdir())}
        complete = self.model_copy(update={"files": digests})
        (folder / MANIFEST).write_text(complete.model_dump_json(indent=2) + "\n", encoding="utf-8")


class _Once(Generic[T]):
    """Calls ``make`` once, on the first call, and keeps its result. Thread-safe."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]


class Bundle:
    """The encoder of a bundle: an ``Encoder`` and ``Windowed``.

    Opening reads only the manifest; the network and the tokenizer load with the first text. Then the files'
    sizes are checked, which detects an interrupted copy; ``verify`` checks every byte.

    Each text runs alone on one core, several texts in parallel on several cores. Batches would not be
    faster (padding costs what they gain), and under dynamic quantisation, with one scale per batch, a
    text's vector would depend on the others. Texts longer than the window are truncated: cut them into
    windows first (``hybrid.encoders.cut``).
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = Manifest.read(self.folder)
        self._tokens = _Once(self._open_tokens)
        self._model = _Once(partial(self._open_network, MODEL))
        self._query_model = self._model
        if QUERY_MODEL in self.manifest.files:
            self._query_model = _Once(partial(self._open_network, QUERY_MODEL))

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
        """The number of a document's tokens that fit beside the prompt and the special tokens."""
        return self.manifest.max_length - len(self._tokens().ids(self.manifest.prompts.document))

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        """Return the characters ``text[start:end]`` of each token, in order, (n, 2); nothing is
        truncated."""
        return self._tokens().offsets(text)

    def documents(self, texts: Sequence[str]) -> Matrix:
        """Encode documents: float32 (len(texts), dim), of unit length if the manifest says so.

        Raises EncoderFailed if the bundle is damaged or a text cannot be encoded.
        """
        return self._encode(texts, self.manifest.prompts.document, self._model)

    def queries(self, texts: Sequence[str]) -> Matrix:
        """Encode queries: as ``documents``, with the prompt for queries."""
        return self._encode(texts, self.manifest.prompts.query, self._query_model)

    def verify(self) -> None:
        """Read every file and compare its SHA-256. Raises EncoderFailed if one differs."""
        for name, digest in self.manifest.files.items():
            if Digest.of(self.folder / name) != digest:
                raise self._damaged(name)

    def _encode(self, texts: Sequence[str], prompt: str, model: _Once[Any]) -> Matrix:
        vector = partial(self._vector, model)
        if len(texts) == 1:
            return vector(prompt + texts[0])[None]
        vectors = np.empty((len(texts), self.dim), np.float32)
        with ThreadPoolExecutor(cores(), "encoder") as pool:
            for row, one in enumerate(pool.map(vector, [prompt + text for text in texts])):
                vectors[row] = one
        return vectors

    def _vector(self, model: _Once[Any], text: str) -> Matrix:
        return self._run(model(), self._fit(self._ids(text)))

    def _ids(self, text: str) -> list[int]:
        tokens = self._tokens()
        try:
            return tokens.ids(text)
        except BaseException as error:  # a panic of the tokenizer is not an Exception
            if not isinstance(error, (TypeError, ValueError)) and type(error).__name__ != "PanicException":
                raise
            raise EncoderFailed(f"{self.id} cannot take a text: {error}") from error

    def _fit(self, ids: list[int]) -> list[int]:
        """Truncate to the window: keep the beginning and the special token at the end."""
        limit = self.manifest.max_length
        return ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]]

    def _run(self, session: Any, tokens: list[int]) -> Matrix:
        """Return the vector (dim,) of one text."""
        ids = np.array([tokens], np.int64)
        inputs = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        try:
            with inside:
                (states,) = session.run(
                    None, {given.name: inputs[given.name] for given in session.get_inputs()}
                )
        except Exception as error:  # onnxruntime raises classes of its own
            raise EncoderFailed(f"{self.id} failed on {len(tokens)} tokens: {error}") from error
        vector: Matrix = states[0, 0] if self.manifest.pooling == "cls" else states[0].mean(axis=0)
        return vector / max(float(np.linalg.norm(vector)), 1e-12) if self.manifest.normalize else vector

    def _open_tokens(self) -> Tokens:
        return self._opened(_tokens, self.folder)

    def _open_network(self, name: str) -> Any:
        return self._opened(open_session, self.folder / name)

    def _opened(self, opening: Callable[[Path], T], path: Path) -> T:
        for name, digest in self.manifest.files.items():
            file = self.folder / name
            if not file.is_file() or file.stat().st_size != digest.size:
                raise self._damaged(name)
        try:
            return opening(path)
        except Exception as error:  # the libraries raise plain Exception for a malformed file
            raise EncoderFailed(
                f"{self.folder} cannot be loaded: {error}; delete the folder and build it again"
            ) from error

    def _damaged(self, name: str) -> EncoderFailed:
        return EncoderFailed(
            f"{self.folder / name} is not the file that was built; delete {self.folder} and build it again"
        )


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tokens(folder: Path) -> Tokens:
    return unigram.UnigramTokens(folder) if unigram.is_in(folder) else LibraryTokens(folder / TOKENIZER)


def open_session(path: Path) -> Any:
    """Load a network that runs on one core; several threads may run it at the same time."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
