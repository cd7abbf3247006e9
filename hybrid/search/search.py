"""One query on its way out: words, legs, fused, ranked, relevance, page, hits.

The legs answer by ordinal. Their heads are numbered in the order of ties, fused and reranked by number, and
what comes of it is by ordinal again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from hybrid.fusion import QueryTerms
from hybrid.order import Pool, beyond
from hybrid.rerank import Features, rerank
from hybrid.rerank.calibration import Columns
from hybrid.rerank.ordering import continued
from hybrid.search.compiled import Compiled, Marks
from hybrid.search.features import columns
from hybrid.search.highlights import Highlighter, lit
from hybrid.search.lanes import InTurn, Lanes
from hybrid.search.like import likened
from hybrid.search.passages import best_passages
from hybrid.search.relevance import known
from hybrid.search.request import Request
from hybrid.search.source import Nearest, Source
from hybrid.search.steps import step
from hybrid.search.suggesting import suggest
from hybrid.settings import Profile
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


class Page(NamedTuple):
    """The documents that are shown, the rank of the first, and how relevant each is, as far as known."""

    ranked: Candidates
    first: int
    relevance: Sequence[float | None]


class Search:
    """One query on one source. Each step is taken when it is first asked for, and kept."""

    def __init__(self, source: Source, request: Request, allowed: Mask | None, lanes: Lanes) -> None:
        """``allowed``: which documents may be answered, bool (n,) over ordinals; None for all."""
        self.source, self.request, self.allowed, self._lanes = source, request, allowed, lanes
        self.compiled: Compiled | None = None  # of a query that is more than words

    @classmethod
    def of(cls, source: Source, request: Request, lanes: Lanes) -> Self:
        """Search among the living documents that pass the request's filter and are not ``lacking``."""
        return cls.among(source, request, source.allowed(request.where), lanes)

    @classmethod
    def among(cls, source: Source, request: Request, passing: Mask | None, lanes: Lanes) -> Self:
        """The same where the documents that pass the filter are known; None for all."""
        if request.like or request.unlike:
            request = likened(source, request, passing)
        compiled = None if request.value is None else Compiled(source, request.value)
        demanded = None if compiled is None else compiled.demanded
        search = cls(source, request, _allowed(source, request, passing, demanded), lanes)
        search.compiled = compiled
        return search

    def under(self, request: Request) -> Search:
        """The same question, ranked as another ``request`` says, whose depths reach no further. The answers
        of the legs, and what is known of their candidates, are shared."""
        search = self.asking(request)
        shared = ("near", "legs", "pool", "evidence")
        vars(search).update({name: getattr(self, name) for name in shared})
        return search

    def asking(self, request: Request) -> Search:
        """The same question asked anew, as ``request`` says; its words are shared."""
        search = Search(self.source, request, self.allowed, self._lanes)
        vars(search)["words"], search.compiled = self.words, self.compiled
        return search

    # -- the legs

    @step
    def words(self) -> list[str]:
        """The terms that the lexical leg looks for."""
        if not self.request.asks_words or self.request.text is None:
            return list(self.request.terms)
        if self.compiled is not None:
            return [*self.compiled.terms, *self.request.terms]
        text = self.request.text
        return [*self.source.terms(text), *self.source.also(text), *self.request.terms]

    @step
    def lexical(self) -> Candidates:
        request, ties = self.request, self.source.ties
        reach, depth, boost = request.reach[0], request.depths[0], request.title_boost
        if request.asks_anything:
            anything = np.flatnonzero(self.source.live if self.allowed is None else self.allowed)
            return Candidates.ranked(anything, np.zeros(len(anything), np.float32), reach, 0.0, ties)
        view = self.source.lexical
        return view.search(self.words, reach, self.allowed, boost, depth=depth, ties=ties)

    @step
    def near(self) -> Nearest | None:
        """The vector leg's list, as far as one wants to look; None where it is not asked."""
        request, ties = self.request, self.source.ties
        if not request.asks_meaning or request.vector is None:
            return None
        return self.source.vectors.near(request.vector, request.depths[1], self.allowed, request.ef, ties)

    @step
    def vector(self) -> Candidates:
        return Candidates.none() if self.near is None else self.near.within(self.request.reach[1])

    @step
    def legs(self) -> tuple[Candidates, Candidates]:
        """The lexical and the vector leg's answer, by ordinal."""
        if self.request.mode != "hybrid":  # the lanes would learn that a leg that is not asked is cheap
            return self.lexical, self.vector
        # Analysed before the hand-over: regular expressions let the other thread have the GIL, and wait.
        _ = self.words, self.near
        return self._lanes.run(lambda: self.lexical, lambda: self.vector)

    # -- one list

    @step
    def pool(self) -> Pool:
        """The heads of the legs' answers, by number."""
        return Pool.of(self.request.heads(self.legs), self.source.ties)

    @step
    def evidence(self) -> Evidence:
        return Evidence(self.source, self.request.vector, self.pool, self.words)

    @step
    def fused(self) -> Candidates:
        """By number."""
        return self.request.fuse(self.pool.legs, self.evidence)

    @step
    def head(self) -> Candidates:
        """The candidates that a reranker is given, by number."""
        return self.fused.top(self.request.depth)

    @step
    def features(self) -> Features:
        """The features of ``head`` that the request's reranker wants."""
        return self.known(self.head, getattr(self.request.reranker, "features", ()))

    def known(self, candidates: Candidates, wanted: Sequence[str]) -> Features:
        """The features of ``candidates``, by number: at least those ``wanted``."""
        pool = Pool(self.pool.ordinals, tuple(self.request.heads(self.pool.legs)))
        asked = self.request.text, self.words
        return columns(self.source, *asked, candidates, pool, self.evidence, wanted)

    @step
    def reranked(self) -> Candidates:
        """By number."""
        request = self.request
        if request.reranker is None:
            return self.fused
        best = rerank(request.reranker, request.text, self.head, self.features)
        return continued(best, self.fused.ordinals[len(self.head) :])

    @step
    def ranked(self) -> Candidates:
        """The ranking, by ordinal, up to the last hit that is wanted or further."""
        if self.request.alone:
            return self._alone()
        ranked = self.pool.named(self.reranked)
        if (lacking := self.request.end - len(ranked)) <= 0:
            return ranked
        return continued(ranked, self._rest(len(ranked), lacking))

    def _alone(self) -> Candidates:
        """The ranking where it is one leg's list."""
        ranked = self.legs[self.request.mode == "vector"]
        if self.near is None or self.near.exact or len(ranked) >= self.request.end:
            return ranked
        return self.near.further(self.request.end)

    def _rest(self, ranked: int, lacking: int) -> Ordinals:
        """The documents that follow the first ``ranked``, as many as are ``lacking`` if there are: from
        both legs by turns, and at last, since they cost most, from further looks of the graph."""
        request, legs, near = self.request, self.legs, self.near
        heads = {ordinal for head in request.heads(legs) for ordinal in head.ordinals.tolist()}
        rest = beyond(legs, request.depths)
        if len(rest) < lacking and ranked < len(heads):  # some were left out, for which there may be others
            search = self.asking(replace(request, k=request.k + len(heads) - ranked))
            legs, near = search.legs, search.near
            rest = beyond(legs, request.depths)
        if len(rest) >= lacking or near is None or near.exact:
            return rest
        seen = {ordinal for leg in legs for ordinal in leg.ordinals.tolist()}
        further = [one for one in near.further(len(heads) + lacking).ordinals.tolist() if one not in seen]
        return np.concatenate([rest, np.array(further, np.int64)])

    # -- what is shown

    @property
    def shown(self) -> Candidates:
        """The ranking from the offset on, as far as it is wanted and relevant enough."""
        if self.request.min_score is not None:
            return self.page.ranked
        ranked, offset = self.ranked.top(self.request.end), self.request.offset
        return ranked[offset:] if offset else ranked

    @step
    def page(self) -> Page:
        request = self.request
        if request.min_score is None:
            shown = self.shown
            relevance = self.relevance(shown)
            known = [None] * len(shown) if relevance is None else relevance.tolist()
            return Page(shown, request.offset + 1, known)
        ranked, offset = self.ranked.top(request.end), request.offset
        relevance = self.relevance(ranked)
        assert relevance is not None  # or min_score would have been refused
        enough = relevance >= request.min_score
        before = int(np.count_nonzero(enough[:offset]))
        ranked, relevance, enough = ranked[offset:], relevance[offset:], enough[offset:]
        return Page(ranked[enough], before + 1, relevance[enough].tolist())

    def relevance(self, ranked: Candidates) -> NDArray[np.float64] | None:
        """How relevant each of ``ranked`` is, (n,) from 0 to 1; None without a calibration."""
        if self.request.calibration is None:
            return None
        signals = self.signals(ranked.ordinals)  # float64, as shown, so as min_score is compared
        return self.request.calibration(signals).astype(np.float64)

    def signals(self, ordinals: Ordinals) -> Columns:
        """The signals of the documents ``ordinals`` for a calibration."""
        return known(self.source, self.request, self.legs, self.evidence.terms(), ordinals)

    def hits(self, documents: Iterator[Document]) -> tuple[Hit, ...]:
        """The hits of the page, whose bodies come next among ``documents``."""
        ranked, first, relevance = self.page
        hits = [
            Hit(document.id, score, rank, document, passages, relevant)
            for rank, score, passages, relevant, document in zip(
                range(first, first + len(ranked)),
                ranked.scores.tolist(),
                self.passages(ranked.ordinals),
                relevance,
                documents,
                strict=False,
            )
        ]
        text = self.request.text or ""
        compiled = self.compiled
        marks = Marks(text, [], [], self.source.also(text)) if compiled is None else compiled.marks
        return lit(hits, Highlighter(self.source.analyzer, *marks))

    def passages(self, ordinals: Ordinals) -> list[tuple[Passage, ...]]:
        """The passages of each document that are shown; see `hybrid.types.Hit`."""
        vector = self.request.vector if self.request.asks_meaning else None
        return best_passages(self.source, self.words, vector, ordinals, self.request.title_boost)


