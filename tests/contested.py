"""The double of an index that answers by profile alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hybrid.rerank import Features
from hybrid.types import Lacking, Reranker, Run


class AnswersByProfile:
    """To be given ``run_profiles``; what no profile needs is not there."""

    def reranked(self, queries: Mapping[str, str], *, k: int, reranker: Reranker, lacking: Lacking) -> Run:
        raise NotImplementedError

    def candidates(
        self, queries: Mapping[str, str], wanted: Sequence[str], *, lacking: Lacking
    ) -> Iterator[tuple[str, list[str], Features]]:
        raise NotImplementedError
