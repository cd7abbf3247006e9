"""Let an index that is built again with other settings, another encoder or analyzer, take the place of the
one that serves only where it ranks better.

Nothing is chosen here, so all judged queries may judge, but for those that the new encoder was trained on.
Documents that are relevant to these are known, and so are queries of their families. Both indexes answer as
they would serve: the old one by its serving profile, the new one by that which it begins with. No leg is a
guard: a ranking that is better than what serves is better, and `hybrid.learn.tune` can mend it further.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.evaluate.asking import answering
from hybrid.index import Judge
from hybrid.learn.contest import (
    Contest,
    Contested,
    Proposal,
    decide,
    measured,
    ndcg,
    references,
    silent,
)
from hybrid.learn.control import control
from hybrid.learn.gate import Accept, check_accept
from hybrid.learn.split import Split, hold_out
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile
from hybrid.types import Qrels, Stages

NAME: Final = "re-indexed"


class Reindex(Protocol):
    """``Index.reindex`` with the new settings."""

    def __call__(self, *, accept: Judge) -> object: ...


def replace(
    reindex: Reindex,
    queries: Mapping[str, str],
    qrels: Qrels,
    *,
    test_qrels: Qrels | None = None,
    trained: Collection[str] = (),
    seed: int = 0,
    accept: Accept | None = None,
    ignore_identical_ids: bool = False,
    known: Mapping[str, Any] = MappingProxyType({}),
    progress: Stages | None = None,
) -> Contest:
    """Have ``reindex``, such as ``partial(index.reindex, encoder="all-MiniLM-L6-v2")``, build a new index
    beside the one that serves, compare both by nDCG@10 on held-out judged queries, and switch over only if
    the gate lets it. The evidence is kept with the new one's profile, and ``known`` with it.

    ``trained``: the queries that the new encoder was trained on (`hybrid.encoders.trained_on`). They are
    not held out; nor, with ``test_qrels``, are those that ``qrels`` judges. What is better only for
    documents known from them is refused unless ``accept`` is "known". Raises InputError where too few
    queries remain, before anything is built, and what ``reindex`` raises; then the old index stays.
    """
    check_accept(accept)
    judged = hold_out(queries, qrels, test_qrels, trained, ignore_identical_ids)
    found: list[Contest] = []

    def judge(serving: Searcher, new: Searcher) -> Mapping[str, Any] | None:
        found.append(compare(serving, new, judged, seed=seed, accept=accept, progress=progress))
        return None if found[-1].installs is None else {**known, **found[-1].evidence()}

    reindex(accept=judge)
    return found[-1]


def compare(
    serving: Contested,
    new: Contested,
    judged: Split,
    *,
    seed: int = 0,
    accept: Accept | None = None,
    progress: Stages | None = None,
) -> Contest:
    """Ask both indexes the held-out queries; the gate judges the answers of the ``new`` one."""
    answering(serving.legs)
    tell, measure = progress or silent, ndcg()
    systems = {"serving": _systems("serving", serving), NAME: _systems(NAME, new)}
    found = {
        **measured(serving, judged.held_out, systems["serving"], measure, "serving", tell),
        **measured(new, judged.held_out, systems[NAME], measure, NAME, tell),
    }
    proposal = Proposal(systems["serving"] | systems[NAME], {}, [NAME])
    bonus = control(serving, judged, measure, tell)
    return decide(proposal, found, judged, _known(judged), bonus, measure, seed, accept)


def _systems(name: str, index: Contested) -> dict[str, Profile]:
    """The serving profile of ``index``, and its legs alone."""
    legs = {leg: profile for leg, profile in references(index.legs).items() if leg.endswith("leg")}
    return {name: index.profiles.serving, **{f"{name}: {leg}": own for leg, own in legs.items()}}


def _known(judged: Split) -> NDArray[np.bool_]:
    """(held out,): whether a relevant document of the query, or a member of its family, is known."""
    families = judged.families
    trained = {families[id] for id in judged.train.texts}
    related = [families[id] in trained for id in judged.held_out.texts]
    return judged.known | np.array(related, np.bool_)
