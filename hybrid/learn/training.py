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
from hybrid.evaluate.comparison import Paired, paired
from hybrid.learn.contest import (
    Contest,
    Contested,
    against_serving,
    hold,
    ndcg,
    nothing_found,
    numbers_missing,
    propose,
    silent,
)
from hybrid.learn.gate import Accept, check_accept
from hybrid.learn.lambdamart import Choice, Judged, cross_validated, train
from hybrid.learn.silencing import Electorate, without_kin
from hybrid.learn.split import MAX_TRAIN, Sample, split
from hybrid.rerank import METADATA, Features
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.rerank.matching import FEATURES as MATCHING
from hybrid.search.votes import VOTED
from hybrid.settings import Profile
from hybrid.types import Qrels, Stages

LEARNED: Final = "lambdamart"
_TOLD: Final = 15  # features, in the evidence


@dataclass(frozen=True, kw_only=True)
class Learning(Contest):
    """The result of `learn`. Its ``systems`` are "serving", "lambdamart" (the ``profile`` with the
    ``model``), "RRF(60)" and the legs. ``choice`` and ``rounds`` are what cross-validation chose, ``tried``
    the nDCG@10 of each choice; ``ablation``: group of features -> the nDCG@10 without it, where that was
    asked for."""

    model: LambdaMART = field(repr=False)
    choice: Choice
    rounds: int
    tried: dict[str, float]
    ablation: dict[str, float]

    @property
    def profile(self) -> Profile:
        """The profile that serves; it orders what the model reorders."""
        return self.systems[LEARNED].profile

    @property
    def importances(self) -> dict[str, float]:
        """Each feature's share of what the trees gained, largest first."""
        return self.model.importances()

    @property
    def compared(self) -> dict[str, Paired]:
        """The model's comparison with each other system on the held-out queries; the p-values are not
        corrected."""
        mine = self.values[LEARNED]
        return {
            name: paired(mine, values, families=self.families, seed=self.seed)
            for name, values in self.values.items()
            if name != LEARNED
        }

    def _details(self) -> dict[str, Any]:
        return {
            "profile": self.profile.model_dump(mode="json"),
            "choice": vars(self.choice),
            "rounds": self.rounds,
            "tried": self.tried,
            "importances": self.importances,
            "ablation": self.ablation,
            "compared": {name: vars(found) for name, found in self.compared.items()},
        }

    def _kept(self) -> dict[str, Any]:
        most = list(self.importances.items())[:_TOLD]
        return {
            "choice": {**vars(self.choice), "trees": self.rounds},
            "cross-validated": round(self.systems[LEARNED].train, 4),
            **against_serving(self.verdict.challengers[LEARNED]),
            "importances": {name: round(share, 4) for name, share in most},
        }


def learn(
    index: Electorate,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    accept: Accept | None = None,
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
    without each group of features. Which queries count, on which side, ``accept`` and
    ``ignore_identical_ids``: see `tune`. The same ``seed`` gives the same result.
    Raises InputError where too few queries remain, or no candidate has a number under one of ``metadata``;
    MissingExtra unless the extra ``evaluate`` is installed.
    """
    check_accept(accept)
    require("training", "lightgbm", "ir_measures", extra="evaluate")  # now, rather than after all searches
    judged = split(queries, qrels, test_qrels, seed, max_train, ignore_identical_ids)
    sample, tell = judged.train, progress or silent
    gathered = _gathered(without_kin(index, sample), sample, metadata, judged_only, tell)
    names = _known(gathered)
    found = train(gathered, names, seed=seed, progress=lambda *done: tell("training", *done))
    without = _ablation(gathered, names, found.choice, seed, tell) if ablation else {}
    proposal = propose(index, LEARNED, found.model, found.ndcg, sample, tell, keeps=found.model)
    return Learning(
        **vars(hold(index, proposal, judged, ndcg(), seed, tell, accept)),
        model=found.model,
        choice=found.choice,
        rounds=found.rounds,
        tried={str(choice): reached for choice, reached in found.tried.items()},
        ablation=without,
    )


# Features


def _gathered(
    index: Contested, sample: Sample, metadata: Sequence[str], judged_only: bool, tell: Stages
) -> list[Judged]:
    """The candidates of each query that has any."""
    fields = list(dict.fromkeys(METADATA + path for path in metadata))
    families = sample.families
    found = []
    asked = index.candidates(sample.texts, [*MATCHING, *VOTED, *fields], lacking=sample.lacking)
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
    """The features that any candidate has: a leg that the index lacks gives none."""
    return [
        name
        for name in gathered[0].columns
        if not all(np.isnan(query.columns[name]).all() for query in gathered)
    ]


def _judged(
    columns: Features, ids: Sequence[str], grades: Mapping[str, int], judged_only: bool, family: str
) -> Judged:
    own = np.array([grades.get(id, 0) for id in ids], np.float64)
    trains = np.array([id in grades or not judged_only for id in ids], np.bool_)
    return Judged.of(columns, own, list(grades.values()), trains, family)


def _group(name: str) -> str:
    if name.startswith(METADATA):
        return "metadata"
    if name in VOTED:
        return "past queries"
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
