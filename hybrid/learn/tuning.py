"""Choose an index's serving profile by judged queries, and let it serve only where it proves better.

The judged queries are split once. The train part chooses: `searchspace` says what is tried, the best
mean wins, and cross-validation, in which each fold's queries have no part in the whole search that they
judge, tells what such a choice is worth (Varma and Simon, "Bias in Error Estimation when Using
Cross-Validation for Model Selection", BMC Bioinformatics 7, 2006). The held-out part, which has no part
in the choice, goes through the `gate`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from hybrid.errors import MeasureError
from hybrid.evaluate.asking import answering
from hybrid.evaluate.comparison import Values
from hybrid.evaluate.measures import UNBOUNDED_DEPTH, parse, reach
from hybrid.evaluate.scoring import evaluate
from hybrid.learn import gate, ties
from hybrid.learn.searchspace import RRF_60, Stage, first_look, leg, method_of, stages
from hybrid.learn.split import MAX_TRAIN, Rows, Sample, into_folds, split
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Qrels, Run, Stages

if TYPE_CHECKING:
    from ir_measures import Measure

MEASURE: Final = "nDCG@10"
_FINALISTS: Final = 3
_LEXICAL: Final = "lexical leg"
_VECTOR: Final = "vector leg"
_BATCH: Final = 32


class Tunable(Protocol):
    """An index that can be tuned: a Searcher."""

    @property
    def profiles(self) -> Profiles: ...

    @property
    def legs(self) -> Legs: ...

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int, lacking: Lacking
    ) -> list[Run]: ...


@dataclass(frozen=True)
class Figures:
    """A profile's mean on the train and on the held-out queries, and the share of its first ten places
    there that it leaves ``tied``."""

    profile: Profile
    train: float
    held_out: float
    tied: float

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile.model_dump(mode="json"),
            "train": self.train,
            "held_out": self.held_out,
            "tied": self.tied,
        }


@dataclass(frozen=True)
class Tuning:
    """What `tune` found. ``systems``: name -> its figures, for "serving" (what the index serves with),
    "tuned" (the best on train), the best of other methods, "RRF(60)" and the legs, as far as the index has
    them; those of them that were close to the best are the challengers of the ``verdict``.
    ``cross_validated``: what a profile that was chosen as "tuned" was is worth on queries that did not
    choose it. ``train`` and ``held_out`` count queries, ``tried`` profiles; ``left_out``: reason -> how
    many judged queries could not be used.
    """

    measure: str
    seed: int
    train: int
    held_out: int
    left_out: dict[str, int]
    tried: int
    cross_validated: float
    systems: dict[str, Figures]
    verdict: gate.Verdict

    @property
    def installs(self) -> Profile | None:
        """The profile to serve from now on; None to keep the one that serves."""
        return None if self.verdict.installs is None else self.systems[self.verdict.installs].profile

    @property
    def keeps(self) -> None:
        """A profile that was tuned has no reranker of its own."""

    def to_json(self) -> dict[str, Any]:
        return {
            "measure": self.measure,
            "seed": self.seed,
            "train": self.train,
            "held_out": self.held_out,
            "left_out": self.left_out,
            "tried": self.tried,
            "cross_validated": self.cross_validated,
            "systems": {name: figures.to_json() for name, figures in self.systems.items()},
            "verdict": self.verdict.to_json(),
        }

    def evidence(self) -> dict[str, Any]:
        """The part that is kept with an installed profile."""
        return {
            "measure": self.measure,
            "seed": self.seed,
            "queries judged": {"train": self.train, "held out": self.held_out},
            "profiles tried": self.tried,
            "train": {name: round(figures.train, 4) for name, figures in self.systems.items()},
            "cross-validated": round(self.cross_validated, 4),
            "held out": {name: round(figures.held_out, 4) for name, figures in self.systems.items()},
            "tied": {name: round(figures.tied, 4) for name, figures in self.systems.items()},
            "winner": self.verdict.installs,
            **self._comparison(),
            "verdict": self.verdict.reason,
        }

    def _comparison(self) -> dict[str, Any]:
        """The figures of the installed profile against the one that served; none where a guard is
        installed."""
        found = self.verdict.challengers.get(self.verdict.installs or "")
        if found is None:
            return {}
        against = found.against_incumbent
        return {
            "difference": round(against.difference, 4),
            "interval": [round(against.low, 4), round(against.high, 4)],
            "p": round(against.p, 6),
            "p corrected": round(found.corrected, 6),
        }


def tune(
    index: Tunable,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    measure: str = MEASURE,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    max_train: int = MAX_TRAIN,
    ignore_identical_ids: bool = False,
    progress: Stages | None = None,
) -> Tuning:
    """Search the best serving profile on two thirds of the judged queries, at most ``max_train``, and judge
    it on the rest, or on ``test_qrels``, with the best of the other methods that come close. Installs
    nothing: that is ``index.install(tuning.installs, tuning.evidence())``.

    Only judged queries with a text and a relevant document count. Queries of one text stay on one side of
    the split; with ``test_qrels`` those that it judges too do not train. With ``ignore_identical_ids`` the
    document that has a query's id is passed over. An index that answers by one leg alone has nothing to
    fuse: then only the title boost is searched. The same ``seed`` gives the same result. Raises InputError
    where too few queries remain, or no leg can answer, MeasureError for anything but one measure.
    """
    [wanted] = _one(parse(measure))
    train, held_out, left_out = split(
        queries, qrels, test_qrels, seed, max_train, ignore_identical_ids=ignore_identical_ids
    )
    legs = index.legs
    answering(legs)
    tell = progress or (lambda _stage, _done, _total: None)
    scores = _Scores(index, train, wanted, tell)
    serving, folds = index.profiles.serving, into_folds(len(train), seed)
    everyone = np.arange(len(train))
    everything, *without_fold = _search(
        scores, serving, legs, [everyone, *(np.setdiff1d(everyone, fold) for fold in folds)]
    )
    finalists = _finalists(scores, everything)
    systems = {"serving": serving, **finalists, **_references(legs, [serving, *finalists.values()])}
    scores.add("references", systems.values())
    judged = _Scores(index, held_out, wanted, tell)
    judged.add("held-out queries", systems.values())
    return Tuning(
        measure=str(wanted),
        seed=seed,
        train=len(train),
        held_out=len(held_out),
        left_out=left_out,
        tried=scores.tried,
        cross_validated=_cross_validated(scores, without_fold, folds),
        systems={
            name: Figures(profile, scores.mean(profile), judged.mean(profile), judged.tied(profile))
            for name, profile in systems.items()
        },
        verdict=_verdict(judged, systems, _challengers(scores, finalists, serving), seed),
    )


def _one(measures: list[Measure]) -> list[Measure]:
    if len(measures) != 1:
        raise MeasureError(
            f"tuning maximises one measure, not {len(measures)}; give one, such as {MEASURE}"
        )
    return measures


def _finalists(scores: _Scores, tried: Sequence[Profile]) -> dict[str, Profile]:
    """The best of all as "tuned", the best of other methods by the method's name."""
    tuned, *others = _best(scores, tried)
    return {"tuned": tuned, **{method_of(profile): profile for profile in others}}


