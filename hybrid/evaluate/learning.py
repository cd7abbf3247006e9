"""Train a model that orders candidates by judged queries, and let it serve only where it proves better.

The judged queries are split once. The train part chooses and trains, by cross-validation; the held-out
part, which has no part in that, is asked as users ask, with the model and with what serves, and goes
through the `gate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from hybrid.candidates import METADATA
from hybrid.errors import InputError
from hybrid.evaluate import gate
from hybrid.evaluate.comparison import Values
from hybrid.evaluate.measures import parse
from hybrid.evaluate.scoring import evaluate
from hybrid.evaluate.searchspace import RRF_60, leg
from hybrid.evaluate.split import MAX_TRAIN, Sample, split
from hybrid.limits import shown
from hybrid.rerank import Features
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.matching import FEATURES as MATCHING
from hybrid.rerank.training import CUTOFF, Choice, Judged, Trained, cross_validated, train
from hybrid.settings import Profile, Profiles
from hybrid.types import Qrels, Reranker, Run

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told the stage, how much of it is done, of how much."""

MEASURE: Final = f"nDCG@{CUTOFF}"
LEARNED: Final = "lambdamart"
_LEGS: Final = ("lexical leg", "vector leg")
_BATCH: Final = 32
_TOLD: Final = 15  # features, in the evidence


class Learnable(Protocol):
    """What can be trained: an Index."""

    @property
    def profiles(self) -> Profiles: ...

    def candidates(
        self, queries: Mapping[str, str], wanted: Sequence[str], /
    ) -> Iterator[tuple[str, list[str], Features]]: ...

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int
    ) -> list[Run]: ...

    def run(self, queries: Mapping[str, str], /, *, k: int, reranker: Reranker) -> Run: ...


@dataclass(frozen=True)
class Figures:
    """A system's mean on the train (of the model: by models that did not see the query) and on the
    held-out queries."""

    train: float
    held_out: float


@dataclass(frozen=True)
class Learning:
    """What `learn` found. ``profile`` serves, and orders what ``model`` reorders. ``systems``: name -> its
    figures, for "serving", "lambdamart" (the ``profile`` with the ``model``), "RRF(60)" and the legs.
    ``train`` and ``held_out`` count queries; ``left_out``: reason -> how many judged queries could not be
    used. ``choice`` and ``rounds`` are what cross-validation chose, ``tried`` the nDCG@10 of each choice;
    ``ablation``: group of features -> the nDCG@10 without it, where that was asked for.
    """

    seed: int
    train: int
    held_out: int
    left_out: dict[str, int]
    profile: Profile
    model: LambdaMART = field(repr=False)
    choice: Choice
    rounds: int
    tried: dict[str, float]
    systems: dict[str, Figures]
    ablation: dict[str, float]
    verdict: gate.Verdict

    @property
    def importances(self) -> dict[str, float]:
        """Each feature's share of what the trees gained, largest first."""
        return self.model.importances()

    @property
    def installs(self) -> Profile | None:
        """What is to serve from now on; of "lambdamart" the profile that yet lacks the model's id. None:
        what serves already."""
        name = self.verdict.installs
        return None if name is None else self.profile if name == LEARNED else _guards()[name]

    def to_json(self) -> dict[str, Any]:
        return {
            "measure": MEASURE,
            "seed": self.seed,
            "train": self.train,
            "held_out": self.held_out,
            "left_out": self.left_out,
            "profile": self.profile.model_dump(mode="json"),
            "choice": vars(self.choice),
            "rounds": self.rounds,
            "tried": self.tried,
            "systems": {name: vars(figures) for name, figures in self.systems.items()},
            "importances": self.importances,
            "ablation": self.ablation,
            "verdict": self.verdict.to_json(),
        }

    def evidence(self) -> dict[str, Any]:
        """The part that is kept with an installed profile."""
        found = self.verdict.challengers[LEARNED]
        against = found.against_incumbent
        most = list(self.importances.items())[:_TOLD]
        return {
            "measure": MEASURE,
            "seed": self.seed,
            "queries judged": {"train": self.train, "held out": self.held_out},
            "choice": {**vars(self.choice), "trees": self.rounds},
            "cross-validated": round(self.systems[LEARNED].train, 4),
            "train": {name: round(figures.train, 4) for name, figures in self.systems.items()},
            "held out": {name: round(figures.held_out, 4) for name, figures in self.systems.items()},
            "winner": self.verdict.installs,
            "difference": round(against.difference, 4),
            "interval": [round(against.low, 4), round(against.high, 4)],
            "p": round(against.p, 6),
            "importances": {name: round(share, 4) for name, share in most},
            "verdict": self.verdict.reason,
        }