class Evidence:
    """What the legs know of a pool of candidates and of the query, worked out for all of it when first
    asked; see `hybrid.fusion.Evidence`."""

    def __init__(self, source: Source, vector: Scores | None, pool: Pool, words: Sequence[str]) -> None:
        self._source, self._vector, self._pool, self._words = source, vector, pool, words

    @step
    def _known(self) -> tuple[Scores, Matrix]:
        assert self._vector is not None  # or the vector leg would have answered nothing
        return self._source.vectors.nearest(self._vector, self._pool.ordinals)

    @step
    def _terms(self) -> QueryTerms:
        lexical = self._source.lexical
        return QueryTerms(self._words, lexical.frequencies(self._words), lexical.documents)

    def scores(self, numbers: Ordinals) -> Scores:
        return self._known[0][self._part(numbers)]

    def vectors(self, numbers: Ordinals) -> Matrix:
        return self._known[1][self._part(numbers)]

    def terms(self) -> QueryTerms:
        return self._terms

    def _part(self, numbers: Ordinals) -> slice | Ordinals:
        """Mostly these are all, and nothing is copied."""
        return slice(None) if np.array_equal(numbers, np.arange(len(self._pool))) else numbers


def answer(source: Source, request: Request, lanes: Lanes) -> Results:
    """Everything between a checked request and its results."""
    return answers(source, [request], lanes)[0]


