"""The trial of a ranking: held-out queries compare what a method proposes with what serves, asked as users
ask, and the `gate` decides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError
from hybrid.evaluate.comparison import Values
from hybrid.evaluate.measures import UNBOUNDED_DEPTH, parse, reach
from hybrid.evaluate.scoring import evaluate
from hybrid.learn import gate, ties
from hybrid.learn.control import control
from hybrid.learn.gate import Accept, Apart, Challenge, HeldOut, Verdict
from hybrid.learn.lambdamart import CUTOFF
from hybrid.learn.searchspace import RRF_60, leg
from hybrid.learn.split import Sample, Split
from hybrid.learn.trial import Installing, Trial
from hybrid.limits import shown
from hybrid.rerank import METADATA, Features
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Progress, Reranker, Run, Stages

if TYPE_CHECKING:
    from ir_measures import Measure

MEASURE: Final = f"nDCG@{CUTOFF}"
CONTROL: Final = "bonus for known documents"
_LEXICAL: Final = "lexical leg"
_VECTOR: Final = "vector leg"
_BATCH: Final = 32


class Contested(Protocol):
    """An index with a profile that serves: a Searcher."""

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

    def reranked(
        self, queries: Mapping[str, str], /, *, k: int, reranker: Reranker, lacking: Lacking
    ) -> Run: ...


@dataclass(frozen=True)
class Proposal:
    """A method's choice on the train queries, and everything that it is compared with.

    ``systems``: name -> profile, "serving" first; ``train``: their means on the train queries, of those
    that were asked them.
    ``challengers``: the names of those that may serve from now on, preferred ones first. ``rerankers``:
    name -> a reranker in the place of the serving profile's own; ``keeps``: that reranker, as it is to
    serve.
    """

    systems: dict[str, Profile]
    train: dict[str, float]
    challengers: Sequence[str]
    rerankers: Mapping[str, Reranker] = field(default_factory=dict)
    keeps: Reranker | None = None


@dataclass(frozen=True)
class Figures:
    """A system's ``profile``, its mean on the train queries (of a trained model: by models that did not see
    the query; 0 where it was asked none of them) and on the held-out ones, and the share of its first ten
    places there that it leaves ``tied``."""

    profile: Profile
    train: float
    held_out: float
    tied: float

    def to_json(self) -> dict[str, float]:
        """The numbers."""
        return {"train": self.train, "held_out": self.held_out, "tied": self.tied}


@dataclass(frozen=True, kw_only=True)
class Contest(Trial):
    """A trial that the gate decides. ``train`` and ``held_out`` count queries, ``related`` those held-out
    ones that have a member of their family in training. ``systems``: name -> its
    figures, for "serving" (what the index serves with), the challengers, and as far as the index has them
    "RRF(60)" and the legs; ``values``: name -> its value of each held-out query, float64 (queries,);
    ``families``: the name of each one's family. ``keeps``: the reranker that `install` stores with the
    profile; None where it needs none.
    """

    measure: str
    train: int
    held_out: int
    related: int
    systems: dict[str, Figures]
    values: dict[str, Values] = field(repr=False, compare=False)
    families: list[str] = field(repr=False, compare=False)
    keeps: Reranker | None = field(default=None, repr=False)
    verdict: Verdict

    @property
    def installs(self) -> Profile | None:
        return None if self.verdict.installs is None else self.systems[self.verdict.installs].profile

    @property
    def reason(self) -> str:
        return self.verdict.reason

    def to_json(self) -> dict[str, Any]:
        return {
            "measure": self.measure,
            "seed": self.seed,
            "train": self.train,
            "held_out": self.held_out,
            "related": self.related,
            "left_out": self.left_out,
            "systems": {name: figures.to_json() for name, figures in self.systems.items()},
            **self._details(),
            "verdict": self.verdict.to_json(),
        }

    def evidence(self) -> dict[str, Any]:
        return {
            "measure": self.measure,
            "seed": self.seed,
            "queries judged": {"train": self.train, "held out": self.held_out},
            "held out, related to training": self.related,
            "train": {
                name: round(figures.train, 4) for name, figures in self.systems.items() if figures.train
            },
            "held out": {name: round(figures.held_out, 4) for name, figures in self.systems.items()},
            "tied": {name: round(figures.tied, 4) for name, figures in self.systems.items()},
            "winner": self.verdict.installs,
            **self._kept(),
            **self._memory(),
            "verdict": self.verdict.reason,
        }

    def _details(self) -> dict[str, Any]:
        """The method's own part of `to_json`."""
        return {}

    def _kept(self) -> dict[str, Any]:
        """The method's own part of `evidence`."""
        return {}

    def _memory(self) -> dict[str, Any]:
        """The gains by what is known from training, in evidence."""
        found = {name: _gains(challenge.apart) for name, challenge in self.verdict.challengers.items()}
        if self.verdict.control is not None:
            found[CONTROL] = _gains(self.verdict.control)
        return {"gains by documents": found}

    def _stored(self, index: Installing) -> dict[str, str]:
        return {} if self.keeps is None else {"reranker": index.keep_model(self.keeps)}


