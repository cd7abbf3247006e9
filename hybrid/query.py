"""The path of one query: legs -> fuse -> rerank -> fetch, every step on one snapshot."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.candidates import columns
from hybrid.fusion import QueryTerms
from hybrid.generation import Snapshot
from hybrid.relevance import known
from hybrid.request import Request
from hybrid.rerank import Features, rerank
from hybrid.rerank.calibration import Columns
from hybrid.settings import Profile
from hybrid.terms import of_query
from hybrid.types import (
    Candidates,
    Document,
    Hit,
    Mask,
    Matrix,
    Ordinals,
    Passage,
    Reranker,
    Results,
    Scores,
)

_Done = TypeVar("_Done")
_Judged: TypeAlias = tuple[Candidates, Sequence[float | None]]
"""What is shown, and how relevant each is, as far as that is known."""

_WORTH_A_THREAD: Final = 0.0005  # seconds; a hand-over costs some 30 microseconds, a contended core more


class Lanes:
    """Runs the two legs side by side where that pays: both cost enough, and no other search is on its way
    (a thread without a free core makes a query slower)."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._cores = (
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        )
        self._costs = [0.0, 0.0]
        self._busy = 0
        self._lock = threading.Lock()

    def run(self, *legs: Callable[[], Candidates]) -> tuple[Candidates, Candidates]:
        """The answers of the two ``legs``."""
        with self._lock:
            self._busy += 1
            apart = self._busy < self._cores and min(self._costs) > _WORTH_A_THREAD
        try:
            if not apart:
                return self._timed(0, legs[0]), self._timed(1, legs[1])
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "hybrid-leg")
            other = self._pool.submit(self._timed, 1, legs[1])
            return self._timed(0, legs[0]), other.result()
        finally:
            with self._lock:
                self._busy -= 1

    def _timed(self, lane: int, leg: Callable[[], Candidates]) -> Candidates:
        start = time.perf_counter()
        answer = leg()
        self._costs[lane] += 0.2 * (time.perf_counter() - start - self._costs[lane])
        return answer

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


def answer(snapshot: Snapshot, request: Request, lanes: Lanes) -> Results:
    """Everything between a checked request and its results."""
    return answers(snapshot, [request], lanes)[0]


def answers(snapshot: Snapshot, requests: Sequence[Request], lanes: Lanes) -> list[Results]:
    """The same for some that have one filter; their documents are fetched together, and shared."""
    begun = time.perf_counter()
    allowed = snapshot.allowed(requests[0].where)
    shown = [_shown(snapshot, request, allowed, lanes) for request in requests]
    ordinals = [ordinal for ranked, _ in shown for ordinal in ranked.ordinals.tolist()]
    documents = iter(snapshot.documents(ordinals))
    hits = [_hits(snapshot, *one, documents) for one in zip(requests, shown, strict=True)]
    took = (time.perf_counter() - begun) / len(requests)
    return [
        Results(found, snapshot.seq, took, partial(_count, snapshot, request, allowed))
        for request, found in zip(requests, hits, strict=True)
    ]


def ranking(snapshot: Snapshot, request: Request, lanes: Lanes) -> list[tuple[str, float]]:
    """The ids and scores that ``answer`` would show, without the documents."""
    asked = _ask(snapshot, request, snapshot.allowed(request.where), lanes)
    ranked = _ranked(snapshot, request, asked)
    if request.min_score is not None:
        ranked, _ = _judged(snapshot, request, asked, ranked)
    ids = snapshot.generation.ledger.ids(ranked.ordinals.tolist())
    return list(zip(ids, ranked.scores.tolist(), strict=True))


def first_hits(
    snapshot: Snapshot, request: Request, lanes: Lanes, lacking: Iterable[str]
) -> tuple[list[str], Columns]:
    """The ids that ``answer`` would show if the documents ``lacking`` were not there, and what a
    calibration knows of each."""
    allowed, ledger = snapshot.allowed(request.where), snapshot.generation.ledger
    found = (ledger.find(id, snapshot.count, snapshot.seq) for id in lacking)
    if gone := [ordinal for ordinal in found if ordinal is not None]:
        allowed = (snapshot.live if allowed is None else allowed).copy()
        allowed[gone] = False
    asked = _ask(snapshot, request, allowed, lanes)
    shown = _ranked(snapshot, request, asked).ordinals
    return ledger.ids(shown.tolist()), known(snapshot, request, asked.legs, asked.evidence, shown)


