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

from hybrid.encoders.adapter import Adapter
from hybrid.fusion import Votes
from hybrid.order import Pool, beyond
from hybrid.rerank import Features, rerank
from hybrid.rerank.calibration import Signals
from hybrid.rerank.ordering import continued
from hybrid.search.compiled import Compiled, Marks
from hybrid.search.evidence import Evidence, rarity
from hybrid.search.features import columns
from hybrid.search.fields import fetch
from hybrid.search.highlights import Highlighter, NearestSentence, lit
from hybrid.search.lanes import InTurn, Lanes
from hybrid.search.like import likened
from hybrid.search.listed import Listed
from hybrid.search.parts import Parts, ranked_parts
from hybrid.search.passages import best_passages
from hybrid.search.relevance import known
from hybrid.search.request import Request
from hybrid.search.source import Nearest, Source
from hybrid.search.steps import step
from hybrid.search.suggesting import suggest
from hybrid.search.votes import VOTED, Asked, entered
from hybrid.settings import Profile
from hybrid.types import (
    Candidates,
    Document,
    Hit,
    Mask,
    Ordinals,
    Passage,
    Reranker,
    Results,
    Suggestion,
)

_Done = TypeVar("_Done")


class Page(NamedTuple):
    """The documents that are shown, their ranks, how relevant each is, as far as known, and how many others
    it stands for. ``passages``: where these are ranked, that of each."""

    ranked: Candidates
    ranks: Sequence[int]
    relevance: Sequence[float | None]
    folded: Sequence[int]
    passages: Sequence[Passage | None] | None = None

    def of(self, places: Sequence[int], ordinals: Sequence[int]) -> Page:
        """Those at ``places``, whose documents have these ``ordinals`` now."""
        ranked = Candidates(np.array(ordinals, np.int64), self.ranked.scores[list(places)])
        return Page(
            ranked,
            [self.ranks[at] for at in places],
            [self.relevance[at] for at in places],
            [self.folded[at] for at in places],
        )