def _challengers(scores: _Scores, finalists: Mapping[str, Profile], serving: Profile) -> list[str]:
    """The tuned one, and those better than the serving one on train and within one standard error (of the
    paired difference) of the tuned one, but not its equals. Any other would but cost these power, since the
    gate corrects for all. The rule: Breiman et al., "Classification and Regression Trees", 1984, 3.4.3."""
    best = scores.of([finalists["tuned"]])[0]
    chosen = ["tuned"]
    for name, profile in list(finalists.items())[1:]:
        behind = best - scores.of([profile])[0]
        close = behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind))
        if close and behind.any() and scores.mean(profile) > scores.mean(serving):
            chosen.append(name)
    return chosen


def _references(legs: Legs, profiles: Iterable[Profile]) -> dict[str, Profile]:
    """What else the queries are asked of: of the ``legs`` that there are the lexical one with each title
    boost of ``profiles``, which serve or may serve, and the vector one."""
    boosts = dict.fromkeys(profile.title_boost for profile in profiles)
    lexical = {f"{_LEXICAL}{_boosted(boost)}": leg("lexical", boost) for boost in boosts}
    return {
        **({"RRF(60)": RRF_60} if legs.both else {}),
        **(lexical if "lexical" in legs.there else {}),
        **({_VECTOR: leg("vector")} if "vector" in legs.there else {}),
    }


