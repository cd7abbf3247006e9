"""Rerankers whose scores a model of sentence-transformers computes from the query and the texts."""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import NDArray

from hybrid import hub
from hybrid.errors import EncoderFailed, ModelNotFound, QueryError, require
from hybrid.limits import brief, shown
from hybrid.rerank.features import column
from hybrid.rerank.ordering import Values, continued, standard
from hybrid.types import Candidates

BATCH: Final = 32
_CHARACTERS: Final = 16
"""Characters of a text kept per token of the model's window: the tokenizer would truncate longer texts
anyway, but more slowly."""

_PRINTED: Final = ("*.safetensors", "*.bin", "*.json", "*.txt")
"""The files of a folder that its version stands for."""


@dataclass(frozen=True)
class Neural(ABC):
    """Reorders the first ``top`` by ``weight`` * z(the model's score of query and text) + (1 -
    ``weight``) * z(fused score); the others keep their order below. z standardises within the query.

    ``model`` is a folder, a short name of the catalogue (`hybrid.hub.PUBLISHED`), or a name on the model
    hub (``owner/model``, ``owner/model@revision``); it loads with the first query, from safetensors only
    and without code of its own. Text beyond its window is cut off. A query without text keeps its order.
    ``version``: the only weights to accept (see ``pinned``); None accepts any. Needs the extra ``models``.
    Raises QueryError for a ``weight`` outside 0 to 1 and for a ``top`` below 1; when called, MissingExtra,
    ModelNotFound, EncoderFailed.
    """

    features: ClassVar[tuple[str, ...]] = ("text",)
    kind: ClassVar[hub.Kind]
    """What sort of model it is, also in errors."""

    model: str
    top: int = 50
    weight: float = 1.0
    version: str | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not math.isfinite(self.weight) or not 0 <= self.weight <= 1:
            raise QueryError(f"{name}: weight is {shown(self.weight)}; it must be from 0 to 1")
        if not isinstance(self.top, int) or self.top < 1:
            raise QueryError(f"{name}: top is {shown(self.top)}; it must be an integer from 1")

    def __call__(
        self, query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]]
    ) -> Candidates:
        if query is None or not len(candidates):
            return candidates
        texts = column(features, "text", self)[: self.top].tolist()
        return self.placed(candidates, self.scores(query, texts))

    def scores(self, query: str, texts: Sequence[str]) -> Values:
        """Return the model's score of each text: float64 (len(texts),)."""
        loaded = self._loaded()
        if self.version not in (None, loaded.version):
            raise EncoderFailed(
                f"{self._subject} is now version {loaded.version}, not {self.version}, which was "
                "evaluated; run hybrid rerank again"
            )
        return loaded.scores(query, texts)

    def pinned(self) -> Self:
        """Return a copy that accepts only the current weights, and finds them from any working directory:
        a folder by its absolute path and the beginning of its SHA-256, a model of the hub by its commit."""
        found, version = self._place, self._loaded().version
        model = str(found) if isinstance(found, Path) else f"{found.repository}@{version}"
        return replace(self, model=model, version=version)

    def placed(self, candidates: Candidates, scores: Values) -> Candidates:
        """Reorder ``candidates``, given the model's ``scores`` of the first ones."""
        head = candidates.top(len(scores))
        mixed = self.weight * standard(scores) + (1 - self.weight) * standard(head.scores)
        ranked = Candidates.ranked(head.ordinals, mixed.astype(np.float32))
        return continued(ranked, candidates.ordinals[len(head) :])

    @classmethod
    @abstractmethod
    def network(cls, arguments: Mapping[str, Any]) -> Any:
        """Load the model, by the arguments of its class in sentence-transformers."""

    @staticmethod
    @abstractmethod
    def score(network: Any, query: str, texts: list[str]) -> NDArray[Any]:
        """Return the score of each text. May raise anything, and return anything."""

    @property
    def _subject(self) -> str:
        return f"the {self.kind} {shown(self.model)}"

    @property
    def _place(self) -> Path | hub.Reference:
        if self.model not in hub.PUBLISHED and (folder := hub.folder(self.model)) is not None:
            return folder
        if (found := hub.reference(self.model, self.kind)) is None:
            raise ModelNotFound(
                f"{self._subject} is nowhere to be found: no folder of that name, and no name on the model "
                "hub, which would be owner/model or owner/model@revision"
            )
        return found

    def _loaded(self) -> _Loaded:
        """Return the model, loaded once for all rerankers that name it."""
        with _loading:
            return _load(type(self), self._place)


class _Loaded:
    """A loaded model. Only one thread at a time may use it: its tokenizer is not thread-safe."""

    def __init__(self, reranker: type[Neural], network: Any, version: str, subject: str) -> None:
        self._reranker, self._network, self._subject = reranker, network, subject
        self.version = version
        self._lock = threading.Lock()
        self._longest = _CHARACTERS * (network.max_seq_length or 512)

    def scores(self, query: str, texts: Sequence[str]) -> Values:
        if not texts:
            return np.empty(0)
        kept = [text[: self._longest] for text in texts]
        try:
            with self._lock:
                found = self._reranker.score(self._network, query[: self._longest], kept)
            scores = np.asarray(found, np.float64)
        except Exception as error:  # torch raises many classes
            raise EncoderFailed(f"{self._subject} failed: {brief(error)}") from error
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise EncoderFailed(
                f"{self._subject} must return one finite number per pair; for {len(texts)} pairs it "
                f"returned the shape {scores.shape}"
            )
        return scores


_loading = threading.Lock()


@lru_cache(maxsize=2)
def _load(reranker: type[Neural], place: Path | hub.Reference) -> _Loaded:
    subject = f"the {reranker.kind} {shown(str(place))}"
    require(subject, "sentence_transformers")
    folder = place if isinstance(place, Path) else _fetched(place, subject)
    version = hub.fingerprint(folder, *_PRINTED) if isinstance(place, Path) else folder.name
    arguments = hub.as_data(folder, subject)
    with hub.quiet(), hub.bars_off():
        try:
            network = reranker.network(arguments)
        except Exception as error:  # its many libraries raise anything for a folder that they cannot read
            raise EncoderFailed(f"{subject} is not a {reranker.kind} model: {brief(error)}") from error
    return _Loaded(reranker, network, version, subject)


def _fetched(place: hub.Reference, subject: str) -> Path:
    try:
        return hub.snapshot(place, subject)
    except ModelNotFound as error:
        way_out = "put it back, or use another profile: hybrid profile DIR use N"
        raise ModelNotFound(f"{error}; {way_out}") from error