class Served(NamedTuple):
    """A profile, and the models that it names."""

    profile: Profile
    reranker: Reranker | None
    adapter: Adapter | None


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
        shared = ["near", "legs"]
        if request.voting == self.request.voting:  # or others enter
            shared += ["past", "votes", "pool", "evidence"]
        vars(search).update({name: getattr(self, name) for name in shared})
        return search

    def moved(self, adapter: Adapter | None) -> Search:
        """The same question with its vector moved by another ``adapter``; the lexical leg's answer is
        shared."""
        search = self.asking(self.request.adapted(adapter))
        vars(search)["legs"] = self.lexical, search.vector
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
        return [*self.source.terms(self.request.text), *self.also, *self.request.terms]

    @step
    def also(self) -> list[str]:
        """Those of them that stand for other words than the query's."""
        return self.source.also(self.request.text or "")

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
        """The heads of the legs' answers, by number, and those that enter by votes, in neither list."""
        heads, entering = self.request.heads(self.legs), self.newcomers
        if not len(entering):
            return Pool.of(heads, self.source.ties)
        more = Candidates(entering, np.zeros(len(entering), np.float32))
        pool = Pool.of([*heads, more], self.source.ties)
        return Pool(pool.ordinals, pool.legs[: len(heads)])

    @step
    def newcomers(self) -> Ordinals:
        """The documents that enter by votes, in neither head of the legs' answers."""
        if not len(self.votes.ordinals):
            return self.votes.ordinals
        known = np.concatenate([head.ordinals for head in self.request.heads(self.legs)])
        return self.request.newcomers(self.votes, known)

    @step
    def past(self) -> Asked | None:
        """The similar past queries; None where none may vote."""
        return Asked.of(self.source, self.request, self.words)

    @step
    def votes(self) -> Votes:
        """What they say, of documents that may be answered."""
        voting = self.request.voting
        if voting is None or self.past is None:
            return Votes.none()
        return self.past.votes(voting, self.allowed)

    @step
    def evidence(self) -> Evidence:
        return Evidence(self.source, self.request.vector, self.pool, self.words)

    @step
    def fused(self) -> Candidates:
        """By number."""
        fused, voting = self.request.fuse(self.completed, self.evidence), self.request.voting
        if voting is None:
            return fused
        return voting.raised(fused, self.votes.of(self.pool.ordinals[fused.ordinals]), len(fused))

    @property
    def completed(self) -> list[Candidates]:
        """The heads of the legs' answers, by number, and in each of them what enters by votes."""
        heads = self.request.heads(self.pool.legs)
        asked = self.source, self.request, self.words
        return entered(*asked, self.pool, heads, self.evidence, self.newcomers)

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
        return columns(
            self.source,
            self.request.text,
            self.words,
            candidates,
            pool,
            self.evidence,
            wanted,
            self.passages,
            self._voted,
        )

    def _voted(self, ordinals: Ordinals) -> Features:
        past, voting = self.past, self.request.voting
        if past is None or voting is None:
            return {name: np.full(len(ordinals), np.nan, np.float32) for name in VOTED}
        return past.features(voting, ordinals)

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
        return self.listed.ranked if self.request.listed else self._by_score()

    @step
    def listed(self) -> Listed:
        return Listed.of(self.found, self.request, self.source.columns)

    @step
    def found(self) -> Candidates:
        """What is sorted or grouped, best first: where the lexical leg alone answers, all documents that
        contain a term; or else those that are ranked together, among the legs' first ``depths``."""
        lexical = self.near is None
        k = max(self.source.lexical.documents, 1) if lexical else self.request.depth
        search = self.asking(replace(self.request, k=k, offset=0, sort=(), grouped=None))
        return search.ranked if lexical else search.pool.named(search.reranked)

    @step
    def parts(self) -> Parts:
        """The passages, where they are ranked, of the documents among the legs' first ``depths``."""
        request = replace(self.request, k=self.request.depth, offset=0)
        pool = self.asking(request).pool
        return ranked_parts(self.source, request, self.words, pool, self.evidence.terms)

    def _by_score(self) -> Candidates:
        if self.request.alone:
            return self._alone()
        ranked = self.pool.named(self.reranked)
        if (lacking := self.request.end - len(ranked)) <= 0:
            return ranked
        rest = self._rest(len(ranked), lacking + len(self.votes.ordinals))
        return continued(ranked, rest[~np.isin(rest, ranked.ordinals)][:lacking])

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
        if request.passages:
            ranked, passages = self.parts
            shown = ranked[request.offset : request.end]
            nothing, own = [None] * len(shown), passages[request.offset : request.end]
            return Page(shown, _from(request.offset, shown), nothing, [0] * len(shown), own)
        if request.min_score is None:
            shown = self.shown
            relevance = self.relevance(shown)
            known = [None] * len(shown) if relevance is None else relevance.tolist()
            return Page(shown, _from(request.offset, shown), known, self._folded(shown))
        ranked, offset = self.ranked.top(request.end), request.offset
        relevance = self.relevance(ranked)
        assert relevance is not None  # or min_score would have been refused
        enough = relevance >= request.min_score
        before = int(np.count_nonzero(enough[:offset]))
        ranked, relevance, enough = ranked[offset:], relevance[offset:], enough[offset:]
        shown = ranked[enough]
        return Page(shown, _from(before, shown), relevance[enough].tolist(), self._folded(shown))

    def _folded(self, shown: Candidates) -> list[int]:
        folded = {} if self.request.grouped is None else self.listed.folded
        return [folded.get(ordinal, 0) for ordinal in shown.ordinals.tolist()]

    def relevance(self, ranked: Candidates) -> NDArray[np.float64] | None:
        """How relevant each of ``ranked`` is, (n,) from 0 to 1; None without a calibration."""
        if self.request.calibration is None:
            return None
        signals = self.signals(ranked.ordinals)  # float64, as shown, so as min_score is compared
        return self.request.calibration(signals).astype(np.float64)

    def signals(self, ordinals: Ordinals) -> Signals:
        """The signals of the documents ``ordinals`` for a calibration."""
        return known(self.source, self.request, self.legs, self.evidence.terms(), ordinals)

    def hits(self, page: Page, documents: Iterator[Document]) -> tuple[Hit, ...]:
        """The hits of a page, whose bodies come next among ``documents``."""
        ranked, ranks, relevance, folded, own = page
        passages = self.passages(ranked.ordinals) if own is None else [(p,) if p else () for p in own]
        columns = ranks, ranked.scores.tolist(), passages, relevance, folded, documents
        hits = [
            Hit(document.id, score, rank, document, passage, relevant, others)
            for rank, score, passage, relevant, others, document in zip(*columns, strict=False)
        ]
        fields = self.request.fields
        if fields is not None and "text" not in fields.parts:
            return tuple(hits)
        return lit(hits, self._highlighter())

    def _highlighter(self) -> Highlighter:
        source, request, words = self.source, self.request, self.words
        nearest = None
        if request.sentences and request.encode is not None and request.vector is not None:
            nearest = NearestSentence(request.encode, request.vector, request.sentences)
        text, weights = request.text or "", partial(rarity, source, words)
        marks = Marks(text, [], [], self.also) if self.compiled is None else self.compiled.marks
        return Highlighter(
            source.analyzer, *marks, within=request.passages, weights=weights, nearest=nearest
        )

    def passages(self, ordinals: Ordinals) -> list[tuple[Passage, ...]]:
        """The passages of each document that are shown; see `hybrid.types.Hit`."""
        vector = self.request.vector if self.request.asks_meaning else None
        return best_passages(self.source, self.words, vector, ordinals, self.request.title_boost)


