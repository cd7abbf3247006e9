"""Train a model that orders candidates by judged queries, and let it serve only where it proves better.

The judged queries are split once. The train part chooses and trains, by cross-validation; the held-out
part, which has no part in that, is asked as users ask, with the model and with what serves, and goes
through the `gate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from hybrid.errors import require
from hybrid.evaluate.comparison import Paired
from hybrid.learn.contest import (
    GUARDS,
    MEASURE,
    Contested,
    Figures,
    hold,
    nothing_found,
    numbers_missing,
    silent,
)
from hybrid.learn.families import by_document
from hybrid.learn.gate import Verdict
from hybrid.learn.lambdamart import Choice, Judged, cross_validated, train
from hybrid.learn.split import FOLDS, MAX_TRAIN, Sample, split
from hybrid.rerank import METADATA, Features
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.matching import FEATURES as MATCHING
from hybrid.settings import Profile
from hybrid.types import Qrels, Stages

LEARNED: Final = "lambdamart"
_TOLD: Final = 15  # features, in the evidence


@dataclass(frozen=True)
class Learning:
    """What `learn` found. ``profile`` serves, and orders what ``model`` reorders. ``systems``: name -> its
    figures, for "serving", "lambdamart" (the ``profile`` with the ``model``), "RRF(60)" and the legs.
    ``train`` and ``held_out`` count queries; ``left_out``: reason -> how many judged queries could not be
    used. ``choice`` and ``rounds`` are what cross-validation chose, ``tried`` the nDCG@10 of each choice;
    ``ablation``: group of features -> the nDCG@10 without it, where that was asked for. ``compared``: how
    the model stands to each other system on the held-out queries; the p-values are not corrected.
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
    compared: dict[str, Paired]
    verdict: Verdict

    @property
    def importances(self) -> dict[str, float]:
        """Each feature's share of what the trees gained, largest first."""
        return self.model.importances()

    @property
    def keeps(self) -> LambdaMART | None:
        """The model, where it is to serve."""
        return self.model if self.verdict.installs == LEARNED else None

    @property
    def installs(self) -> Profile | None:
        """What is to serve from now on; of "lambdamart" the profile that yet lacks the model's id. None:
        what serves already."""
        name = self.verdict.installs
        return None if name is None else self.profile if name == LEARNED else GUARDS[name]

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
            "compared": {name: vars(found) for name, found in self.compared.items()},
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
            "tied": {name: round(figures.tied, 4) for name, figures in self.systems.items()},
            "winner": self.verdict.installs,
            "difference": round(against.difference, 4),
            "interval": [round(against.low, 4), round(against.high, 4)],
            "p": round(against.p, 6),
            "importances": {name: round(share, 4) for name, share in most},
            "verdict": self.verdict.reason,
        }


def learn(
    index: Contested,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    max_train: int = MAX_TRAIN,
    metadata: Sequence[str] = (),
    judged_only: bool = False,
    ablation: bool = False,
    ignore_identical_ids: bool = False,
    progress: Stages | None = None,
) -> Learning:
    """Train a LambdaMART for what ``index`` serves on two thirds of the judged queries, at most
    ``max_train``, and judge it on the rest, or on ``test_qrels``; by nDCG@10. Installs nothing.

    Candidates without a judgment count as not relevant; with ``judged_only`` nothing is learned from them,
    as is right for clicks. ``metadata``: paths of numbers that are features too. ``ablation``: also train
    without each group of features. Which queries count, on which side, and ``ignore_identical_ids``: see
    `tune`; here queries that share a relevant document stay together, as far as that can be. The same
    ``seed`` gives the same result.
    Raises InputError where too few queries remain, or no candidate has a number under one of ``metadata``;
    MissingExtra unless the extra ``evaluate`` is installed.
    """
    require("training", "lightgbm", "ir_measures", extra="evaluate")  # rather now than after all searches
    sample, held_out, left_out = split(
        queries, qrels, test_qrels, seed, max_train, _families, ignore_identical_ids
    )
    tell = progress or silent
    profile = index.profiles.serving
    gathered = _gathered(index, sample, metadata, judged_only, tell)
    names = _known(gathered)
    found = train(gathered, names, seed=seed, progress=lambda *done: tell("training", *done))
    without = _ablation(gathered, names, found.choice, seed, tell) if ablation else {}
    contest = hold(index, LEARNED, found.model, found.ndcg, sample, held_out, seed, tell)
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
        systems=contest.systems,
        ablation=without,
        compared=contest.compared,
        verdict=contest.verdict,
    )


# Features


def _gathered(
    index: Contested, sample: Sample, metadata: Sequence[str], judged_only: bool, tell: Stages
) -> list[Judged]:
    """The candidates of each query that has any."""
    fields = list(dict.fromkeys(METADATA + path for path in metadata))
    families = _families(sample.texts, sample.qrels)
    found = []
    asked = index.candidates(sample.texts, [*MATCHING, *fields], lacking=sample.lacking)
    for done, (query, ids, columns) in enumerate(asked, 1):
        if ids:
            found.append(_judged(columns, ids, sample.qrels[query], judged_only, families[query]))
        tell("features", done, len(sample))
    if not found:
        raise nothing_found()
    for name in fields:
        if all(np.isnan(query.columns[name]).all() for query in found):
            raise numbers_missing(name)
    return found


def _known(gathered: Sequence[Judged]) -> list[str]:
    """The features that some candidate has: none of a leg that the index lacks."""
    return [
        name
        for name in gathered[0].columns
        if not all(np.isnan(query.columns[name]).all() for query in gathered)
    ]


def _families(texts: Mapping[str, str], qrels: Qrels) -> dict[str, str]:
    """What neither the held-out part nor a fold may part: trees would learn one by heart for the other."""
    return by_document(texts, qrels, FOLDS)


def _judged(
    columns: Features, ids: Sequence[str], grades: Mapping[str, int], judged_only: bool, family: str
) -> Judged:
    own = np.array([grades.get(id, 0) for id in ids], np.float64)
    trains = np.array([id in grades or not judged_only for id in ids], np.bool_)
    return Judged.of(columns, own, list(grades.values()), trains, family)


def _group(name: str) -> str:
    if name.startswith(METADATA):
        return "metadata"
    if name.startswith("query_"):
        return "query"
    if name in MATCHING:
        return "text matching"
    return "fused score" if name == "fused_score" else "legs"


def _ablation(
    gathered: Sequence[Judged], names: Sequence[str], choice: Choice, seed: int, tell: Stages
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
