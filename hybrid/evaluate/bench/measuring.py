"""Measure an index: latency by stage, recall of the vector leg against an exact scan, with filters and
without, and how much of the fused ranking depends on the depth of the legs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from hybrid.errors import InputError, QueryError, StorageError
from hybrid.evaluate.bench.exactness import best_scores, recall
from hybrid.evaluate.bench.probes import Probe, Sieve, encoded, made, sieves
from hybrid.evaluate.bench.report import (
    BY,
    DEPTHS,
    TOP,
    Benchmark,
    Cut,
    Filtered,
    Mean,
    Rung,
    Values,
    changed,
)
from hybrid.evaluate.latency import Latency, sample
from hybrid.index import Index
from hybrid.search.lanes import Lanes
from hybrid.search.request import Request
from hybrid.search.search import laps, ranking
from hybrid.search.searcher import Searcher
from hybrid.settings import Profile, Profiles
from hybrid.store.snapshot import Snapshot
from hybrid.types import Candidates, Mask, Matrix, Scores, Stages, Steps
from hybrid.vector import view as views
from hybrid.vector.view import VectorView

_Query = TypeVar("_Query")
_Answer = TypeVar("_Answer")


def bench(
    index: Index,
    queries: Mapping[str, str] | None = None,
    *,
    size: int = 200,
    wanted: float = 0.99,
    seed: int = 0,
    progress: Stages | None = None,
) -> Benchmark:
    """Measure ``index`` on at most ``size`` of ``queries`` (query id -> text), or on queries made from its
    own documents: easier ones, since each finds the document that it was made from. Installs nothing: that
    is ``index.install(found.installs, found.evidence())``. Only the latencies depend on the machine.

    Raises StorageError for an empty index, QueryError where ``queries`` cannot be encoded, InputError for a
    ``wanted`` that is not between 0 and 1.
    """
    if not 0 < wanted < 1:
        raise InputError(f"a recall of {wanted} cannot be aimed at; give one between 0 and 1, such as .99")
    tell = progress or (lambda _stage, _done, _total: None)
    with index.searcher() as searcher, closing(Lanes()) as lanes:
        snapshot, path = searcher.snapshot, index.stats()["path"]
        if not snapshot.size:
            raise StorageError(f"{path}: no documents, so there is nothing to measure")
        _finish_graph(index, snapshot, tell)
        probes, encoding = questions(searcher, path, queries, size, seed, tell)
        requests = [searcher.asker.one(probe.text, probe.vector, {}) for probe in probes]
        return _Bench(index, snapshot, requests, lanes, tell).all(encoding, queries is None, wanted, seed)


def questions(
    searcher: Searcher, path: str, queries: Mapping[str, str] | None, size: int, seed: int, tell: Stages
) -> tuple[list[Probe], list[float]]:
    """At most ``size`` of ``queries``, or as many made from the documents, and the seconds that encoding
    each took. Raises QueryError if there are none."""
    encoding: list[float] = []
    if queries is None:
        probes = made(searcher.snapshot, size, seed)
    else:
        probes, encoding = _users(searcher, path, sample(queries.values(), size), tell)
    # Encoders make zeros of some texts; under "cosine" those are near to nothing.
    probes = [probe for probe in probes if probe.vector is None or probe.vector.any()]
    if not probes:
        raise QueryError(f"{path}: no query that has a vector other than zero")
    return probes, encoding


def _finish_graph(index: Index, snapshot: Snapshot, tell: Stages) -> None:
    """Wait for the graph, if it is being built: beside that nothing can be timed."""
    view = snapshot.vectors

    def waiting() -> bool:
        tell("building the graph", view.graph.rows if view.graph else 0, len(view.rows))
        return False

    index.finish_graph(waiting)


def _users(
    searcher: Searcher, path: str, texts: Sequence[str], tell: Stages
) -> tuple[list[Probe], list[float]]:
    """Users' queries, encoded one by one, and the seconds that it took."""
    if not len(searcher.snapshot.vectors.rows):
        return [Probe(text, None) for text in texts], []
    if (cache := searcher.query_vectors) is None:
        raise QueryError(
            f"{path}: no encoder to make vectors of queries with; without any, "
            "queries are made from the documents"
        )
    probes, seconds = encoded(cache, _told(texts, "encoding", tell))
    adapted = searcher.asker.adapted
    return [
        Probe(probe.text, adapted(probe.vector)) for probe in probes if probe.vector is not None
    ], seconds


