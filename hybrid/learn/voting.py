"""Choose how the past queries of an index vote, and let them only where that proves better.

The judged past queries themselves are the sample: each is asked as if it, and its family, had not been
judged. Two thirds choose, and the rest judges, for which only those two thirds vote, as if the others came
later. Votes move no documents but known ones, so what the `gate` says of known and unknown documents is
what decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from hybrid.errors import InputError
from hybrid.evaluate.asking import answering
from hybrid.fusion import Voting
from hybrid.learn.contest import Contest, Contested, Proposal, hold, measured, ndcg, references, silent
from hybrid.learn.gate import Accept, check_accept
from hybrid.learn.silencing import Electorate, Silencing
from hybrid.learn.split import Sample, Split, split
from hybrid.settings import Profile
from hybrid.types import Stages

NAME: Final = "past queries"
MAX_CHOICE: Final = 500
"""Past queries that are asked to choose; all others of their part vote."""
_THRESHOLDS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
_WEIGHTS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
_FIRST: Final = 4.0
_LEADING: Final = 2
_LEASTS: Final = (0.05, 0.3, 10.0)


def vote(
    index: Electorate,
    *,
    seed: int = 0,
    accept: Accept | None = None,
    progress: Stages | None = None,
) -> Contest:
    """Choose a `Voting` for the past queries of ``index``, by nDCG@10, and judge it beside what serves.
    Installs nothing: that is ``found.install(index)``.

    One that is better only for documents known from training is refused unless ``accept`` is "known". The
    same ``seed`` gives the same result. Raises InputError where too few past queries were judged, or no leg
    can answer.
    """
    check_accept(accept)
    answering(index.legs)
    tell, judged = progress or silent, _judged(index, seed)
    held_out = frozenset(map(int, judged.held_out.texts))
    sample = _some(judged.train, seed)
    choosing = Silencing(index, _families_of(sample, judged, held_out))
    serving = index.profiles.serving
    voting, reached = _search(choosing, sample, serving, tell)
    best = serving.model_copy(update={"voting": voting})
    systems = {"serving": serving, NAME: best, **references(index.legs)}
    others = {name: profile for name, profile in systems.items() if name != NAME}
    train = measured(choosing, sample, others, ndcg(), "train queries", tell)
    proposal = Proposal(systems, {name: one.mean for name, one in train.items()} | {NAME: reached}, [NAME])
    judging = Silencing(index, dict.fromkeys(judged.held_out.texts, held_out))
    return hold(judging, proposal, judged, ndcg(), seed, tell, accept)


def _judged(index: Electorate, seed: int) -> Split:
    """The judged past queries, by number, in two parts."""
    past = {str(kept.number): kept.past for kept in index.past() if kept.past.origin == "judged"}
    if not past:
        raise InputError("no past query was judged; learn some: hybrid learn DIR --queries F --qrels F")
    texts = {id: one.query for id, one in past.items()}
    return split(texts, {id: dict(one.answers) for id, one in past.items()}, None, seed, len(past))


def _some(train: Sample, seed: int) -> Sample:
    ids = sorted(train.texts, key=int)
    drawn = np.random.default_rng(seed).permutation(len(ids))[:MAX_CHOICE]
    return train.only(ids[place] for place in drawn.tolist())


def _families_of(sample: Sample, judged: Split, held_out: frozenset[int]) -> dict[str, frozenset[int]]:
    """For each query of ``sample`` its family, and all that are held out."""
    families = judged.families
    members: dict[str, set[int]] = defaultdict(set)
    for id, family in families.items():
        members[family].add(int(id))
    return {id: held_out | members[families[id]] for id in sample.texts}


def _search(index: Contested, sample: Sample, profile: Profile, tell: Stages) -> tuple[Voting, float]:
    """The best way to vote, and its mean: thresholds are tried first, then weights, then what may enter."""
    tried: dict[Voting, float] = {}

    def look(stage: str, values: Iterable[Voting]) -> None:
        new = {repr(value): value for value in values if value not in tried}
        systems = {name: profile.model_copy(update={"voting": value}) for name, value in new.items()}
        found = measured(index, sample, systems, ndcg(), stage, tell)
        tried.update((value, found[name].mean) for name, value in new.items())

    def leading(many: int) -> list[Voting]:
        return sorted(tried, key=tried.__getitem__, reverse=True)[:many]

    look("thresholds", (Voting(_FIRST, threshold) for threshold in _THRESHOLDS))
    look("weights", (replace(one, weight=weight) for one in leading(_LEADING) for weight in _WEIGHTS))
    look("newcomers", (replace(one, least=least) for one in leading(1) for least in _LEASTS))
    [best] = leading(1)
    return best, tried[best]
