"""Choose an index's serving profile by judged queries, and let it serve only where it proves better.

The judged queries are split once. The train part chooses: `searchspace` says what is tried, the best
mean wins, and cross-validation, in which each fold's queries have no part in the whole search that they
judge, tells what such a choice is worth (Varma and Simon, "Bias in Error Estimation when Using
Cross-Validation for Model Selection", BMC Bioinformatics 7, 2006). The held-out part, which has no part
in the choice, goes through the `gate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hybrid.errors import MeasureError
from hybrid.evaluate.asking import answering
from hybrid.evaluate.comparison import Values
from hybrid.evaluate.measures import parse
from hybrid.learn.contest import (
    MEASURE,
    Contest,
    Contested,
    Proposal,
    against_serving,
    hold,
    measured,
    references,
    silent,
)
from hybrid.learn.families import Rows, into_folds
from hybrid.learn.gate import Accept, check_accept
from hybrid.learn.searchspace import Stage, first_look, method_of, stages
from hybrid.learn.split import MAX_TRAIN, Sample, split
from hybrid.search.legs import Legs
from hybrid.settings import Profile
from hybrid.types import Qrels, Stages

if TYPE_CHECKING:
    from ir_measures import Measure

_FINALISTS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Tuning(Contest):
    """The result of `tune`. Its ``systems`` are "serving", "tuned" (the best on train), the best of other
    methods, "RRF(60)" and the legs; those of them that were close to the best are the challengers of the
    ``verdict``. ``tried`` counts profiles; ``cross_validated``: the worth of a profile that was chosen as
    "tuned" was, on queries that did not choose it."""

    tried: int
    cross_validated: float

    def _details(self) -> dict[str, Any]:
        systems = {
            name: {"profile": figures.profile.model_dump(mode="json"), **figures.to_json()}
            for name, figures in self.systems.items()
        }
        return {"tried": self.tried, "cross_validated": self.cross_validated, "systems": systems}

    def _kept(self) -> dict[str, Any]:
        kept = {"profiles tried": self.tried, "cross-validated": round(self.cross_validated, 4)}
        winner = self.verdict.challengers.get(self.verdict.installs or "")
        if winner is None:  # nothing, or a guard
            return kept
        return {**kept, **against_serving(winner), "p corrected": round(winner.corrected, 6)}


def tune(
    index: Contested,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    measure: str = MEASURE,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    accept: Accept | None = None,
    max_train: int = MAX_TRAIN,
    ignore_identical_ids: bool = False,
    progress: Stages | None = None,
) -> Tuning:
    """Search the best serving profile on two thirds of the judged queries, at most ``max_train``, and judge
    it on the rest, or on ``test_qrels``, with the best of the other methods that come close. Installs
    nothing: that is ``found.install(index)``.

    Only judged queries with a text and a relevant document count. Queries of one family (see
    `hybrid.learn.families`) stay on one side of the split, and in one fold; with ``test_qrels`` only those
    that it judges too do not train. A profile that is better only for documents known from training is
    refused unless ``accept`` is "known". With ``ignore_identical_ids`` the
    document that has a query's id is passed over. An index that answers by one leg alone has nothing to
    fuse: then only the title boost is searched. The same ``seed`` gives the same result. Raises InputError
    where too few queries remain, or no leg can answer, MeasureError for anything but one measure.
    """
    check_accept(accept)
    [wanted] = _one(parse(measure))
    judged = split(queries, qrels, test_qrels, seed, max_train, ignore_identical_ids)
    legs, tell = index.legs, progress or silent
    answering(legs)
    scores = _Scores(index, judged.train, wanted, tell)
    serving, folds = index.profiles.serving, into_folds(list(judged.train.families.values()), seed)
    everyone = np.arange(len(judged.train))
    everything, *without_fold = _search(
        scores, serving, legs, [everyone, *(np.setdiff1d(everyone, fold) for fold in folds)]
    )
    proposal = _proposal(scores, serving, _finalists(scores, everything), legs)
    return Tuning(
        **vars(hold(index, proposal, judged, wanted, seed, tell, accept)),
        tried=scores.tried,
        cross_validated=_cross_validated(scores, without_fold, folds),
    )


def _one(measures: list[Measure]) -> list[Measure]:
    if len(measures) != 1:
        raise MeasureError(
            f"tuning maximises one measure, not {len(measures)}; give one, such as {MEASURE}"
        )
    return measures


def _finalists(scores: _Scores, tried: Sequence[Profile]) -> dict[str, Profile]:
    """The best profile of all as "tuned", and the best of other methods by the method's name."""
    tuned, *others = _best(scores, tried)
    return {"tuned": tuned, **{method_of(profile): profile for profile in others}}