def _told(texts: Sequence[str], stage: str, tell: Stages) -> Iterator[str]:
    for done, text in enumerate(texts, 1):
        yield text
        tell(stage, done, len(texts))


class _Bench:
    """The requests and what they are asked of."""

    def __init__(
        self, index: Index, snapshot: Snapshot, requests: Sequence[Request], lanes: Lanes, tell: Stages
    ) -> None:
        self._index, self._snapshot, self._requests = index, snapshot, requests
        self._lanes, self._tell = lanes, tell
        self._view, self._profiles = snapshot.vectors, snapshot.profiles
        self._vectors = [request.vector for request in requests if request.vector is not None]

    def all(self, encoding: Sequence[float], made: bool, wanted: float, seed: int) -> Benchmark:
        serving = self._profiles.serving
        found = Benchmark(
            documents=self._snapshot.size,
            vectors=len(self._view.rows),
            queries=len(self._requests),
            made=made,
            seed=seed,
            wanted=wanted,
            serving=serving,
            ann=str(self._snapshot.settings.ann),
            stages=({"encode": _latency(encoding)} if encoding else {}) | self._stages(),
            exact=_scans(self._view, serving.effort),
            judged=_judged(self._profiles),
            rungs=[],
            cuts=[],
            filters=[],
        )
        if self._vectors and not found.exact:
            self._tell("reading metadata", 0, 1)
            chosen = sieves(self._snapshot, seed)
            everyone, *passing = self._exact([self._snapshot.live, *(sieve.allowed for sieve in chosen)])
            found.rungs.extend(self._rungs(serving, everyone))
            serving = changed(serving, found.effort, None)
            found.cuts.extend(self._cuts(serving))
            found.filters.extend(self._filtered(serving, chosen, passing))
        return found

    def _stages(self) -> dict[str, Latency]:
        """Each query once step by step and another once as a whole, so that neither finds what the other
        has left in the processor's caches. What the first two load counts for nothing."""
        many, took = len(self._requests), defaultdict[str, list[float]](list)
        for place in range(-2, many):
            whole = self._requests[(place + many // 2) % many]
            steps = laps(self._snapshot, self._requests[place % many])
            _, steps["search"] = _timed(lambda one: self._index.search(one.text, vector=one.vector), whole)
            for step, seconds in steps.items():
                took[step].append(seconds)
            self._tell("timing", max(place + 1, 0), many)
        return {step: _latency(seconds[2:]) for step, seconds in took.items()}

    def _exact(self, masks: Sequence[Mask]) -> Matrix:
        """The best scores among each of ``masks``, (masks, queries, k)."""
        k = max(TOP, self._profiles.serving.depths[1])
        return best_scores(self._view, np.stack(self._vectors), k, masks, partial(self._tell, "exact scan"))

    def _rungs(self, serving: Profile, best: Matrix) -> list[Rung]:
        allowed, depth = self._snapshot.allowed(None), serving.depths[1]
        steps = self._snapshot.settings.ann.ladder
        ladder = [*steps, *({serving.effort} - set(steps))]
        found = self._recalls(
            "effort", [_Ask(k, allowed, effort, best) for effort in ladder for k in (TOP, depth)]
        )
        return [Rung(effort, *found[2 * i], *found[2 * i + 1]) for i, effort in enumerate(ladder)]

    def _filtered(
        self, serving: Profile, chosen: Sequence[Sieve], best: Sequence[Matrix]
    ) -> list[Filtered]:
        asks = [
            _Ask(TOP, sieve.allowed, serving.effort, own) for sieve, own in zip(chosen, best, strict=True)
        ]
        found = zip(chosen, self._recalls("filters", asks), strict=True)
        return [Filtered(sieve.name, sieve.share, *measured) for sieve, measured in found]

    def _recalls(self, stage: str, asks: Sequence[_Ask]) -> list[tuple[Mean, float]]:
        """The recall of each of ``asks``, and the seconds at the median."""
        made = [partial(ask.of, self._view) for ask in asks]
        found = _turns(made, self._vectors, partial(self._tell, stage))
        return [(ask.recall(self._vectors, own), p50) for ask, (own, p50) in zip(asks, found, strict=True)]

    def _cuts(self, serving: Profile) -> list[Cut]:
        if self._requests[0].text is None:
            return []
        depths = [*DEPTHS, *({serving.depth} - set(DEPTHS))]
        made = [partial(self._top, changed(serving, None, depth)) for depth in depths]
        found = _turns(made, self._requests, partial(self._tell, "depths"))
        deepest = found[len(DEPTHS) - 1][0]
        return [
            Cut(depth, Mean.of(_shared(own, deepest), TOP), p50)
            for depth, (own, p50) in zip(depths, found, strict=True)
        ]

    def _top(self, profile: Profile, request: Request) -> set[str]:
        """The ids of the first hits under ``profile``."""
        asked = request.under(profile, request.reranker, request.adapter)
        return {id for id, _ in ranking(self._snapshot, asked, self._lanes)}


@dataclass(frozen=True)
class _Ask:
    """A way to ask the vector leg, and the ``best`` scores (queries, k or more) that there are."""

    k: int
    allowed: Mask | None
    effort: int | None
    best: Matrix

    def of(self, view: VectorView, query: Scores) -> Candidates:
        return view.search(query, self.k, self.allowed, effort=self.effort)

    def recall(self, queries: Sequence[Scores], answers: Sequence[Candidates]) -> Mean:
        every = zip(queries, answers, self.best, strict=True)
        return Mean.of(np.array([recall(own, best, self.k, query) for query, own, best in every]), self.k)


def _turns(
    asks: Sequence[Callable[[_Query], _Answer]],
    queries: Sequence[_Query],
    tell: Steps,
) -> list[tuple[list[_Answer], float]]:
    """The answers of each of ``asks`` to all ``queries``, and the seconds that one takes at the median.
    They take turns, each time on a query that the ones before were not asked just now."""
    many = len(queries)
    found: list[dict[int, tuple[_Answer, float]]] = [{} for _ in asks]
    for turn in range(many):
        for number, ask in enumerate(asks):
            place = (turn + number * many // len(asks)) % many
            found[number][place] = _timed(ask, queries[place])
        tell(turn + 1, many)
    return [
        (
            [own[place][0] for place in range(many)],
            float(np.median([seconds for _, seconds in own.values()])),
        )
        for own in found
    ]


def _timed(ask: Callable[[_Query], _Answer], query: _Query) -> tuple[_Answer, float]:
    start = time.perf_counter()
    answer = ask(query)
    return answer, time.perf_counter() - start


def _shared(lists: Iterable[set[str]], deepest: Iterable[set[str]]) -> Values:
    """The share of each deepest list that its list holds; 1 where the deepest has no hits."""
    pairs = zip(lists, deepest, strict=True)
    return np.array([len(own & whole) / len(whole) if whole else 1.0 for own, whole in pairs])


def _latency(seconds: Sequence[float]) -> Latency:
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]).tolist()
    return Latency(p50, p95, p99, len(seconds))


def _scans(view: VectorView, effort: int | None) -> bool:
    """True if the leg looks at every row, so that its answers are exact."""
    few = effort is None and len(view.rows) <= views.EXACT_ROWS
    return few or view.graph is None or not view.graph.rows


def _judged(profiles: Profiles) -> bool:
    """True if judged queries have chosen how the serving profile ranks."""

    def ranks(profile: Profile) -> tuple[object, ...]:
        return profile.fusion, profile.depths, profile.title_boost

    choosers = (
        one.evidence.get("chosen by", BY)
        for one in profiles.history
        if ranks(one.profile) == ranks(profiles.serving)
    )
    return any(not str(chooser).startswith(BY) for chooser in choosers)
