"""A cross-encoder reads query and document together, so nothing can be precomputed: slow, often the
best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from hybrid import hub
from hybrid.rerank.neural import BATCH, Neural


@dataclass(frozen=True)
class CrossEncoder(Neural):
    """A `Neural` reranker: any sentence-transformers CrossEncoder that gives one score per pair, taken
    without activation. Nogueira and Cho, "Passage Re-ranking with BERT", 2019."""

    kind: ClassVar[hub.Kind] = "cross-encoder"

    @classmethod
    def network(cls, arguments: Mapping[str, Any]) -> Any:
        from sentence_transformers import CrossEncoder as Network

        return Network(**arguments)

    @staticmethod
    def score(network: Any, query: str, texts: list[str]) -> NDArray[Any]:
        from torch import nn

        found: NDArray[Any] = network.predict(
            [(query, text) for text in texts],
            batch_size=BATCH,
            show_progress_bar=False,
            activation_fn=nn.Identity(),
        )
        return found