def answers(source: Source, requests: Sequence[Request], lanes: Lanes) -> list[Results]:
    """The same for some that have one filter; their documents are fetched together, and shared."""
    begun = time.perf_counter()
    passing = source.allowed(requests[0].where)
    searches = [Search.among(source, request, passing, lanes) for request in requests]
    ordinals = [ordinal for search in searches for ordinal in search.page.ranked.ordinals.tolist()]
    documents = iter(source.documents(ordinals))
    hits = [search.hits(documents) for search in searches]
    took = (time.perf_counter() - begun) / len(requests)
    return [
        Results(
            found,
            source.seq,
            took,
            _counting(search),
            search.request.query,
            partial(suggest, source, search.request.typed, passing),
        )
        for search, found in zip(searches, hits, strict=True)
    ]


def ranking(source: Source, request: Request, lanes: Lanes) -> list[tuple[str, float]]:
    """The ids and scores that ``answer`` would show, without the documents."""
    shown = Search.of(source, request, lanes).shown
    ids = source.ids(shown.ordinals)
    return list(zip(ids, shown.scores.tolist(), strict=True))


def rankings(
    source: Source,
    request: Request,
    profiles: Sequence[tuple[Profile, Reranker | None]],
    lanes: Lanes,
) -> list[list[tuple[str, float]]]:
    """What ``ranking`` would answer under each of ``profiles``, with the model that it names, up to what
    the graph finds more when asked for more. The legs are asked once for all of one title boost."""
    requests = [request.under(profile, reranker) for profile, reranker in profiles]
    question, ranked = Search.of(source, request, lanes), dict[int, Candidates]()
    for boost in {one.title_boost for one in requests}:
        asked = {place: one for place, one in enumerate(requests) if one.title_boost == boost}
        depths = max(one.depths[0] for one in asked.values()), max(one.depths[1] for one in asked.values())
        widest = max((one.ef for one in asked.values() if one.ef is not None), default=None)
        search = question.asking(replace(request, depths=depths, title_boost=boost, ef=widest))
        for place, one in asked.items():
            ranked[place] = search.under(one).ranked[one.offset : one.end]
    everyone = list({ordinal for one in ranked.values() for ordinal in one.ordinals.tolist()})
    ids = dict(zip(everyone, source.ids(np.array(everyone, np.int64)), strict=True))
    return [_named(ranked[place], ids) for place in range(len(profiles))]