def answer(source: Source, request: Request, lanes: Lanes) -> Results:
    """Everything between a checked request and its results."""
    return answers(source, [request], lanes)[0]


def answers(source: Source, requests: Sequence[Request], lanes: Lanes) -> list[Results]:
    """The same for some that have one filter and the same fields; their documents are fetched together, and
    shared."""
    begun = time.perf_counter()
    passing = source.allowed(requests[0].where)
    searches = [Search.among(source, request, passing, lanes) for request in requests]
    return results(source, searches, [search.page for search in searches], begun)


def results(
    source: Source, searches: Sequence[Search], pages: Sequence[Page], begun: float
) -> list[Results]:
    """The results of searches that ``begun`` together, with their ``pages``."""
    ordinals = [ordinal for page in pages for ordinal in page.ranked.ordinals.tolist()]
    documents = iter(fetch(source, ordinals, searches[0].request.fields))
    hits = [search.hits(page, documents) for search, page in zip(searches, pages, strict=True)]
    took = (time.perf_counter() - begun) / len(searches)
    return [
        Results(
            found,
            source.seq,
            took,
            _counting(search),
            query=search.request.query,
            suggest=partial(_suggestion, search),
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
    profiles: Sequence[Served],
    lanes: Lanes,
) -> list[list[tuple[str, float]]]:
    """What ``ranking`` would answer under each of ``profiles``, with the models that it names, up to what
    the graph finds more when asked for more. The legs are asked once for all of one title boost, the vector
    leg for each adapter."""
    requests = [request.under(*served) for served in profiles]
    question, ranked = Search.of(source, request, lanes), dict[int, Candidates]()
    for boost in {one.title_boost for one in requests}:
        asked = {place: one for place, one in enumerate(requests) if one.title_boost == boost}
        depths = max(one.depths[0] for one in asked.values()), max(one.depths[1] for one in asked.values())
        widest = max((one.ef for one in asked.values() if one.ef is not None), default=None)
        first = question.asking(replace(request, depths=depths, title_boost=boost, ef=widest))
        by_adapter = {request.adapter: first}
        for place, one in asked.items():
            if one.adapter not in by_adapter:
                by_adapter[one.adapter] = first.moved(one.adapter)
            ranked[place] = by_adapter[one.adapter].under(one).ranked[one.offset : one.end]
    everyone = list({ordinal for one in ranked.values() for ordinal in one.ordinals.tolist()})
    ids = dict(zip(everyone, source.ids(np.array(everyone, np.int64)), strict=True))
    return [_named(ranked[place], ids) for place in range(len(profiles))]


def _from(before: int, shown: Candidates) -> range:
    """The ranks of what is shown after ``before`` others."""
    return range(before + 1, before + 1 + len(shown))


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
    lap("fetch", lambda: search.hits(search.page, iter(fetch(source, bodies, request.fields))))
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


def _suggestion(search: Search) -> Suggestion | None:
    """What may have been meant, of words of documents that pass the filter."""
    source, request = search.source, search.request
    return suggest(source, request.typed, source.allowed(request.where))
