"""Past queries keep silent where they would give the answer away: to a query of their own family."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hybrid.learn.contest import Contested
from hybrid.learn.families import families
from hybrid.learn.split import Sample
from hybrid.learn.through import Through
from hybrid.ledger.past import Kept
from hybrid.rerank import Features
from hybrid.settings import Profile
from hybrid.types import Lacking, Reranker, Run


class Electorate(Contested, Protocol):
    """An index with past queries: a Searcher."""

    def past(self) -> Iterator[Kept]: ...

    def run_profiles(
        self,
        queries: Mapping[str, str],
        profiles: Sequence[Profile],
        /,
        *,
        k: int,
        lacking: Lacking,
        silent: Mapping[str, Collection[int]] = ...,
    ) -> list[Run]: ...

    def candidates(
        self,
        queries: Mapping[str, str],
        wanted: Sequence[str],
        /,
        *,
        lacking: Lacking,
        silent: Mapping[str, Collection[int]] = ...,
    ) -> Iterator[tuple[str, list[str], Features]]: ...

    def reranked(
        self,
        queries: Mapping[str, str],
        /,
        *,
        k: int,
        reranker: Reranker,
        lacking: Lacking,
        silent: Mapping[str, Collection[int]] = ...,
    ) -> Run: ...


@dataclass(frozen=True)
class Silencing(Through[Electorate]):
    """An index where some past queries, by number, do not vote on a query: ``unheard``, by its id."""

    unheard: Mapping[str, Collection[int]]

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int, lacking: Lacking
    ) -> list[Run]:
        return self.index.run_profiles(queries, profiles, k=k, lacking=lacking, silent=self.unheard)

    def candidates(
        self, queries: Mapping[str, str], wanted: Sequence[str], /, *, lacking: Lacking
    ) -> Iterator[tuple[str, list[str], Features]]:
        return self.index.candidates(queries, wanted, lacking=lacking, silent=self.unheard)

    def reranked(
        self, queries: Mapping[str, str], /, *, k: int, reranker: Reranker, lacking: Lacking
    ) -> Run:
        return self.index.reranked(queries, k=k, reranker=reranker, lacking=lacking, silent=self.unheard)


def without_kin(index: Electorate, sample: Sample) -> Contested:
    """The index where no past query votes on a query of ``sample`` that is of its family."""
    if index.profiles.serving.voting is None:
        return index
    texts = {f"asked {id}": text for id, text in sample.texts.items()}
    qrels = {f"asked {id}": dict(sample.qrels[id]) for id in sample.texts}
    numbers: dict[str, int] = {}
    for kept in index.past():
        numbers[name := f"past {kept.number}"] = kept.number
        texts[name], qrels[name] = kept.past.query, dict(kept.past.answers)
    family = families(texts, qrels)
    members: dict[str, set[int]] = defaultdict(set)
    for name, number in numbers.items():
        members[family[name]].add(number)
    return Silencing(index, {id: members[family[f"asked {id}"]] for id in sample.texts})