def rankings(
    snapshot: Snapshot,
    request: Request,
    profiles: Sequence[tuple[Profile, Reranker | None]],
    lanes: Lanes,
) -> list[list[tuple[str, float]]]:
    """What ``ranking`` would answer under each of ``profiles``, with the model that it names, up to what
    the graph finds more when asked for more. The legs are asked once for all of one title boost."""
    allowed, terms = snapshot.allowed(request.where), _terms(snapshot, request)
    found: dict[int, Candidates] = {}
    for boost in {profile.title_boost for profile, _ in profiles}:
        asked = {
            i: request.under(profile, reranker)
            for i, (profile, reranker) in enumerate(profiles)
            if profile.title_boost == boost
        }
        lexical, vector = (max(one.depths[leg] for one in asked.values()) for leg in (0, 1))
        widest = max((one.ef for one in asked.values() if one.ef is not None), default=None)
        deepest = replace(request, depths=(lexical, vector), title_boost=boost, ef=widest)
        legs = _both(snapshot, deepest, terms, allowed, lanes)
        evidence = _Evidence(snapshot, request, terms, legs)
        for i, one in asked.items():
            fused = _Asked(terms, legs, evidence, one.fuse(legs, evidence))
            found[i] = _reranked(snapshot, one, fused).top(request.k)
    everyone = _distinct(found.values())
    ids = dict(zip(everyone.tolist(), snapshot.generation.ledger.ids(everyone.tolist()), strict=True))
    return [_named(found[i], ids) for i in range(len(profiles))]


def _distinct(lists: Iterable[Candidates]) -> Ordinals:
    """All ordinals, ascending. (np.unique would import numpy.ma in the middle of the first query.)"""
    ordinals = np.sort(np.concatenate([one.ordinals for one in lists]))
    fresh = np.ones(len(ordinals), np.bool_)
    np.not_equal(ordinals[1:], ordinals[:-1], out=fresh[1:])
    return ordinals[fresh]


def _named(ranked: Candidates, ids: Mapping[int, str]) -> list[tuple[str, float]]:
    return [(ids[o], s) for o, s in zip(ranked.ordinals.tolist(), ranked.scores.tolist(), strict=True)]


class _Evidence:
    """What the legs know of the candidates and the query, worked out for all of them when first asked."""

    def __init__(
        self, snapshot: Snapshot, request: Request, terms: list[str], legs: Sequence[Candidates]
    ) -> None:
        self._snapshot, self._request, self._terms, self._legs = snapshot, request, terms, legs

    @cached_property
    def _everyone(self) -> Ordinals:
        return _distinct(self._legs)

    @cached_property
    def _known(self) -> tuple[Scores, Matrix]:
        query = self._request.vector
        assert query is not None  # or the vector leg would have answered nothing
        return self._snapshot.vectors.nearest(query, self._everyone)

    @cached_property
    def _asked(self) -> QueryTerms:
        lexical = self._snapshot.lexical
        return QueryTerms(self._terms, lexical.frequencies(self._terms), lexical.searcher.num_docs)

    def scores(self, ordinals: Ordinals) -> Scores:
        return self._known[0][self._places(ordinals)]

    def vectors(self, ordinals: Ordinals) -> Matrix:
        return self._known[1][self._places(ordinals)]

    def _places(self, ordinals: Ordinals) -> slice | NDArray[np.intp]:
        """Where ``ordinals`` stand among the candidates: mostly they are all, and nothing is copied."""
        whole = np.array_equal(ordinals, self._everyone)
        return slice(None) if whole else np.searchsorted(self._everyone, ordinals)

    def terms(self) -> QueryTerms:
        return self._asked


def candidates(
    snapshot: Snapshot, request: Request, lanes: Lanes, wanted: Sequence[str]
) -> tuple[Candidates, Features]:
    """What a reranker that has ``wanted`` as its features is given: the best ``request.depth``, and what is
    known of them."""
    asked = _ask(snapshot, request, snapshot.allowed(request.where), lanes)
    return _known(snapshot, request, asked, wanted)