def _boosted(boost: float) -> str:
    return f", title boost {boost:g}" if boost else ""


def _verdict(
    judged: _Scores, systems: Mapping[str, Profile], challengers: Sequence[str], seed: int
) -> gate.Verdict:
    values = {name: judged.of([profile])[0] for name, profile in systems.items()}
    tied = {name: judged.tied(profile) for name, profile in systems.items()}
    return gate.judge(
        values["serving"],
        {name: values[name] for name in challengers},
        {name: values[name] for name in values if name.startswith((_LEXICAL, _VECTOR))},
        tied=tied,
        incumbent_tied=tied["serving"],
        seed=seed,
    )


# The search


class _Scores:
    """What profiles score on each query of a sample, float64 (queries,); each asked once."""

    def __init__(self, index: Tunable, sample: Sample, measure: Measure, tell: Stages) -> None:
        self._index, self._sample, self._measure, self._tell = index, sample, measure, tell
        self._known: dict[str, Values] = {}
        self._ties: dict[str, list[float]] = defaultdict(list)

    @property
    def tried(self) -> int:
        return len(self._known)

    def add(self, stage: str, profiles: Iterable[Profile]) -> None:
        new = [profile for profile in _distinct(profiles) if _key(profile) not in self._known]
        if not new:
            return
        ids, parts = list(self._sample.texts), []
        for start in range(0, len(ids), _BATCH):
            parts.append(self._measured(ids[start : start + _BATCH], new))
            self._tell(stage, min(start + _BATCH, len(ids)), len(ids))
        self._known |= zip(map(_key, new), np.concatenate(parts, axis=1), strict=True)

    def of(self, profiles: Sequence[Profile]) -> Values:
        """(profiles, queries)."""
        return np.stack([self._known[_key(profile)] for profile in profiles])

    def mean(self, profile: Profile) -> float:
        return float(self._known[_key(profile)].mean())

    def tied(self, profile: Profile) -> float:
        """The share of the first ten places that it leaves tied."""
        return ties.mean(self._ties[_key(profile)])

    def _measured(self, ids: Sequence[str], profiles: Sequence[Profile]) -> Values:
        """(profiles, ids)."""
        batch = self._sample.only(ids)
        k = max(reach(self._measure) or UNBOUNDED_DEPTH, ties.PLACES)
        runs = self._index.run_profiles(batch.texts, profiles, k=k, lacking=batch.lacking)
        report = evaluate({str(i): run for i, run in enumerate(runs)}, batch.qrels, [self._measure])
        for profile, run in zip(profiles, runs, strict=True):
            self._ties[_key(profile)] += ties.tied(run)
        found = [report.per_query[str(i)][str(self._measure)] for i in range(len(runs))]
        return np.array([[values[id] for id in ids] for values in found])


def _search(scores: _Scores, serving: Profile, legs: Legs, views: Sequence[Rows]) -> list[list[Profile]]:
    """What a search that sees but the queries of a view tries, for each of ``views``."""
    start = _distinct([serving, *first_look(legs)])
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