def _named(ranked: Candidates, ids: Mapping[int, str]) -> list[tuple[str, float]]:
    return [(ids[o], s) for o, s in zip(ranked.ordinals.tolist(), ranked.scores.tolist(), strict=True)]


def laps(source: Source, request: Request) -> dict[str, float]:
    """The seconds that each step of ``answer`` takes that this query has, the legs one after the other."""
    took: dict[str, float] = {}

    def lap(name: str, work: Callable[[], _Done], there: bool = True) -> _Done:
        start = time.perf_counter()
        done = work()
        if there:
            took[name] = time.perf_counter() - start
        return done

    search = Search.of(source, request, InTurn())
    words = request.text is not None
    lap("analyse", lambda: search.words, words)
    lap("lexical leg", lambda: search.lexical, words)
    lap("vector leg", lambda: search.vector, search.near is not None)
    lap("fuse", lambda: search.fused)
    lap("rerank", lambda: search.ranked, request.reranker is not None)
    lap("relevance", lambda: search.page, request.calibration is not None)
    bodies = search.page.ranked.ordinals.tolist()
    lap("fetch", lambda: search.hits(iter(source.documents(bodies))))
    return took


def _allowed(source: Source, request: Request, passing: Mask | None, demanded: Mask | None) -> Mask | None:
    """Which documents may be answered, of those that pass the filter; None where all may."""
    if demanded is not None:
        passing = demanded & (source.live if passing is None else passing)
    if not request.lacking:
        return passing
    allowed = (source.live if passing is None else passing).copy()
    allowed[list(source.found(request.lacking).values())] = False
    return allowed


def _counting(search: Search) -> Callable[[], int]:
    """Counts, when called, the documents that match."""
    source, allowed = search.source, search.allowed
    if search.request.mode == "lexical" and not search.request.asks_anything:
        return partial(source.lexical.count, search.words, allowed)
    return lambda: source.size if allowed is None else int(np.count_nonzero(allowed))