@dataclass(frozen=True)
class Trace:
    """What each step of a query answered: ``legs``, what was ``fused`` of them, the ``head`` that a
    reranker is given with what is known of it, what is ``ranked`` in the end, how relevant each of these
    is (float64 (n,), None without a calibration), and those ``shown``: all that are relevant enough."""

    legs: tuple[Candidates, Candidates]
    fused: Candidates
    head: Candidates
    features: Features
    ranked: Candidates
    relevance: NDArray[np.float64] | None
    shown: Candidates


def trace(snapshot: Snapshot, request: Request, lanes: Lanes) -> Trace:
    """The steps of a query, for an explanation."""
    asked = _ask(snapshot, request, snapshot.allowed(request.where), lanes)
    head, features = _known(snapshot, request, asked, getattr(request.reranker, "features", ()))
    ranked = _reranked(snapshot, request, asked)
    relevance = _relevance(snapshot, request, asked, ranked)
    shown, _ = _enough(request, ranked, relevance)
    return Trace(asked.legs, asked.ranked, head, features, ranked, relevance, shown)


def laps(snapshot: Snapshot, request: Request) -> dict[str, float]:
    """The seconds that each step of ``answer`` takes that this query has, the legs one after the other."""
    took: dict[str, float] = {}

    def lap(step: str, work: Callable[[], _Done], there: bool = True) -> _Done:
        start = time.perf_counter()
        done = work()
        if there:
            took[step] = time.perf_counter() - start
        return done

    allowed = snapshot.allowed(request.where)
    words, near = request.text is not None, request.vector is not None
    terms = lap("analyse", lambda: _terms(snapshot, request), words)
    legs = (
        lap("lexical leg", lambda: _lexical(snapshot, request, terms, allowed), words),
        lap("vector leg", lambda: _vector(snapshot, request, allowed), near),
    )
    evidence = _Evidence(snapshot, request, terms, legs)
    asked = _Asked(terms, legs, evidence, lap("fuse", lambda: request.fuse(legs, evidence)))
    ranked = lap("rerank", lambda: _ranked(snapshot, request, asked), request.reranker is not None)
    calibrated = request.calibration is not None
    judged = lap("relevance", lambda: _judged(snapshot, request, asked, ranked), calibrated)
    bodies = judged[0].ordinals.tolist()
    lap("fetch", lambda: _hits(snapshot, request, judged, iter(snapshot.documents(bodies))))
    return took


def _known(
    snapshot: Snapshot, request: Request, asked: _Asked, wanted: Sequence[str]
) -> tuple[Candidates, Features]:
    head = asked.ranked.top(request.depth)
    return head, columns(snapshot, request.text, asked.terms, head, asked.legs, asked.evidence, wanted)


def _reranked(snapshot: Snapshot, request: Request, asked: _Asked) -> Candidates:
    if request.reranker is None:
        return asked.ranked
    head, known = _known(snapshot, request, asked, getattr(request.reranker, "features", ()))
    return _continued(rerank(request.reranker, request.text, head, known), asked.ranked, len(head))


def _continued(head: Candidates, ranked: Candidates, start: int) -> Candidates:
    """``head``, and then what stands in ``ranked`` from ``start`` on, as much lower as it is there."""
    rest = Candidates(ranked.ordinals[start:], ranked.scores[start:])
    if not len(head) or not len(rest):
        return head
    scores = head.scores[-1] + rest.scores - ranked.scores[start - 1]
    return Candidates(np.r_[head.ordinals, rest.ordinals], np.r_[head.scores, scores])


@dataclass(frozen=True)
class _Asked:
    """The legs' answers to a query, and one list of them."""

    terms: list[str]
    legs: tuple[Candidates, Candidates]
    evidence: _Evidence
    ranked: Candidates


def _ask(snapshot: Snapshot, request: Request, allowed: Mask | None, lanes: Lanes) -> _Asked:
    # Analysed before the hand-over: regular expressions let the other thread have the GIL, and then wait.
    terms = _terms(snapshot, request)
    if request.mode == "hybrid":
        legs = _both(snapshot, request, terms, allowed, lanes)
    else:  # a leg that was not asked must not teach the lanes that it is cheap
        legs = _lexical(snapshot, request, terms, allowed), _vector(snapshot, request, allowed)
    evidence = _Evidence(snapshot, request, terms, legs)
    ranked = request.fuse(legs, evidence) if request.mode == "hybrid" else legs[request.mode == "vector"]
    return _Asked(terms, legs, evidence, ranked)


