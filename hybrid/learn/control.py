"""The control of a trial: what a constant bonus for documents known from training gains by itself.

It knows nothing of a query but which documents others asked for. On scifact, whose test claims often share
their document with a training claim, it "proves" a better ranking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.evaluate.comparison import Values
from hybrid.evaluate.measures import UNBOUNDED_DEPTH, reach
from hybrid.evaluate.scoring import evaluate
from hybrid.learn.split import Sample, Split
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Run, Stages

if TYPE_CHECKING:
    from ir_measures import Measure

BONUSES: Final = (0.25, 0.5, 1.0, 2.0)
"""In standard deviations of the scores of a list."""
_DEPTH: Final = 100
_BATCH: Final = 32


class Serving(Protocol):
    """An index with a profile that serves: a Searcher."""

    @property
    def profiles(self) -> Profiles: ...

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], /, *, k: int, lacking: Lacking
    ) -> list[Run]: ...


def control(index: Serving, queries: Split, measure: Measure, tell: Stages) -> Values | None:
    """The value of each held-out query, float64 (held out,), of what serves with the bonus that gains most
    where documents are known: at least as good as one that could be chosen. None where none is known."""
    known = queries.known
    if not known.any():
        return None
    ids = list(queries.held_out.texts)
    k = max(_DEPTH, reach(measure) or UNBOUNDED_DEPTH)
    values: dict[float, list[float]] = defaultdict(list)
    for start in range(0, len(ids), _BATCH):
        batch = queries.held_out.only(ids[start : start + _BATCH])
        [run] = index.run_profiles(batch.texts, [index.profiles.serving], k=k, lacking=batch.lacking)
        for bonus, own in with_bonuses(run, batch, queries.train.relevant, measure).items():
            values[bonus] += own
        tell("control", start + len(batch), len(ids))
    return best(values, known)


def with_bonuses(
    run: Run, sample: Sample, documents: Collection[str], measure: Measure
) -> dict[float, list[float]]:
    """Bonus -> the value of each query of ``sample`` where ``documents`` have it in its ``run``."""
    runs = {f"{bonus:g}": raised(run, documents, bonus) for bonus in BONUSES}
    found = evaluate(runs, sample.qrels, [measure]).per_query
    return {bonus: [found[f"{bonus:g}"][str(measure)][id] for id in sample.texts] for bonus in BONUSES}


def best(values: Mapping[float, Sequence[float]], known: NDArray[np.bool_]) -> Values:
    """The values, float64 (queries,), of the bonus that gains most on the queries that are ``known``."""
    return max(map(np.array, values.values()), key=lambda own: float(own[known].mean()))


def raised(run: Run, documents: Collection[str], bonus: float) -> Run:
    """``run`` with the scores of ``documents`` raised by ``bonus`` standard deviations of their list."""
    return {query: _raised(hits, documents, bonus) for query, hits in run.items()}


def _raised(
    hits: list[tuple[str, float]], documents: Collection[str], bonus: float
) -> list[tuple[str, float]]:
    more = bonus * float(np.std([score for _, score in hits])) if hits else 0.0
    scored = [(id, score + more * (id in documents)) for id, score in hits]
    return sorted(scored, key=lambda hit: -hit[1])