def against_serving(found: Challenge) -> dict[str, Any]:
    """A challenger's comparison with what served, in evidence."""
    against = found.against_incumbent
    return {
        "difference": round(against.difference, 4),
        "interval": [round(against.low, 4), round(against.high, 4)],
        "p": round(against.p, 6),
    }


def _gains(apart: Apart) -> dict[str, float]:
    parts = {"unknown": apart.unknown, "known": apart.known}
    return {name: round(one.difference, 4) for name, one in parts.items() if one is not None}


def ndcg() -> Measure:
    """`MEASURE`, by which rerankers are judged."""
    [measure] = parse(MEASURE)
    return measure


def silent(_stage: str, _done: int, _total: int) -> None:
    """Report no progress."""


def counting(tell: Stages, stage: str, total: int) -> Progress:
    """Return a callback that is told how many more of ``total`` are done, and tells them as a stage."""
    done = 0.0

    def advance(more: float) -> None:
        nonlocal done
        done += more
        tell(stage, round(done), total)

    return advance


def nothing_found() -> InputError:
    """The error for an index that answers none of the queries."""
    return InputError("no leg finds a candidate for any of the judged queries")


def numbers_missing(feature: str) -> InputError:
    """The error for a metadata feature that no candidate has."""
    path = shown(feature.removeprefix(METADATA))
    return InputError(f"no candidate has a number under the metadata path {path}")


def references(legs: Legs, boosts: Iterable[float] = (0.0,)) -> dict[str, Profile]:
    """The systems that every proposal is compared with, name -> profile, as far as ``legs`` are there:
    RRF(60); and the guards, which nothing that serves may fall below: the lexical leg with each of the
    title ``boosts``, and the vector leg."""
    lexical = {f"{_LEXICAL}, title boost {boost:g}" if boost else _LEXICAL: boost for boost in boosts}
    return {
        **({"RRF(60)": RRF_60} if legs.both else {}),
        **({name: leg("lexical", boost) for name, boost in lexical.items()} if not legs.lexical else {}),
        **({_VECTOR: leg("vector")} if not legs.vector else {}),
    }


def propose(
    index: Contested,
    name: str,
    reranker: Reranker,
    reached: float,
    sample: Sample,
    tell: Stages,
    keeps: Reranker | None = None,
) -> Proposal:
    """Propose ``reranker``, called ``name``, in the place of the serving profile's own; it ``reached`` this
    nDCG@10 on the train queries of ``sample``."""
    serving, others = index.profiles.serving, references(index.legs)
    before = measured(index, sample, {"serving": serving, **others}, ndcg(), "train queries", tell)
    return Proposal(
        systems={"serving": serving, name: serving.model_copy(update={"reranker": None}), **others},
        train={system: found.mean for system, found in before.items()} | {name: reached},
        challengers=[name],
        rerankers={name: reranker},
        keeps=keeps,
    )


