"""An index that a trial asks in a way of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hybrid.learn.contest import Contested
from hybrid.rerank import Features
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Reranker, Run

Asked = TypeVar("Asked", bound=Contested)


@dataclass(frozen=True)
class Through(ABC, Generic[Asked]):
    """The ``index``, but for the way in which profiles are run."""

    index: Asked

    @abstractmethod
    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int, lacking: Lacking
    ) -> list[Run]: ...

    @property
    def profiles(self) -> Profiles:
        return self.index.profiles

    @property
    def legs(self) -> Legs:
        return self.index.legs

    def candidates(
        self, queries: Mapping[str, str], wanted: Sequence[str], /, *, lacking: Lacking
    ) -> Iterator[tuple[str, list[str], Features]]:
        return self.index.candidates(queries, wanted, lacking=lacking)

    def reranked(
        self, queries: Mapping[str, str], /, *, k: int, reranker: Reranker, lacking: Lacking
    ) -> Run:
        return self.index.reranked(queries, k=k, reranker=reranker, lacking=lacking)