def _challengers(scores: _Scores, finalists: Mapping[str, Profile], serving: Profile) -> list[str]:
    """The tuned profile, and those better than the serving one on train and within one standard error (of
    the paired difference) of the tuned one, but not its equals. Any other would only cost these power,
    since the gate corrects for all. The rule: Breiman et al., "Classification and Regression Trees", 1984,
    3.4.3."""
    best = scores.of([finalists["tuned"]])[0]
    chosen = ["tuned"]
    for name, profile in list(finalists.items())[1:]:
        behind = best - scores.of([profile])[0]
        close = behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind))
        if close and behind.any() and scores.mean(profile) > scores.mean(serving):
            chosen.append(name)
    return chosen


def _proposal(scores: _Scores, serving: Profile, finalists: Mapping[str, Profile], legs: Legs) -> Proposal:
    """The serving profile, the finalists, and the references with the title boosts of these."""
    boosts = dict.fromkeys(profile.title_boost for profile in (serving, *finalists.values()))
    systems = {"serving": serving, **finalists, **references(legs, boosts)}
    scores.add("references", systems.values())
    train = {name: scores.mean(profile) for name, profile in systems.items()}
    return Proposal(systems, train, _challengers(scores, finalists, serving))


# The search


class _Scores:
    """The scores of profiles on each query of a sample, float64 (queries,); each profile is asked once."""

    def __init__(self, index: Contested, sample: Sample, measure: Measure, tell: Stages) -> None:
        self._index, self._sample, self._measure, self._tell = index, sample, measure, tell
        self._known: dict[str, Values] = {}

    @property
    def tried(self) -> int:
        return len(self._known)

    def add(self, stage: str, profiles: Iterable[Profile]) -> None:
        new = {_key(profile): profile for profile in profiles if _key(profile) not in self._known}
        if new:
            found = measured(self._index, self._sample, new, self._measure, stage, self._tell)
            self._known |= {key: one.values for key, one in found.items()}

    def of(self, profiles: Sequence[Profile]) -> Values:
        """(profiles, queries)."""
        return np.stack([self._known[_key(profile)] for profile in profiles])

    def mean(self, profile: Profile) -> float:
        return float(self._known[_key(profile)].mean())


def _search(scores: _Scores, serving: Profile, legs: Legs, views: Sequence[Rows]) -> list[list[Profile]]:
    """Search once for each of ``views``, seeing its queries alone; returns the profiles that were tried."""
    start = _distinct([serving, *first_look(legs, serving)])
    scores.add("first look", start)
    tried = [start for _ in views]
    for name, stage in stages(legs):
        tried = [_further(scores, stage, mine, view) for mine, view in zip(tried, views, strict=True)]
        scores.add(name, (profile for mine in tried for profile in mine))
    return tried


def _further(scores: _Scores, stage: Stage, tried: list[Profile], view: Rows) -> list[Profile]:
    leading = _best(scores, tried, view)
    return _distinct([*tried, *(profile for one in leading for profile in stage(one))])


def _best(scores: _Scores, tried: Sequence[Profile], view: Rows | slice = slice(None)) -> list[Profile]:
    """The best of each method, best first, of the few best methods; of equals the one tried first."""
    means = scores.of(tried)[:, view].mean(axis=1)
    best: dict[str, Profile] = {}
    for row in np.argsort(-means, kind="stable"):
        best.setdefault(method_of(tried[row]), tried[row])
    return list(best.values())[:_FINALISTS]


def _cross_validated(scores: _Scores, tried: Sequence[list[Profile]], folds: Sequence[Rows]) -> float:
    """The mean over all queries of what was best without the query's own fold."""
    total = 0.0
    for mine, fold in zip(tried, folds, strict=True):
        others = np.setdiff1d(np.concatenate(folds), fold)
        total += float(scores.of(_best(scores, mine, others)[:1])[0, fold].sum())
    return total / sum(map(len, folds))


def _distinct(profiles: Iterable[Profile]) -> list[Profile]:
    return list({_key(profile): profile for profile in profiles}.values())


def _key(profile: Profile) -> str:
    return profile.model_dump_json()
