"""Learn to move the vectors of queries towards what answers them, and let it serve only where it proves
better.

How strongly, and at what rank, is chosen by cross-validation on the train queries, whole families at a
time: a map learns easily which documents are asked for, which looks like skill wherever a query shares its
document with another. The held-out part goes through the `gate`, which tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from hybrid.encoders.adapter import Adapter, check_dim
from hybrid.errors import InputError, require
from hybrid.learn.contest import (
    Contest,
    Contested,
    Proposal,
    against_serving,
    hold,
    measured,
    ndcg,
    references,
    silent,
)
from hybrid.learn.examples import gather
from hybrid.learn.families import into_folds
from hybrid.learn.gate import Accept, check_accept
from hybrid.learn.querymap import Examples, cut, fit
from hybrid.learn.split import MAX_TRAIN, Sample, split
from hybrid.learn.through import Through
from hybrid.learn.trial import Installing
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile
from hybrid.types import Lacking, Qrels, Run, Stages

NAME: Final = "adapted"
UNMOVED: Final = "none"
PENALTIES: Final = (10.0, 1.0, 0.1, 0.03)
"""Strong ones first: each starts from the map before."""
RANKS: Final = (16, 64)


@dataclass(frozen=True)
class Choice:
    """The penalty and the rank of a map."""

    penalty: float
    rank: int

    def __str__(self) -> str:
        return f"penalty {self.penalty:g}, rank {self.rank}"


@dataclass(frozen=True, kw_only=True)
class Adapting(Contest):
    """The result of `adapt`. Its ``systems`` are "serving", "adapted" (the same with the ``adapter``),
    "RRF(60)" and the legs, which no adapter moves. ``tried``: the cross-validated nDCG@10 of each choice on
    the train queries, and of "none"; ``choice``: the best but for "none"."""

    adapter: Adapter = field(repr=False)
    choice: Choice
    tried: dict[str, float]

    @property
    def installs(self) -> Profile | None:
        profile = super().installs
        return profile and profile.model_copy(update={"adapter": None})

    def _details(self) -> dict[str, Any]:
        return {"choice": asdict(self.choice), "tried": self.tried}

    def _kept(self) -> dict[str, Any]:
        return {
            "choice": asdict(self.choice),
            "cross-validated": {name: round(reached, 4) for name, reached in self.tried.items()},
            **against_serving(self.verdict.challengers[NAME]),
        }

    def _stored(self, index: Installing) -> dict[str, str]:
        return {"adapter": index.keep_adapter(self.adapter)} if self.verdict.installs == NAME else {}


class Adaptable(Contested, Protocol):
    """An index whose profiles may name adapters that it does not store: a Searcher."""

    def run_profiles(
        self,
        queries: Mapping[str, str],
        profiles: Sequence[Profile],
        /,
        *,
        k: int,
        lacking: Lacking,
        adapters: Mapping[str, Adapter] = ...,
    ) -> list[Run]: ...


@dataclass(frozen=True)
class _Trying(Through[Adaptable]):
    """An index whose profiles may name ``adapters`` that it does not store."""

    adapters: Mapping[str, Adapter]

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int, lacking: Lacking
    ) -> list[Run]:
        return self.index.run_profiles(queries, profiles, k=k, lacking=lacking, adapters=self.adapters)


def adapt(
    index: Searcher,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    accept: Accept | None = None,
    max_train: int = MAX_TRAIN,
    ignore_identical_ids: bool = False,
    progress: Stages | None = None,
) -> Adapting:
    """Learn an `Adapter` of the query vectors of ``index`` on two thirds of the judged queries, at most
    ``max_train``, and judge it on the rest, or on ``test_qrels``; by nDCG@10 of what serves. No document is
    encoded anew, and nothing installed: that is ``found.install(index)``.

    The best choice is judged even where cross-validation finds "none" better: with ``accept`` "known" it
    may serve all the same. Which queries count, on which side, ``accept`` and ``ignore_identical_ids``: see
    `tune`. The same ``seed`` gives the same result. Raises InputError where too few queries remain, or the
    index has no encoder, no vectors, or another metric than cosine; MissingExtra unless the extra
    ``evaluate`` is installed.
    """
    check_accept(accept)
    require("adapting", "scipy", "ir_measures", extra="evaluate")
    _check(index)
    judged = split(queries, qrels, test_qrels, seed, max_train, ignore_identical_ids)
    sample, tell = judged.train, progress or silent
    examples = gather(index, sample, seed)
    systems = {"serving": index.profiles.serving, **references(index.legs)}
    before = measured(index, sample, systems, ndcg(), "train queries", tell)
    train = {name: found.mean for name, found in before.items()}
    tried = _cross_validated(index, sample, examples, seed, tell)
    choice = max(tried, key=tried.__getitem__)
    adapter = _fitted(examples, [choice])[choice]
    proposal = Proposal(
        {"serving": systems.pop("serving"), NAME: _named(index, NAME), **systems},
        train | {NAME: tried[choice]},
        [NAME],
    )
    trying = _Trying(index, {NAME: adapter})
    return Adapting(
        **vars(hold(trying, proposal, judged, ndcg(), seed, tell, accept)),
        adapter=adapter,
        choice=choice,
        tried={UNMOVED: train["serving"]} | {str(one): reached for one, reached in tried.items()},
    )


def _check(index: Searcher) -> None:
    settings = index.snapshot.settings
    if settings.encoder is None or index.legs.vector:
        raise InputError(f"adapting moves the vectors of queries, and {index.legs.vector}")
    if settings.metric != "cosine":
        raise InputError(f'adapting needs the metric "cosine"; this index has "{settings.metric}"')
    check_dim(index.snapshot.vectors.dim)


def _named(index: Searcher, adapter: str) -> Profile:
    """What serves, with another adapter."""
    return index.profiles.serving.model_copy(update={"adapter": adapter})


def _cross_validated(
    index: Searcher, sample: Sample, examples: Examples, seed: int, tell: Stages
) -> dict[Choice, float]:
    """For each choice the mean over all queries, each by a map that did not see its family."""
    ids, folds = list(sample.texts), into_folds([*sample.families.values()], seed)
    totals: dict[Choice, float] = {}
    done = 0
    for fold in folds:
        others = np.setdiff1d(np.arange(len(ids)), fold)
        adapters = {str(one): (one, made) for one, made in _fitted(examples.only(others)).items()}
        trying = _Trying(index, {name: made for name, (_, made) in adapters.items()})
        systems = {name: _named(index, name) for name in adapters}
        part = sample.only(ids[row] for row in fold.tolist())
        found = measured(trying, part, systems, ndcg(), "cross-validation", silent)
        for name, (one, _) in adapters.items():
            totals[one] = totals.get(one, 0.0) + float(found[name].values.sum())
        done += len(fold)
        tell("cross-validation", done, len(ids))
    return {one: total / len(ids) for one, total in totals.items()}


def _fitted(examples: Examples, wanted: Sequence[Choice] | None = None) -> dict[Choice, Adapter]:
    """An adapter for each choice, or for those ``wanted``."""
    known = examples.answered
    ranks = sorted({min(rank, known.queries.shape[1]) for rank in RANKS})
    found: dict[Choice, Adapter] = {}
    map = None
    for penalty in PENALTIES:
        map = fit(known, penalty, map)
        made = zip(ranks, cut(map, ranks), strict=True)
        found |= {Choice(penalty, rank): adapter for rank, adapter in made}
    return found if wanted is None else {one: found[one] for one in wanted}