def hold(
    index: Contested,
    proposal: Proposal,
    queries: Split,
    measure: Measure,
    seed: int,
    tell: Stages,
    accept: Accept | None = None,
) -> Contest:
    """Ask the held-out ``queries`` of every system of ``proposal``; the gate judges the answers."""
    systems, rerankers = proposal.systems, proposal.rerankers
    found = measured(index, queries.held_out, systems, measure, "held-out queries", tell, rerankers)
    bonus = control(index, queries, measure, tell)
    return decide(proposal, found, queries, queries.known, bonus, measure, seed, accept)


def decide(
    proposal: Proposal,
    found: Mapping[str, Measured],
    queries: Split,
    known: NDArray[np.bool_],
    bonus: Values | None,
    measure: Measure,
    seed: int,
    accept: Accept | None = None,
) -> Contest:
    """Have the gate judge what was ``found`` of every system of ``proposal`` on the held-out ``queries``,
    of which some are ``known``, bool (held out,), and what the `control` reaches on each, the ``bonus``."""
    systems = proposal.systems
    values = {name: found[name].values for name in systems}
    tied = {name: found[name].tied for name in systems}
    families = queries.families
    trained = {families[id] for id in queries.train.texts}
    held = [families[id] for id in queries.held_out.texts]
    verdict = gate.judge(
        values["serving"],
        {name: values[name] for name in proposal.challengers},
        {name: values[name] for name in systems if name.startswith((_LEXICAL, _VECTOR))},
        queries=HeldOut(held, known, bonus),
        accept=accept,
        tied=tied,
        incumbent_tied=tied["serving"],
        seed=seed,
    )
    return Contest(
        measure=str(measure),
        seed=seed,
        train=len(queries.train),
        held_out=len(queries.held_out),
        related=sum(name in trained for name in held),
        left_out=queries.left_out,
        systems={
            name: Figures(profile, proposal.train.get(name, 0.0), found[name].mean, tied[name])
            for name, profile in systems.items()
        },
        values=values,
        families=held,
        keeps=proposal.keeps if verdict.installs in proposal.rerankers else None,
        verdict=verdict,
    )


@dataclass(frozen=True)
class Measured:
    """A system's value of each query, float64 (queries,), and the share of the first ten places that it
    leaves ``tied``."""

    values: Values
    tied: float

    @property
    def mean(self) -> float:
        return float(self.values.mean())


def measured(
    index: Contested,
    sample: Sample,
    systems: Mapping[str, Profile],
    measure: Measure,
    stage: str,
    tell: Stages,
    rerankers: Mapping[str, Reranker] | None = None,
) -> dict[str, Measured]:
    """Ask the queries of each of ``systems``, as profiles or, where one of ``rerankers`` has its name, as
    what serves with that reranker; returns what each reaches by ``measure``."""
    rerankers = rerankers or {}
    profiles = {name: profile for name, profile in systems.items() if name not in rerankers}
    k = max(reach(measure) or UNBOUNDED_DEPTH, ties.PLACES)
    ids = list(sample.texts)
    values: dict[str, list[float]] = defaultdict(list)
    shares: dict[str, list[float]] = defaultdict(list)
    for start in range(0, len(ids), _BATCH):
        batch = sample.only(ids[start : start + _BATCH])
        lacking = batch.lacking
        answers = index.run_profiles(batch.texts, list(profiles.values()), k=k, lacking=lacking)
        runs = dict(zip(profiles, answers, strict=True))
        for name, reranker in rerankers.items():
            runs[name] = index.reranked(batch.texts, k=k, reranker=reranker, lacking=lacking)
        found = evaluate(runs, batch.qrels, [measure]).per_query
        for name, run in runs.items():
            values[name] += (found[name][str(measure)][id] for id in batch.texts)
            shares[name] += ties.tied(run)
        tell(stage, start + len(batch), len(ids))
    return {name: Measured(np.array(values[name]), ties.mean(shares[name])) for name in values}
