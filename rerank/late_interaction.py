"""Late interaction reads query and document apart, as one vector per token, and compares token by token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from hybrid import hub
from hybrid.rerank.neural import BATCH, Neural


@dataclass(frozen=True)
class LateInteraction(Neural):
    """A `Neural` reranker: any sentence-transformers MultiVectorEncoder, or a ColBERT that it can read. The
    score is MaxSim: for each token vector of the query the highest similarity to one of the document's,
    summed. Khattab and Zaharia, "ColBERT", SIGIR 2020."""

    kind: ClassVar[hub.Kind] = "late-interaction"

    @classmethod
    def network(cls, arguments: Mapping[str, Any]) -> Any:
        from sentence_transformers import MultiVectorEncoder

        if not _gives_token_vectors(Path(arguments["model_name_or_path"])):
            raise ValueError("its files name neither a MultiVectorEncoder nor a ColBERT")
        return MultiVectorEncoder(**arguments)

    @staticmethod
    def score(network: Any, query: str, texts: list[str]) -> NDArray[Any]:
        asked = network.encode_query([query], show_progress_bar=False)
        answers = network.encode_document(texts, batch_size=BATCH, show_progress_bar=False)
        found: NDArray[Any] = network.similarity(asked, answers)[0].cpu().numpy()
        return found


def _gives_token_vectors(folder: Path) -> bool:
    """Whether it is such a model: of any other, sentence-transformers makes one with random weights."""
    said, network = (_json(folder / name) for name in ("config_sentence_transformers.json", "config.json"))
    return (
        said.get("model_type") in ("MultiVectorEncoder", "ColBERT")
        or "query_prefix" in said  # PyLate's models before they had a type
        or "HF_ColBERT" in (network.get("architectures") or [])
    )


def _json(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_bytes()) if path.is_file() else {}
    return found if isinstance(found, dict) else {}
