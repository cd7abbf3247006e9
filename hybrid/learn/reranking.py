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
from hybrid.evaluate.scoring import evaluate
from hybrid.learn.contest import (
    MEASURE,
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
from hybrid.learn.lambdamart import CUTOFF
from hybrid.learn.split import MAX_TRAIN, Sample, split
from hybrid.rerank import (
    METADATA,
    MMR,
    CrossEncoder,
    Features,
    LateInteraction,
    Popularity,
    Recency,
    rerank,
    stored,
)
from hybrid.rerank.neural import Neural
from hybrid.search.legs import Legs
from hybrid.settings import Profile
from hybrid.types import Candidates, Qrels, Run, Stages

Settable: TypeAlias = CrossEncoder | LateInteraction | MMR | Recency | Popularity

_BALANCES: Final = (0.95, 0.9, 0.8, 0.7, 0.5, 0.3)
_SHARES: Final = (0.25, 0.5, 0.75, 1.0)
_HALF_LIVES: Final = (1095.0, 365.0, 90.0, 30.0, 7.0)  # days
_FRESHNESS: Final = (0.1, 0.25, 0.5, 1.0, 2.0)
_POPULARITY: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

# Milder settings stand first, and win where two are worth the same.


def cross_encoders(model: str) -> list[Settable]:
    """A cross-encoder, which is loaded, with its weight beside the fused score to choose."""
    pinned = CrossEncoder(model).pinned()
    return [replace(pinned, weight=weight) for weight in _SHARES]


def late_interactions(model: str) -> list[Settable]:
    """A late-interaction model, which is loaded, with its weight beside the fused score to choose."""
    pinned = LateInteraction(model).pinned()
    return [replace(pinned, weight=weight) for weight in _SHARES]


def diversities() -> list[Settable]:
    """MMR, with its balance to choose."""
    return [MMR(balance) for balance in _BALANCES]


def recencies(field: str, now: float | None = None) -> list[Settable]:
    """A boost for new documents, with its half-life and weight to choose, judged as of ``now``, seconds
    since 1970."""
    judged = time.time() if now is None else now
    return [
        Recency(field, half_life, weight, judged) for weight, half_life in product(_FRESHNESS, _HALF_LIVES)
    ]


def popularities(field: str) -> list[Settable]:
    """A boost for popular documents, with its weight to choose."""
    return [Popularity(field, weight) for weight in _POPULARITY]


@dataclass(frozen=True, kw_only=True)
class Reranking(Contest):
    """The result of `choose`. Its ``systems`` are "serving", the ``reranker`` by the ``name`` of its class
    (its best of the train queries), "RRF(60)" and the legs; ``tried``: the nDCG@10 of each setting on the
    train queries."""

    reranker: Settable
    tried: dict[str, float]

    @property
    def name(self) -> str:
        return type(self.reranker).__name__

    @property
    def profile(self) -> Profile:
        """The profile that serves; it orders what ``reranker`` reorders."""
        return self.systems[self.name].profile

    def _details(self) -> dict[str, Any]:
        return {
            "profile": self.profile.model_dump(mode="json"),
            "reranker": stored.dump(self.reranker),
            "tried": self.tried,
        }

    def _kept(self) -> dict[str, Any]:
        return {
            "reranker": stored.dump(self.reranker),
            "tried": {setting: round(reached, 4) for setting, reached in self.tried.items()},
            **against_serving(self.verdict.challengers[self.name]),
        }


def choose(
    index: Contested,
    queries: Mapping[str, str],
    qrels: Qrels,
    settings: Sequence[Settable],
    *,
    seed: int = 0,
    test_qrels: Qrels | None = None,
    accept: Accept | None = None,
    max_train: int = MAX_TRAIN,
    ignore_identical_ids: bool = False,
    progress: Stages | None = None,
) -> Reranking:
    """Choose one of ``settings``, all of one class, for what ``index`` serves on two thirds of the judged
    queries, at most ``max_train``, and judge it on the rest, or on ``test_qrels``; by nDCG@10. Installs
    nothing.

    It reorders what the serving profile fuses, in the place of a reranker that may serve already. Which
    queries count, on which side, ``accept`` and ``ignore_identical_ids``: see `tune`. The same ``seed``
    gives the same result. Raises InputError where too few queries remain, or no candidate has what the
    reranker goes by, and what the reranker raises; MissingExtra unless the extra ``evaluate`` is installed.
    """
    check_accept(accept)
    require("choosing a reranker", "ir_measures", extra="evaluate")  # now, rather than after all searches
    judged = split(queries, qrels, test_qrels, seed, max_train, ignore_identical_ids)
    sample, tell = judged.train, progress or silent
    tried = _tried(index, sample, settings, tell)
    chosen = max(settings, key=lambda one: tried[repr(one)])
    # It is judged as of a fixed day; once it serves, the day is that of the query.
    keeps = replace(chosen, now=None) if isinstance(chosen, Recency) else chosen
    name = type(chosen).__name__
    proposal = propose(index, name, chosen, tried[repr(chosen)], sample, tell, keeps=keeps)
    return Reranking(
        **vars(hold(index, proposal, judged, ndcg(), seed, tell, accept)), reranker=chosen, tried=tried
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
    reached = evaluate(runs, sample.qrels, [ndcg()]).systems
    return {name: reached[name][MEASURE] for name in runs}


def _ranked(settings: Sequence[Settable], query: str, columns: Features) -> list[Candidates]:
    """The places of the candidates as each of ``settings`` orders them."""
    fused = Candidates.ranked(np.arange(len(columns["fused_score"])), columns["fused_score"])
    columns = {name: column[fused.ordinals] for name, column in columns.items()}
    first = settings[0]
    if not isinstance(first, Neural) or not len(fused):
        return [rerank(one, query, fused, columns) for one in settings]
    said = first.scores(query, columns["text"][: first.top].tolist())  # once for all weights
    return [one.placed(fused, said) for one in settings if isinstance(one, Neural)]


def _known(column: NDArray[Any]) -> bool:
    return column.dtype == np.object_ or not bool(np.isnan(column).all())


def _unknown(feature: str, legs: Legs) -> InputError:
    if feature.startswith(METADATA):
        return numbers_missing(feature)
    why = str(legs) or "give the documents vectors"
    return InputError(f"no candidate has a vector, so none is like another: {why}")
