"""What every contest for an index's serving place shares: who takes part, and what they reach when they
are asked as users ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from hybrid.errors import InputError
from hybrid.evaluate.comparison import Paired, Values, paired
from hybrid.evaluate.measures import parse
from hybrid.evaluate.scoring import evaluate
from hybrid.learn import gate, ties
from hybrid.learn.gate import Verdict
from hybrid.learn.lambdamart import CUTOFF
from hybrid.learn.searchspace import RRF_60, leg
from hybrid.learn.split import Sample
from hybrid.limits import shown
from hybrid.rerank import METADATA, Features
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Reranker, Run, Stages

MEASURE: Final = f"nDCG@{CUTOFF}"
_BATCH: Final = 32


class Contested(Protocol):
    """An index with a profile that serves."""

    @property
    def profiles(self) -> Profiles: ...

    @property
    def legs(self) -> Legs: ...

    def candidates(
        self, queries: Mapping[str, str], wanted: Sequence[str], /, *, lacking: Lacking
    ) -> Iterator[tuple[str, list[str], Features]]: ...

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int, lacking: Lacking
    ) -> list[Run]: ...

    def run(
        self, queries: Mapping[str, str], /, *, k: int, reranker: Reranker, lacking: Lacking
    ) -> Run: ...


@dataclass(frozen=True)
class Figures:
    """A system's mean on the train (of what was learned: by models that did not see the query) and on the
    held-out queries, and the share of its first ten places there that it leaves ``tied``."""

    train: float
    held_out: float
    tied: float


@dataclass(frozen=True)
class Measured:
    """A system's nDCG@10 of each query, float64 (queries,), and the share of the first ten places that it
    leaves ``tied``."""

    values: Values
    tied: float

    @property
    def mean(self) -> float:
        return float(self.values.mean())


@dataclass(frozen=True)
class Contest:
    """A reranker against what serves: every system's figures, how the reranker stands to each other system
    on the held-out queries (p-values not corrected), and what the gate says."""

    systems: dict[str, Figures]
    compared: dict[str, Paired]
    verdict: Verdict


def silent(_stage: str, _done: int, _total: int) -> None:
    """Progress that nobody is told of."""


GUARDS: Final[dict[str, Profile]] = {"lexical leg": leg("lexical"), "vector leg": leg("vector")}
"""What nothing that serves may fall below, as far as the index has it."""


def guards(legs: Legs) -> dict[str, Profile]:
    """Those of `GUARDS` that an index with these ``legs`` has."""
    return {name: GUARDS[name] for name in (f"{one} leg" for one in legs.there)}


def nothing_found() -> InputError:
    """The error for an index that answers none of the queries."""
    return InputError("no leg finds a candidate for any of the judged queries")


def numbers_missing(feature: str) -> InputError:
    """The error for a metadata feature that no candidate has."""
    path = shown(feature.removeprefix(METADATA))
    return InputError(f"no candidate has a number under the metadata path {path}")


def hold(
    index: Contested,
    name: str,
    reranker: Reranker,
    reached: float,
    sample: Sample,
    held_out: Sample,
    seed: int,
    tell: Stages,
) -> Contest:
    """Have the ``held_out`` queries judge ``reranker``, called ``name``, which ``reached`` so much on the
    train queries of ``sample``, in the place of the serving profile's own."""
    legs = index.legs
    held = guards(legs)
    fused = {"RRF(60)": RRF_60} if legs.both else {}
    systems = {"serving": index.profiles.serving, **fused, **held}
    before = measured(index, sample, systems, "train queries", tell)
    judged = measured(index, held_out, systems, "held-out queries", tell, {name: reranker})
    train = {system: found.mean for system, found in before.items()} | {name: reached}
    order = ("serving", name, *(system for system in systems if system != "serving"))
    values = {system: found.values for system, found in judged.items()}
    tied = {system: found.tied for system, found in judged.items()}
    return Contest(
        {system: Figures(train[system], judged[system].mean, tied[system]) for system in order},
        {system: paired(values[name], values[system], seed=seed) for system in systems},
        gate.judge(
            values["serving"],
            {name: values[name]},
            {guard: values[guard] for guard in held},
            tied=tied,
            incumbent_tied=tied["serving"],
            seed=seed,
        ),
    )


def measured(
    index: Contested,
    sample: Sample,
    systems: Mapping[str, Profile],
    stage: str,
    tell: Stages,
    rerankers: Mapping[str, Reranker] | None = None,
) -> dict[str, Measured]:
    """What each of ``systems`` reaches, and what serves with each of ``rerankers`` in the place of its
    own."""
    ids = list(sample.texts)
    values: dict[str, list[float]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    for start in range(0, len(ids), _BATCH):
        batch = sample.only(ids[start : start + _BATCH])
        lacking = batch.lacking
        answers = index.run_profiles(batch.texts, list(systems.values()), k=CUTOFF, lacking=lacking)
        runs = dict(zip(systems, answers, strict=True))
        for name, reranker in (rerankers or {}).items():
            runs[name] = index.run(batch.texts, k=CUTOFF, reranker=reranker, lacking=lacking)
        found = evaluate(runs, batch.qrels, parse(MEASURE)).per_query
        for name, run in runs.items():
            values[name] += (found[name][MEASURE][id] for id in batch.texts)
            shares[name] += ties.tied(run)
        tell(stage, start + len(batch), len(ids))
    return {name: Measured(np.array(values[name]), ties.mean(shares[name])) for name in values}