def _ranked(snapshot: Snapshot, request: Request, asked: _Asked) -> Candidates:
    return _reranked(snapshot, request, asked).top(request.k)


def _judged(snapshot: Snapshot, request: Request, asked: _Asked, ranked: Candidates) -> _Judged:
    """Those of ``ranked`` that are relevant enough, and how relevant they are, as far as that is known."""
    return _enough(request, ranked, _relevance(snapshot, request, asked, ranked))


def _relevance(
    snapshot: Snapshot, request: Request, asked: _Asked, ranked: Candidates
) -> NDArray[np.float64] | None:
    if request.calibration is None:
        return None
    signals = known(snapshot, request, asked.legs, asked.evidence, ranked.ordinals)
    return request.calibration(signals).astype(np.float64)  # as shown, so as min_score is compared


def _enough(request: Request, ranked: Candidates, relevance: NDArray[np.float64] | None) -> _Judged:
    if relevance is None:
        return ranked, [None] * len(ranked)
    enough = relevance >= (request.min_score or 0.0)
    shown = Candidates(ranked.ordinals[enough], ranked.scores[enough], ranked.floor)
    return shown, relevance[enough].tolist()


def _both(
    snapshot: Snapshot, request: Request, terms: list[str], allowed: Mask | None, lanes: Lanes
) -> tuple[Candidates, Candidates]:
    return lanes.run(
        lambda: _lexical(snapshot, request, terms, allowed),
        lambda: _vector(snapshot, request, allowed),
    )


def _terms(snapshot: Snapshot, request: Request) -> list[str]:
    if not request.asks_words or request.text is None:
        return []
    return of_query(snapshot.generation.analyzer, request.text)


def _lexical(snapshot: Snapshot, request: Request, terms: list[str], allowed: Mask | None) -> Candidates:
    return snapshot.lexical.search(terms, request.reach[0], allowed, request.title_boost)


def _vector(snapshot: Snapshot, request: Request, allowed: Mask | None) -> Candidates:
    if not request.asks_meaning or request.vector is None:
        return Candidates.none()
    return snapshot.vectors.search(request.vector, request.reach[1], allowed, request.ef)


def _shown(snapshot: Snapshot, request: Request, allowed: Mask | None, lanes: Lanes) -> _Judged:
    asked = _ask(snapshot, request, allowed, lanes)
    return _judged(snapshot, request, asked, _ranked(snapshot, request, asked))


def _hits(
    snapshot: Snapshot, request: Request, shown: _Judged, documents: Iterator[Document]
) -> tuple[Hit, ...]:
    """The hits of one answer, whose bodies come next among ``documents``."""
    ranked, relevance = shown
    passages = _passages(snapshot, request, ranked)
    return tuple(
        Hit(document.id, score, rank, document, passage, relevant)
        for rank, score, passage, relevant, document in zip(
            range(1, len(ranked) + 1), ranked.scores.tolist(), passages, relevance, documents, strict=False
        )
    )


def _passages(snapshot: Snapshot, request: Request, shown: Candidates) -> list[Passage | None]:
    """The window of each document that is nearest to the query."""
    if not request.asks_meaning or request.vector is None or not len(snapshot.vectors.rows):
        return [None] * len(shown)
    rows = snapshot.vectors.best_rows(request.vector, shown.ordinals)
    spans = snapshot.vectors.rows.spans[rows].tolist()  # of -1 too: some row's, which is not used
    return [Passage(*span) if row >= 0 else None for row, span in zip(rows.tolist(), spans, strict=True)]


def _count(snapshot: Snapshot, request: Request, allowed: Mask | None) -> int:
    if request.mode == "lexical" and request.text is not None:
        return snapshot.lexical.count(of_query(snapshot.generation.analyzer, request.text), allowed)
    return snapshot.size if allowed is None else int(np.count_nonzero(allowed))
