"""Choose how a reranker is set by judged queries, and let it serve only where it proves better.

The judged queries are split once. On the train part each of a few settings orders the candidates of what
serves, and the best is chosen; the held-out part is asked as users ask, with it and with what serves, and
goes through the `gate`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError, require
from hybrid.evaluate.measures import parse
from hybrid.evaluate.scoring import evaluate
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
from hybrid.learn.gate import Verdict
from hybrid.learn.lambdamart import CUTOFF
from hybrid.learn.split import MAX_TRAIN, Sample, split
from hybrid.rerank import METADATA, MMR, CrossEncoder, Features, Popularity, Recency, rerank, stored
from hybrid.search.legs import Legs
from hybrid.settings import Profile
from hybrid.types import Candidates, Qrels, Run, Stages

Settable: TypeAlias = CrossEncoder | MMR | Recency | Popularity

_BALANCES: Final = (0.95, 0.9, 0.8, 0.7, 0.5, 0.3)
_SHARES: Final = (0.25, 0.5, 0.75, 1.0)
_HALF_LIVES: Final = (1095.0, 365.0, 90.0, 30.0, 7.0)  # days
_FRESHNESS: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
_POPULARITY: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

# Milder settings stand first, and win where two are worth the same.


def cross_encoders(model: str) -> list[Settable]:
    """The settings to try of a cross-encoder, which is loaded: its weight beside the fused score."""
    pinned = CrossEncoder(model).pinned()
    return [replace(pinned, weight=weight) for weight in _SHARES]


def diversities() -> list[Settable]:
    """MMR, with its balance to choose."""
    return [MMR(balance) for balance in _BALANCES]


def recencies(field: str, now: float | None = None) -> list[Settable]:
    """Of a boost for what is new: its half-life and weight, judged as of ``now``, seconds since 1970."""
    judged = time.time() if now is None else now
    return [
        Recency(field, half_life, weight, judged) for weight, half_life in product(_FRESHNESS, _HALF_LIVES)
    ]


def popularities(field: str) -> list[Settable]:
    """A boost for what many like, with its weight to choose."""
    return [Popularity(field, weight) for weight in _POPULARITY]


@dataclass(frozen=True)
class Reranking:
    """What `choose` found. ``profile`` serves, and orders what ``reranker`` reorders; ``tried``: the
    nDCG@10 of each setting on the train queries. ``systems``: name -> its figures, for "serving", the
    reranker by the name of its class (its best of the train queries), "RRF(60)" and the legs. ``train``
    and ``held_out`` count queries; ``left_out``: reason -> how many judged queries could not be used.
    """

    seed: int
    train: int
    held_out: int
    left_out: dict[str, int]
    profile: Profile
    reranker: Settable
    tried: dict[str, float]
    systems: dict[str, Figures]
    verdict: Verdict

    @property
    def name(self) -> str:
        return type(self.reranker).__name__

    @property
    def keeps(self) -> Settable | None:
        """The reranker, as it is to serve: a boost for what is new counts from the time of the query. None
        where it may not."""
        if self.verdict.installs != self.name:
            return None
        return replace(self.reranker, now=None) if isinstance(self.reranker, Recency) else self.reranker

    @property
    def installs(self) -> Profile | None:
        """What is to serve from now on; with a reranker that it ``keeps`` the profile that yet lacks its
        id. None: what serves already."""
        name = self.verdict.installs
        return None if name is None else self.profile if name == self.name else GUARDS[name]

    def to_json(self) -> dict[str, Any]:
        return {
            "measure": MEASURE,
            "seed": self.seed,
            "train": self.train,
            "held_out": self.held_out,
            "left_out": self.left_out,
            "profile": self.profile.model_dump(mode="json"),
            "reranker": stored.dump(self.reranker),
            "tried": self.tried,
            "systems": {name: vars(figures) for name, figures in self.systems.items()},
            "verdict": self.verdict.to_json(),
        }

    def evidence(self) -> dict[str, Any]:
        """The part that is kept with an installed profile."""
        against = self.verdict.challengers[self.name].against_incumbent
        return {
            "measure": MEASURE,
            "seed": self.seed,
            "queries judged": {"train": self.train, "held out": self.held_out},
            "reranker": stored.dump(self.reranker),
            "tried": {setting: round(reached, 4) for setting, reached in self.tried.items()},
            "train": {name: round(figures.train, 4) for name, figures in self.systems.items()},
            "held out": {name: round(figures.held_out, 4) for name, figures in self.systems.items()},
            "tied": {name: round(figures.tied, 4) for name, figures in self.systems.items()},
            "winner": self.verdict.installs,
            "difference": round(against.difference, 4),
            "interval": [round(against.low, 4), round(against.high, 4)],
            "p": round(against.p, 6),
            "verdict": self.verdict.reason,
        }


def choose(
    index: Contested,
    queries: Mapping[str, str],
    qrels: Qrels,
    settings: Sequence[Settable],
    *,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    max_train: int = MAX_TRAIN,
    ignore_identical_ids: bool = False,
    progress: Stages | None = None,
) -> Reranking:
    """Choose one of ``settings``, all of one class, for what ``index`` serves on two thirds of the judged
    queries, at most ``max_train``, and judge it on the rest, or on ``test_qrels``; by nDCG@10. Installs
    nothing.

    It reorders what the serving profile fuses, in the place of a reranker that may serve already. Which
    queries count, on which side, and ``ignore_identical_ids``: see `tune`. The same ``seed`` gives the same
    result. Raises InputError where too few queries remain, or no candidate has what the reranker goes by,
    and what the reranker raises; MissingExtra unless the extra ``evaluate`` is installed.
    """
    require("choosing a reranker", "ir_measures", extra="evaluate")  # rather now than after all searches
    sample, held_out, left_out = split(
        queries, qrels, test_qrels, seed, max_train, ignore_identical_ids=ignore_identical_ids
    )
    tell = progress or silent
    profile = index.profiles.serving
    tried = _tried(index, sample, settings, tell)
    chosen = max(settings, key=lambda one: tried[repr(one)])
    name = type(chosen).__name__
    contest = hold(index, name, chosen, tried[repr(chosen)], sample, held_out, seed, tell)
    return Reranking(
        seed=seed,
        train=len(sample),
        held_out=len(held_out),
        left_out=left_out,
        profile=profile.model_copy(update={"reranker": None}),
        reranker=chosen,
        tried=tried,
        systems=contest.systems,
        verdict=contest.verdict,
    )


def _tried(
    index: Contested, sample: Sample, settings: Sequence[Settable], tell: Stages
) -> dict[str, float]:
    """The nDCG@10 of each of ``settings``, by its repr."""
    runs: dict[str, Run] = {repr(one): {} for one in settings}
    (feature,) = settings[0].features
    answered = known = False
    asked = index.candidates(sample.texts, [feature], lacking=sample.lacking)
    for done, (query, ids, columns) in enumerate(asked, 1):
        answered, known = answered or bool(ids), known or _known(columns[feature])
        for one, found in zip(settings, _ranked(settings, sample.texts[query], columns), strict=True):
            top = found.top(CUTOFF)
            places = zip(top.ordinals.tolist(), top.scores.tolist(), strict=True)
            runs[repr(one)][query] = [(ids[place], score) for place, score in places]
        tell("settings", done, len(sample))
    if not answered:
        raise nothing_found()
    if not known:
        raise _unknown(feature, index.legs)
    reached = evaluate(runs, sample.qrels, parse(MEASURE)).systems
    return {name: reached[name][MEASURE] for name in runs}


def _ranked(settings: Sequence[Settable], query: str, columns: Features) -> list[Candidates]:
    """The places of the candidates as each of ``settings`` orders them."""
    fused = Candidates.ranked(np.arange(len(columns["fused_score"])), columns["fused_score"])
    columns = {name: column[fused.ordinals] for name, column in columns.items()}
    first = settings[0]
    if not isinstance(first, CrossEncoder) or not len(fused):
        return [rerank(one, query, fused, columns) for one in settings]
    said = first.scores(query, columns["text"][: first.top].tolist())  # once for all weights
    return [one.placed(fused, said) for one in settings if isinstance(one, CrossEncoder)]


def _known(column: NDArray[Any]) -> bool:
    return column.dtype == np.object_ or not bool(np.isnan(column).all())


def _unknown(feature: str, legs: Legs) -> InputError:
    if feature.startswith(METADATA):
        return numbers_missing(feature)
    why = str(legs) or "give the documents vectors"
    return InputError(f"no candidate has a vector, so none is like another: {why}")
