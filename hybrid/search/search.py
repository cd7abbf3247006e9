"""The path of one query: legs -> fuse -> rerank -> continue -> fetch, every step on one snapshot.

The legs answer by ordinal. Their heads are numbered in the order of ties, fused and reranked by number, and
what comes of it is by ordinal again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.fusion import QueryTerms
from hybrid.lexical.terms import of_query
from hybrid.order import Pool, beyond
from hybrid.rerank import Features, rerank
from hybrid.rerank.calibration import Columns
from hybrid.rerank.ordering import continued
from hybrid.search.features import columns
from hybrid.search.relevance import known
from hybrid.search.request import Request
from hybrid.settings import Profile
from hybrid.store.generation import Snapshot
from hybrid.threads import submit
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
from hybrid.vector.leg import Near

_Done = TypeVar("_Done")
_Legs: TypeAlias = tuple[Candidates, Candidates]
_Ask: TypeAlias = Callable[[Request], tuple[_Legs, Near | None]]
"""Has both legs answer a request; the vector leg may know of more."""

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
            other = submit(self._pool, self._timed, 1, legs[1])
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
    pages = [_answered(snapshot, request, allowed, lanes) for request in requests]
    ordinals = [ordinal for page in pages for ordinal in page.ranked.ordinals.tolist()]
    documents = iter(snapshot.documents(ordinals))
    hits = [_hits(snapshot, *one, documents) for one in zip(requests, pages, strict=True)]
    took = (time.perf_counter() - begun) / len(requests)
    return [
        Results(found, snapshot.seq, took, partial(_count, snapshot, request, allowed))
        for request, found in zip(requests, hits, strict=True)
    ]


def ranking(snapshot: Snapshot, request: Request, lanes: Lanes) -> list[tuple[str, float]]:
    """The ids and scores that ``answer`` would show, without the documents."""
    found = _ask(snapshot, request, _allowed(snapshot, request), lanes)
    ranked = _ranked(found, request)
    shown = ranked[request.offset : request.end]
    if request.min_score is not None:
        shown = _page(found, request, ranked).ranked
    ids = snapshot.generation.ledger.ids(shown.ordinals.tolist())
    return list(zip(ids, shown.scores.tolist(), strict=True))


def first_hits(snapshot: Snapshot, request: Request, lanes: Lanes) -> tuple[list[str], Columns]:
    """The ids that ``answer`` would show, and what a calibration knows of each."""
    found = _ask(snapshot, request, _allowed(snapshot, request), lanes)
    shown = _ranked(found, request).top(request.k).ordinals
    ids = snapshot.generation.ledger.ids(shown.tolist())
    return ids, known(snapshot, request, found.legs, found.terms(), shown)


def rankings(
    snapshot: Snapshot,
    request: Request,
    profiles: Sequence[tuple[Profile, Reranker | None]],
    lanes: Lanes,
) -> list[list[tuple[str, float]]]:
    """What ``ranking`` would answer under each of ``profiles``, with the model that it names, up to what
    the graph finds more when asked for more. The legs are asked once for all of one title boost."""
    allowed, terms = _allowed(snapshot, request), _terms(snapshot, request)
    ranked: dict[int, Candidates] = {}
    for boost in {profile.title_boost for profile, _ in profiles}:
        asked = {
            i: request.under(profile, reranker)
            for i, (profile, reranker) in enumerate(profiles)
            if profile.title_boost == boost
        }
        lexical, vector = (max(one.depths[leg] for one in asked.values()) for leg in (0, 1))
        widest = max((one.ef for one in asked.values() if one.ef is not None), default=None)
        deepest = replace(request, depths=(lexical, vector), title_boost=boost, ef=widest)
        found = _Found(snapshot, deepest, terms, partial(_legs, snapshot, terms, allowed, lanes))
        for i, one in asked.items():
            ranked[i] = _ranked(found, one)[one.offset : one.end]
    everyone = list({ordinal for one in ranked.values() for ordinal in one.ordinals.tolist()})
    ids = dict(zip(everyone, snapshot.generation.ledger.ids(everyone), strict=True))
    return [_named(ranked[i], ids) for i in range(len(profiles))]


def _named(ranked: Candidates, ids: Mapping[int, str]) -> list[tuple[str, float]]:
    return [(ids[o], s) for o, s in zip(ranked.ordinals.tolist(), ranked.scores.tolist(), strict=True)]


class _Found:
    """What the legs answer to a request, by ordinal, and their heads as a ``pool``, by number. As evidence
    it tells what they know of the pool and the query, worked out for all of it when first asked."""

    def __init__(self, snapshot: Snapshot, request: Request, terms: list[str], ask: _Ask) -> None:
        self.snapshot, self.request, self.words, self.ask = snapshot, request, terms, ask
        self.legs, self.near = ask(request)

    @cached_property
    def pool(self) -> Pool:
        return Pool.of(self.request.heads(self.legs), self.snapshot.ties)

    @cached_property
    def _known(self) -> tuple[Scores, Matrix]:
        query = self.request.vector
        assert query is not None  # or the vector leg would have answered nothing
        return self.snapshot.vectors.nearest(query, self.pool.ordinals)

    @cached_property
    def _asked(self) -> QueryTerms:
        lexical = self.snapshot.lexical
        return QueryTerms(self.words, lexical.frequencies(self.words), lexical.searcher.num_docs)

    def scores(self, numbers: Ordinals) -> Scores:
        return self._known[0][self._part(numbers)]

    def vectors(self, numbers: Ordinals) -> Matrix:
        return self._known[1][self._part(numbers)]

    def _part(self, numbers: Ordinals) -> slice | Ordinals:
        """Mostly these are all, and nothing is copied."""
        return slice(None) if np.array_equal(numbers, np.arange(len(self.pool))) else numbers

    def terms(self) -> QueryTerms:
        return self._asked


def candidates(
    snapshot: Snapshot, request: Request, lanes: Lanes, wanted: Sequence[str]
) -> tuple[Candidates, Features]:
    """What a reranker that has ``wanted`` as its features is given: the best ``request.depth``, and what is
    known of them. Here they stand in the order of ties, so that equals among any new scores already do."""
    found = _ask(snapshot, request, _allowed(snapshot, request), lanes)
    head = _fused(found, request).top(request.depth)
    head = head[head.ordinals.argsort()]
    return found.pool.named(head), _known(found, request, head, wanted)


@dataclass(frozen=True)
class Trace:
    """What each step of a query answered, by ordinal: ``legs``, what was ``fused`` of them, the ``head``
    that a reranker is given with what is known of it, what is ``ranked`` in the end, how relevant each of
    these is (float64 (n,), None without a calibration), and those ``shown``: all relevant enough ones."""

    legs: _Legs
    fused: Candidates
    head: Candidates
    features: Features
    ranked: Candidates
    relevance: NDArray[np.float64] | None
    shown: Candidates


def trace(snapshot: Snapshot, request: Request, lanes: Lanes) -> Trace:
    """The steps of a query, for an explanation."""
    found = _ask(snapshot, request, snapshot.allowed(request.where), lanes)
    fused = _fused(found, request)
    head = fused.top(request.depth)
    features = _known(found, request, head, getattr(request.reranker, "features", ()))
    ranked = _ranked(found, request)
    relevance = _relevance(found, request, ranked)
    shown = ranked if relevance is None else ranked[_enough(request, relevance)]
    by_ordinal = found.legs[request.mode == "vector"] if request.alone else found.pool.named(fused)
    return Trace(found.legs, by_ordinal, found.pool.named(head), features, ranked, relevance, shown)


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
    words, near = request.text is not None, _near(snapshot, request, allowed)
    terms = lap("analyse", lambda: _terms(snapshot, request), words)
    legs = (
        lap("lexical leg", lambda: _lexical(snapshot, request, terms, allowed), words),
        lap("vector leg", lambda: _vector(near, request), near is not None),
    )
    found = _Found(snapshot, request, terms, lambda _: (legs, near))
    fused = lap("fuse", lambda: _fused(found, request))
    ranked = lap("rerank", lambda: _completed(found, request, fused), request.reranker is not None)
    calibrated = request.calibration is not None
    page = lap("relevance", lambda: _page(found, request, ranked), calibrated)
    bodies = page.ranked.ordinals.tolist()
    lap("fetch", lambda: _hits(snapshot, request, page, iter(snapshot.documents(bodies))))
    return took


def _answered(snapshot: Snapshot, request: Request, allowed: Mask | None, lanes: Lanes) -> _Page:
    found = _ask(snapshot, request, allowed, lanes)
    return _page(found, request, _ranked(found, request))


def _allowed(snapshot: Snapshot, request: Request) -> Mask | None:
    """Who may be answered; None where that is everybody."""
    allowed = snapshot.allowed(request.where)
    if not request.lacking:
        return allowed
    allowed = (snapshot.live if allowed is None else allowed).copy()
    allowed[snapshot.places(request.lacking)] = False
    return allowed


def _ask(snapshot: Snapshot, request: Request, allowed: Mask | None, lanes: Lanes) -> _Found:
    # Analysed before the hand-over: regular expressions let the other thread have the GIL, and then wait.
    terms = _terms(snapshot, request)
    return _Found(snapshot, request, terms, partial(_legs, snapshot, terms, allowed, lanes))


def _legs(
    snapshot: Snapshot, terms: list[str], allowed: Mask | None, lanes: Lanes, request: Request
) -> tuple[_Legs, Near | None]:
    near = _near(snapshot, request, allowed)
    lexical = partial(_lexical, snapshot, request, terms, allowed)
    vector = partial(_vector, near, request)
    if request.mode == "hybrid":
        return lanes.run(lexical, vector), near
    return (lexical(), vector()), near  # a leg that was not asked must not teach the lanes that it is cheap


def _terms(snapshot: Snapshot, request: Request) -> list[str]:
    if not request.asks_words or request.text is None:
        return []
    return of_query(snapshot.generation.analyzer, request.text)


def _lexical(snapshot: Snapshot, request: Request, terms: list[str], allowed: Mask | None) -> Candidates:
    reach, depth, boost = request.reach[0], request.depths[0], request.title_boost
    return snapshot.lexical.search(terms, reach, allowed, boost, depth=depth, ties=snapshot.ties)


def _near(snapshot: Snapshot, request: Request, allowed: Mask | None) -> Near | None:
    if not request.asks_meaning or request.vector is None:
        return None
    return snapshot.vectors.near(request.vector, request.depths[1], allowed, request.ef, snapshot.ties)


def _vector(near: Near | None, request: Request) -> Candidates:
    return Candidates.none() if near is None else near.within(request.reach[1])


# -- one ranking


def _ranked(found: _Found, request: Request) -> Candidates:
    """The ranking, by ordinal, up to the last hit that is wanted or further."""
    if not request.alone:
        return _completed(found, request, _fused(found, request))
    ranked, near = found.legs[request.mode == "vector"], found.near
    if near is None or near.exact or len(ranked) >= request.end:
        return ranked
    return near.further(request.end)


def _fused(found: _Found, request: Request) -> Candidates:
    """By number."""
    return request.fuse(found.pool.legs, found)


def _completed(found: _Found, request: Request, fused: Candidates) -> Candidates:
    """``fused``, its head reranked, by ordinal, and what follows it as far as that is wanted."""
    ranked = found.pool.named(_reranked(found, request, fused))
    if (lacking := request.end - len(ranked)) <= 0:
        return ranked
    return continued(ranked, _rest(found, request, len(ranked), lacking))


def _rest(found: _Found, request: Request, ranked: int, lacking: int) -> Ordinals:
    """The documents that follow the first ``ranked``, as many as are ``lacking`` if there are: from both
    legs by turns, and at last, since they cost most, from further looks of the graph."""
    heads = {ordinal for head in request.heads(found.legs) for ordinal in head.ordinals.tolist()}
    legs, near = found.legs, found.near
    rest = beyond(legs, request.depths)
    if len(rest) < lacking and ranked < len(heads):  # some were left out, for which there may be others
        legs, near = found.ask(replace(request, k=request.k + len(heads) - ranked))
        rest = beyond(legs, request.depths)
    if len(rest) >= lacking or near is None or near.exact:
        return rest
    seen = {ordinal for leg in legs for ordinal in leg.ordinals.tolist()}
    further = [one for one in near.further(len(heads) + lacking).ordinals.tolist() if one not in seen]
    return np.concatenate([rest, np.array(further, np.int64)])


def _reranked(found: _Found, request: Request, fused: Candidates) -> Candidates:
    if request.reranker is None:
        return fused
    head = fused.top(request.depth)
    columns = _known(found, request, head, getattr(request.reranker, "features", ()))
    best = rerank(request.reranker, request.text, head, columns)
    return continued(best, fused.ordinals[len(head) :])


def _known(found: _Found, request: Request, head: Candidates, wanted: Sequence[str]) -> Features:
    pool = Pool(found.pool.ordinals, tuple(request.heads(found.pool.legs)))
    return columns(found.snapshot, request.text, found.words, head, pool, found, wanted)


# -- what is shown


class _Page(NamedTuple):
    """What is shown: documents, the rank of the first, and how relevant each is, as far as is known."""

    ranked: Candidates
    first: int
    relevance: Sequence[float | None]


def _page(found: _Found, request: Request, ranked: Candidates) -> _Page:
    """Those from the offset on that are relevant enough."""
    offset, ranked = request.offset, ranked.top(request.end)
    if request.min_score is None:
        shown = ranked[offset:] if offset else ranked
        relevance = _relevance(found, request, shown)
        return _Page(shown, offset + 1, [None] * len(shown) if relevance is None else relevance.tolist())
    relevance = _relevance(found, request, ranked)
    assert relevance is not None  # or min_score would have been refused
    enough = _enough(request, relevance)
    before = int(np.count_nonzero(enough[:offset]))
    return _Page(ranked[offset:][enough[offset:]], before + 1, relevance[offset:][enough[offset:]].tolist())


def _relevance(found: _Found, request: Request, ranked: Candidates) -> NDArray[np.float64] | None:
    if request.calibration is None:
        return None
    signals = known(found.snapshot, request, found.legs, found.terms(), ranked.ordinals)
    return request.calibration(signals).astype(np.float64)  # as shown, so as min_score is compared


def _enough(request: Request, relevance: NDArray[np.float64]) -> Mask:
    return np.asarray(relevance >= (request.min_score or 0.0))


def _hits(
    snapshot: Snapshot, request: Request, page: _Page, documents: Iterator[Document]
) -> tuple[Hit, ...]:
    """The hits of one answer, whose bodies come next among ``documents``."""
    passages = _passages(snapshot, request, page.ranked)
    return tuple(
        Hit(document.id, score, rank, document, passage, relevant)
        for rank, score, passage, relevant, document in zip(
            range(page.first, page.first + len(page.ranked)),
            page.ranked.scores.tolist(),
            passages,
            page.relevance,
            documents,
            strict=False,
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
