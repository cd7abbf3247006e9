"""Learn from judged queries how relevant an index's hits are, and say how far that can be trusted.

It learns from the first ten hits of each query in each mode, as the index serves them. A quarter of the
queries is asked once more as if their relevant documents were not there, since users also ask what has no
answer (see `hybrid.rerank.calibration`). Every figure is out of fold: from a calibration that has seen
neither the query that it judges nor one of its family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError, require
from hybrid.evaluate.asking import answerable
from hybrid.evaluate.identical import not_judged, own
from hybrid.evaluate.native import plain
from hybrid.learn.families import families
from hybrid.learn.reliability import Abstention, Point, Reliability, abstention, reliability
from hybrid.learn.trial import Installing, Trial
from hybrid.rerank.calibration import Calibration, Signals, fit, out_of_fold
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Mode, Qrels

PRECISIONS: Final = (0.5, 0.7, 0.9)
"""The precisions of the shown first hits for which a threshold is sought."""
FEWEST: Final = 30
"""Judged queries; fewer cannot tell how far a probability is off."""
_TWINS: Final = 0.25
_BATCH: Final = 32
_POINTS: Final = 50  # of a curve in JSON, about
_FEW: Final = 9.5  # queries: ten, up to rounding


class Calibratable(Protocol):
    """An index that can be calibrated: a Searcher."""

    @property
    def profiles(self) -> Profiles: ...

    def signals(
        self, queries: Mapping[str, str], mode: Mode, lacking: Lacking, /
    ) -> Iterator[tuple[str, list[str], Signals]]: ...


@dataclass(frozen=True)
class Trust:
    """The measured trust in the scores of one mode. ``reliability`` covers all hits, both of the judged
    queries and of those asked without their answers; ``asked`` the judged queries alone; ``abstention`` the
    first hits of both. ``operating``: for each of ``PRECISIONS`` the threshold that
    answers the most queries with it, None if none does for ten queries. ``unanswerable``: the share of the
    queries without an answer whose first hit still gets .5 or more."""

    reliability: Reliability
    asked: Reliability
    abstention: Abstention
    operating: dict[float, Point | None]
    unanswerable: float

    def to_json(self) -> dict[str, Any]:
        points = self.abstention.curve
        thinned = [asdict(point) for point in (*points[: -1 : -(-len(points) // _POINTS)], points[-1])]
        return {
            "reliability": self.reliability.to_json(),
            "judged queries alone": self.asked.to_json(),
            "abstention": self.abstention.to_json() | {"curve": thinned},
            "operating": {f"{p:g}": point and asdict(point) for p, point in self.operating.items()},
            "unanswerable": self.unanswerable,
        }

    def evidence(self) -> dict[str, Any]:
        return {
            "calibration error": round(self.reliability.ece, 4),
            "by chance": round(self.reliability.by_chance, 4),
            "Brier skill": round(self.reliability.skill, 4),
            "AURC": round(self.abstention.aurc.value, 4),
            "precision of the first hit": round(self.abstention.precision, 4),
        }


@dataclass(frozen=True, kw_only=True)
class Calibrated(Trial):
    """The result of `calibrate`: the ``calibration``, fitted on all ``queries``; ``twins``, the number of
    those that were asked again without their answers; and how far it can be trusted in each mode. It holds
    for the serving ``profile``, which is that of this ``number``."""

    calibration: Calibration
    queries: int
    twins: int
    trust: dict[Mode, Trust]
    profile: Profile
    number: int

    @property
    def refused(self) -> str | None:
        """Why it should not be installed: in the first mode, which serves, it says no more than the base
        rate does. In another that is harmless: all its hits get about the base rate."""
        mode, trust = next(iter(self.trust.items()))
        if (skill := trust.reliability.skill) > 0:
            return None
        return (
            f"in mode {mode} the scores say no more of a hit than the share of relevant ones does "
            f"(Brier skill {skill:+.4f}, {self.queries:,} queries); judge more queries"
        )

    @property
    def installs(self) -> Profile | None:
        return self.profile if self.refused is None else None

    @property
    def reason(self) -> str:
        return self.refused or "hits carry their relevance, and hybrid search takes --min-score"

    def to_json(self) -> dict[str, Any]:
        return {
            "queries": self.queries,
            "asked again without their answers": self.twins,
            "seed": self.seed,
            "models": str(self.calibration).splitlines(),
            "modes": {mode: trust.to_json() for mode, trust in self.trust.items()},
            "refused": self.refused,
        }

    def evidence(self) -> dict[str, Any]:
        return {
            "ranks like profile": self.number,
            "queries": self.queries,
            "seed": self.seed,
            "modes": {mode: trust.evidence() for mode, trust in self.trust.items()},
        }

    def _stored(self, index: Installing) -> dict[str, str]:
        return {"calibration": index.keep_calibration(self.calibration)}


def calibrate(
    index: Calibratable,
    queries: Mapping[str, str],
    qrels: Qrels,
    modes: Sequence[Mode],
    *,
    seed: int = 0,
    ignore_identical_ids: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Calibrated:
    """Fit a calibration on what ``index`` answers to the judged queries that have a text, in each of
    ``modes``, the one that serves first, and report on it. Installs nothing: that is
    ``found.install(index)``.

    Unjudged documents count as not relevant. With ``ignore_identical_ids`` the document that has a query's
    id is passed over. The same ``seed`` gives the same result. ``progress`` is told the number of queries
    of each batch. InputError for fewer than `FEWEST` queries, MissingExtra unless the extra ``evaluate`` is
    installed.
    """
    require("calibrating", "scipy", extra="evaluate")  # now, rather than after all searches
    qrels = plain(not_judged(qrels) if ignore_identical_ids else qrels)
    asked = answerable(queries, qrels)
    if len(asked) < FEWEST:
        raise InputError(f"{len(asked)} judged queries have a text; a calibration needs {FEWEST} or more")
    drawn = np.random.default_rng(seed).permutation(len(asked))[: round(_TWINS * len(asked))]
    twins = {asked[row] for row in drawn}
    texts = {id: queries[id] for id in asked}
    lacking = own(asked) if ignore_identical_ids else {}
    lists = list(_lists(index, texts, qrels, modes, twins, lacking, progress))
    columns = {name: np.concatenate([one.columns[name] for one in lists]) for name in lists[0].columns}
    labels = np.concatenate([one.labels for one in lists])
    hits = [len(one.labels) for one in lists]
    groups = np.repeat([one.query for one in lists], hits)
    related = families(texts, {id: qrels[id] for id in asked})
    apart = np.repeat([related[asked[one.query]] for one in lists], hits)
    found = out_of_fold(columns, labels, apart, seed=seed)
    ends = np.cumsum([len(one.labels) for one in lists])[:-1]
    answers = list(zip(lists, np.split(found, ends), strict=True))
    return Calibrated(
        calibration=fit(columns, labels, groups),
        queries=len(asked),
        twins=len(twins),
        seed=seed,
        profile=index.profiles.serving,
        number=index.profiles.serves,
        trust={mode: _trust([(one, p) for one, p in answers if one.mode == mode], seed) for mode in modes},
    )


@dataclass(frozen=True)
class _List:
    """One answer: the signals of its hits, and which of them are relevant. A ``twin`` has no relevant
    hit."""

    query: int
    mode: Mode
    twin: bool
    columns: Signals
    labels: NDArray[np.bool_]


def _lists(
    index: Calibratable,
    texts: Mapping[str, str],
    qrels: Qrels,
    modes: Sequence[Mode],
    twins: set[str],
    lacking: Lacking,
    progress: Callable[[int], None] | None,
) -> Iterator[_List]:
    ids = list(texts)
    numbers = {id: number for number, id in enumerate(ids)}
    for start in range(0, len(ids), _BATCH):
        batch = {id: texts[id] for id in ids[start : start + _BATCH]}
        relevant = {id: {d for d, grade in qrels[id].items() if grade > 0} for id in batch}
        again = {id: text for id, text in batch.items() if id in twins}
        without = {id: {*relevant[id], *lacking.get(id, ())} for id in again}
        # The modes inside: an index that remembers query vectors encodes each query once for all.
        for mode in modes:
            for asked, gone in ((batch, lacking), (again, without)):
                for id, hits, columns in index.signals(asked, mode, gone):
                    labels = np.array([hit in relevant[id] for hit in hits], np.bool_)
                    yield _List(numbers[id], mode, asked is again, columns, labels)
        if progress is not None:
            progress(len(batch))


def _trust(answers: Sequence[tuple[_List, NDArray[np.float32]]], seed: int) -> Trust:
    twin = np.array([one.twin for one, _ in answers])
    # A query without a hit counts as not trusted and as wrong.
    first = np.array([p[0] if len(p) else 0.0 for _, p in answers])
    right = np.array([one.labels[0] if len(p) else False for one, p in answers])
    abstained = abstention(first, right, wanted=PRECISIONS[-1], seed=seed)
    return Trust(
        reliability=_reliability(answers, seed),
        asked=_reliability([(one, p) for one, p in answers if not one.twin], seed),
        abstention=abstained,
        operating={wanted: _operating(abstained, wanted) for wanted in PRECISIONS},
        unanswerable=float(np.mean(first[twin] >= 0.5)),
    )


def _reliability(answers: Sequence[tuple[_List, NDArray[np.float32]]], seed: int) -> Reliability:
    found = np.concatenate([p for _, p in answers])
    return reliability(found, np.concatenate([one.labels for one, _ in answers]), seed=seed)


def _operating(found: Abstention, wanted: float) -> Point | None:
    """The lowest threshold that has the precision; of a few queries it would be luck."""
    enough = (point for point in reversed(found.curve) if point.precision >= wanted)
    return next((point for point in enough if point.answered * found.queries >= _FEW), None)
