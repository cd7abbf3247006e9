"""The report of a benchmark: figures, and the least effort and depth that reach a wanted recall."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid import ann
from hybrid.evaluate.latency import Latency
from hybrid.settings import Profile

Values: TypeAlias = NDArray[np.float64]

TOP: Final = 10
DEPTHS: Final = (20, 50, 100, 200, 400)
BY: Final = "hybrid bench"

_Z: Final = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Mean:
    """A mean over queries of shares from 0 to 1, and the ``lower`` bound of its 95 % interval."""

    value: float
    lower: float

    @classmethod
    def of(cls, shares: Values, parts: int) -> Self:
        """The mean of ``shares`` (queries,), each of ``parts`` yes or no, with Wilson's interval for the
        effective size of a sample in clusters, which also holds near 1, where resampling sees no variance.
        Korn and Graubard, "Confidence Intervals for Proportions with Small Expected Number of Positive
        Counts Estimated from Survey Data", Survey Methodology 24, 1998."""
        mean, many = float(shares.mean()), len(shares)
        spread = float(shares.var(ddof=1)) / many if many > 1 else 0.0
        simple = mean * (1 - mean)
        size = min(max(simple / spread, many), many * parts) if spread > 0 else many * parts
        middle = mean + _Z**2 / (2 * size)
        return cls(
            mean, (middle - _Z * math.sqrt((simple + _Z**2 / (4 * size)) / size)) / (1 + _Z**2 / size)
        )


@dataclass(frozen=True)
class Rung:
    """The vector leg with one ``effort`` (None: what the engine takes by itself): recall of its first 10,
    asked for 10, and of all that it is asked for by the serving profile, and the seconds at the median."""

    effort: int | None
    recall: Mean
    p50: float
    recall_at_depth: Mean
    p50_at_depth: float


@dataclass(frozen=True)
class Cut:
    """The fused ranking at one ``depth`` of the legs: how much of its first 10 is in the first 10 at the
    largest depth, and the seconds at the median."""

    depth: int | tuple[int, int]
    agreement: Mean
    p50: float


@dataclass(frozen=True)
class Filtered:
    """The vector leg asked for 10 with a filter that lets ``share`` of the documents pass."""

    filter: str
    share: float
    recall: Mean
    p50: float


@dataclass(frozen=True)
class Benchmark:
    """The result of `bench`. ``made``: the queries were made from the index's documents. ``stages``: the
    steps of a search, in their order, encoding only where there was any, "search" the whole of it but for
    that. ``exact``: the vector leg scans all rows, so there is nothing to lose; then, as without vectors,
    ``rungs``, ``cuts`` and ``filters`` are empty. ``judged``: the serving depth was chosen on judged
    queries, which know better. ``effort`` and ``depth`` are the least that reach ``wanted``, None where
    nothing is suggested.
    """

    documents: int
    vectors: int
    queries: int
    made: bool
    seed: int
    wanted: float
    serving: Profile
    ann: str
    stages: dict[str, Latency]
    exact: bool
    judged: bool
    rungs: list[Rung]
    cuts: list[Cut]
    filters: list[Filtered]

    @property
    def effort(self) -> int | None:
        enough = (rung.effort for rung in self.rungs if rung.recall.lower >= self.wanted)
        return next((effort for effort in enough if effort in self.ladder), None)

    @property
    def ladder(self) -> tuple[int, ...]:
        """The efforts that are compared."""
        return ann.load(self.ann).ladder

    @property
    def depth(self) -> int | None:
        """Not the largest, with which it is compared."""
        if self.judged:
            return None
        enough = {cut.depth for cut in self.cuts if cut.agreement.lower >= self.wanted}
        return next((depth for depth in DEPTHS[:-1] if depth in enough), None)

    @property
    def needed(self) -> int:
        """The number of queries it takes to show ``wanted`` if every share is 1."""
        return math.ceil(_Z**2 * self.wanted / (TOP * (1 - self.wanted)))

    @property
    def installs(self) -> Profile | None:
        """The profile to serve from now on; None to keep the one that serves."""
        found = changed(self.serving, self.effort, self.depth)
        return None if (found.effort, found.depths) == (self.serving.effort, self.serving.depths) else found

    def to_json(self) -> dict[str, Any]:
        installs = self.installs
        return asdict(self) | {
            "serving": self.serving.model_dump(mode="json"),
            "suggested": {"effort": self.effort, "depth": self.depth},
            "installs": None if installs is None else installs.model_dump(mode="json"),
        }

    def evidence(self) -> dict[str, Any]:
        """The part that is kept with an installed profile."""
        rung = next((rung for rung in self.rungs if rung.effort == self.effort), None)
        cut = next((cut for cut in self.cuts if cut.depth == self.depth), None)
        return {
            "documents": self.documents,
            "vectors": self.vectors,
            "queries": self.queries,
            "made from the documents": self.made,
            "seed": self.seed,
            "wanted": self.wanted,
            **(
                {f"recall@{TOP} with effort {rung.effort}": _rounded(rung.recall)}
                if rung and rung.effort
                else {}
            ),
            **(
                {f"agreement of depth {cut.depth} with {DEPTHS[-1]}": _rounded(cut.agreement)}
                if cut
                else {}
            ),
        }


def _rounded(mean: Mean) -> dict[str, float]:
    return {"mean": round(mean.value, 4), "lower bound": round(mean.lower, 4)}


def changed(profile: Profile, effort: int | None, depth: int | tuple[int, int] | None) -> Profile:
    """``profile`` with what is given."""
    given = {"effort": effort, "depth": depth}
    return profile.model_copy(update={name: value for name, value in given.items() if value is not None})
