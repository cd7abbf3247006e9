"""A cross-encoder reads query and document together, so nothing can be precomputed: slow, often the
best."""

from __future__ import annotations

import hashlib
import logging
import math
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import EncoderFailed, ModelNotFound, QueryError, require
from hybrid.limits import brief, shown
from hybrid.rerank.features import column
from hybrid.rerank.ordering import Values, continued, standard
from hybrid.types import Candidates

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder as Network

_BATCH: Final = 32
_CHARACTERS: Final = 16
"""Characters of a text kept per token of the model's window: the tokenizer would truncate longer texts
anyway, but more slowly."""


@dataclass(frozen=True)
class CrossEncoder:
    """Reorders the first ``top`` by ``weight`` * z(the model's score of query and text) + (1 -
    ``weight``) * z(fused score); the others keep their order below. z standardises within the query.

    ``model`` is a folder, or a name on the model hub, of any sentence-transformers CrossEncoder that gives
    one score per pair; it loads with the first query. Text beyond its window is cut off. A query without
    text keeps its order. ``version``: the only weights to accept (see ``pinned``); None accepts any. Needs
    the extra ``models``. Raises QueryError for a ``weight`` outside 0 to 1 and for a ``top`` below 1; when
    called, MissingExtra, ModelNotFound, EncoderFailed. Nogueira and Cho, "Passage Re-ranking with BERT",
    2019.
    """

    features: ClassVar[tuple[str, ...]] = ("text",)

    model: str
    top: int = 50
    weight: float = 1.0
    version: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or not 0 <= self.weight <= 1:
            raise QueryError(f"CrossEncoder: weight is {shown(self.weight)}; it must be from 0 to 1")
        if not isinstance(self.top, int) or self.top < 1:
            raise QueryError(f"CrossEncoder: top is {shown(self.top)}; it must be an integer from 1")

    def __call__(
        self, query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]]
    ) -> Candidates:
        if query is None or not len(candidates):
            return candidates
        texts = column(features, "text", self)[: self.top].tolist()
        return self.placed(candidates, self.scores(query, texts))

    def scores(self, query: str, texts: Sequence[str]) -> Values:
        """Return the model's output for the pairs, without activation: float64 (len(texts),)."""
        network = _loaded(self.model)
        if self.version not in (None, network.version):
            raise EncoderFailed(
                f"the cross-encoder {shown(self.model)} is now version {network.version}, not "
                f"{self.version}, which was evaluated; run hybrid rerank again"
            )
        return network.scores(query, texts)

    def pinned(self) -> CrossEncoder:
        """Return a copy with an absolute path that accepts only the current weights, named by the beginning
        of the folder's SHA-256 or by the hub's revision."""
        return replace(self, model=absolute(self.model), version=_loaded(self.model).version)

    def placed(self, candidates: Candidates, scores: Values) -> Candidates:
        """Reorder ``candidates``, given the model's ``scores`` of the first ones."""
        head = candidates.top(len(scores))
        mixed = self.weight * standard(scores) + (1 - self.weight) * standard(head.scores)
        ranked = Candidates.ranked(head.ordinals, mixed.astype(np.float32))
        return continued(ranked, candidates.ordinals[len(head) :])


def absolute(model: str) -> str:
    """Return a folder's absolute path; a name on the hub as it is."""
    folder = Path(model).expanduser()
    return str(folder.absolute()) if folder.is_dir() else model


class _Network:
    """A loaded model. Only one thread at a time may use it: its tokenizer is not thread-safe."""

    def __init__(self, name: str, network: Network, version: str | None) -> None:
        self._name, self._network, self.version = name, network, version
        self._lock = threading.Lock()
        self._longest = _CHARACTERS * (network.max_seq_length or 512)

    def scores(self, query: str, texts: Sequence[str]) -> Values:
        from torch import nn

        pairs = [(query[: self._longest], text[: self._longest]) for text in texts]
        try:
            with self._lock:
                found: Any = self._network.predict(
                    pairs, batch_size=_BATCH, show_progress_bar=False, activation_fn=nn.Identity()
                )
        except Exception as error:  # torch raises many classes
            raise EncoderFailed(f"the cross-encoder {self._name} failed: {brief(error)}") from error
        scores = np.asarray(found, np.float64)
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise EncoderFailed(
                f"the cross-encoder {self._name} must return one finite number per pair; for "
                f"{len(texts)} pairs it returned the shape {scores.shape}"
            )
        return scores


_loading = threading.Lock()


def _loaded(model: str) -> _Network:
    """Return the model, loaded once for all rerankers that name it."""
    with _loading:
        return _load(absolute(model))


@lru_cache(maxsize=2)
def _load(model: str) -> _Network:
    require(f"the cross-encoder {shown(model)}", "sentence_transformers")
    with _quiet():
        if (folder := Path(model)).is_dir():
            return _Network(shown(model), _from_folder(model), _fingerprint(folder))
        network = _from_hub(model)
        return _Network(shown(model), network, getattr(network.config, "_commit_hash", None))


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    patterns = ("*.safetensors", "*.bin", "*.json", "*.txt")
    for path in sorted(path for pattern in patterns for path in folder.rglob(pattern)):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _from_folder(folder: str) -> Network:
    from sentence_transformers import CrossEncoder as Network

    try:
        network: Network = Network(folder, local_files_only=True)
        return network
    except Exception as error:  # its many libraries raise anything for a folder that they cannot read
        raise EncoderFailed(f"{shown(folder)} is not a cross-encoder: {brief(error)}") from error


def _from_hub(name: str) -> Network:
    from huggingface_hub.constants import HF_HUB_CACHE, HF_HUB_OFFLINE
    from sentence_transformers import CrossEncoder as Network

    why = "HF_HUB_OFFLINE is set"
    for cached in (True,) if HF_HUB_OFFLINE else (True, False):
        try:
            network: Network = Network(name, local_files_only=cached)
            return network
        except Exception as error:  # the hub's client passes on errors of its HTTP library
            why = why if cached else brief(error)
    raise ModelNotFound(
        f"the cross-encoder {shown(name)} is nowhere to be found: no folder of that name, not in the hub's "
        f"cache ({HF_HUB_CACHE}), not on the model hub ({why}); put it back, or use another profile: "
        "hybrid profile DIR use N"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers, which warns, logs and draws progress bars while it loads."""
    from transformers.utils import logging as transformers_logging

    bars: Any = transformers_logging  # its functions carry no types
    shown_before, disabled = bars.is_progress_bar_enabled(), logging.root.manager.disable
    logging.disable(logging.WARNING)
    bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if shown_before:
            bars.enable_progress_bar()
        logging.disable(disabled)