def learn(
    index: Learnable,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    max_train: int = MAX_TRAIN,
    metadata: Sequence[str] = (),
    judged_only: bool = False,
    ablation: bool = False,
    progress: Progress | None = None,
) -> Learning:
    """Train a LambdaMART for what ``index`` serves on two thirds of the judged queries, at most
    ``max_train``, and judge it on the rest, or on ``test_qrels``; by nDCG@10. Installs nothing.

    Candidates without a judgment count as not relevant; with ``judged_only`` nothing is learned from them,
    as is right for clicks. ``metadata``: paths of numbers that are features too. ``ablation``: also train
    without each group of features. Which queries count, and on which side: see `tune`. The same ``seed``
    gives the same result. Raises InputError where too few queries remain, or no candidate has a number
    under one of ``metadata``.
    """
    sample, held_out, left_out = split(queries, qrels, test_qrels, seed, max_train)
    tell = progress or (lambda _stage, _done, _total: None)
    profile = index.profiles.serving
    gathered = _gathered(index, sample, metadata, judged_only, tell)
    names = list(gathered[0].columns)
    found = train(gathered, names, seed=seed, progress=lambda *done: tell("training", *done))
    without = _ablation(gathered, names, found.choice, seed, tell) if ablation else {}
    systems = {"serving": profile, "RRF(60)": RRF_60, **_guards()}
    before = _values(index, sample, systems, "train queries", tell)
    judged = _values(index, held_out, systems, "held-out queries", tell, found.model)
    return Learning(
        seed=seed,
        train=len(sample),
        held_out=len(held_out),
        left_out=left_out,
        profile=profile.model_copy(update={"reranker": None}),
        model=found.model,
        choice=found.choice,
        rounds=found.rounds,
        tried={str(choice): reached for choice, reached in found.tried.items()},
        systems=_figures(found, before, judged),
        ablation=without,
        verdict=gate.judge(
            judged["serving"],
            {LEARNED: judged[LEARNED]},
            {name: judged[name] for name in _LEGS},
            seed=seed,
        ),
    )


def _guards() -> dict[str, Profile]:
    return {name: leg(name.split()[0]) for name in _LEGS}


def _figures(
    found: Trained, before: Mapping[str, Values], judged: Mapping[str, Values]
) -> dict[str, Figures]:
    train = {name: float(values.mean()) for name, values in before.items()} | {LEARNED: found.ndcg}
    order = ("serving", LEARNED, *(name for name in before if name != "serving"))
    return {name: Figures(train[name], float(judged[name].mean())) for name in order}


# Features


def _gathered(
    index: Learnable, sample: Sample, metadata: Sequence[str], judged_only: bool, tell: Progress
) -> list[Judged]:
    """The candidates of each query that has any."""
    fields = list(dict.fromkeys(METADATA + path for path in metadata))
    found = []
    asked = index.candidates(sample.texts, [*MATCHING, *fields])
    for done, (query, ids, columns) in enumerate(asked, 1):
        if ids:
            found.append(_judged(columns, ids, sample.qrels[query], judged_only))
        tell("features", done, len(sample))
    if not found:
        raise InputError("no leg finds a candidate for any of the judged queries")
    for name in fields:
        if all(np.isnan(query.columns[name]).all() for query in found):
            path = shown(name.removeprefix(METADATA))
            raise InputError(f"no candidate has a number under the metadata path {path}")
    return found


def _judged(columns: Features, ids: Sequence[str], grades: Mapping[str, int], judged_only: bool) -> Judged:
    own = np.array([grades.get(id, 0) for id in ids], np.float64)
    trains = np.array([id in grades or not judged_only for id in ids], np.bool_)
    return Judged.of(columns, own, list(grades.values()), trains)


def _group(name: str) -> str:
    if name.startswith(METADATA):
        return "metadata"
    if name.startswith("query_"):
        return "query"
    if name in MATCHING:
        return "text matching"
    return "fused score" if name == "fused_score" else "legs"


def _ablation(
    gathered: Sequence[Judged], names: Sequence[str], choice: Choice, seed: int, tell: Progress
) -> dict[str, float]:
    groups = list(dict.fromkeys(map(_group, names)))
    found = {}
    for done, group in enumerate(groups, 1):
        left = [name for name in names if _group(name) != group]
        base = 0.0 if group == "fused score" else choice.base
        without = Choice(choice.leaves, choice.least, base)
        found[group] = cross_validated(gathered, left, without, seed)
        tell("ablation", done, len(groups))
    return found


# Judging, as users ask


def _values(
    index: Learnable,
    sample: Sample,
    systems: Mapping[str, Profile],
    stage: str,
    tell: Progress,
    model: LambdaMART | None = None,
) -> dict[str, Values]:
    """The nDCG@10 of each query, float64 (queries,), under each of ``systems`` and, as "lambdamart", with
    the model."""
    ids = list(sample.texts)
    parts: dict[str, list[float]] = {}
    for start in range(0, len(ids), _BATCH):
        batch = sample.only(ids[start : start + _BATCH])
        answers = index.run_profiles(batch.texts, list(systems.values()), k=CUTOFF)
        runs = dict(zip(systems, answers, strict=True))
        if model is not None:
            runs[LEARNED] = index.run(batch.texts, k=CUTOFF, reranker=model)
        measured = evaluate(runs, batch.qrels, parse(MEASURE)).per_query
        for name in runs:
            parts.setdefault(name, []).extend(measured[name][MEASURE][id] for id in batch.texts)
        tell(stage, start + len(batch), len(ids))
    return {name: np.array(values) for name, values in parts.items()}
