"""One state of an index, to ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Unpack

import numpy as np
from numpy.typing import ArrayLike

from hybrid.context import Context
from hybrid.encoders.adapter import Adapter
from hybrid.encoders.bound import Model
from hybrid.encoders.bulk import checked
from hybrid.encoders.cache import QueryCache
from hybrid.errors import QueryError
from hybrid.ledger.past import Kept
from hybrid.metadata import sorting
from hybrid.metadata.facets import VALUES, Extent, Facet, Wanted
from hybrid.metadata.filters import Filter
from hybrid.metadata.sorting import Sort, SortKey
from hybrid.query import Query
from hybrid.rerank import Features
from hybrid.rerank.calibration import Signals
from hybrid.search.batch import answer_all
from hybrid.search.context import ContextOptions, context
from hybrid.search.counted import Counted
from hybrid.search.cursors import Cursors
from hybrid.search.explain import Explanation, explain
from hybrid.search.fields import Fields, fetch
from hybrid.search.lanes import Lanes
from hybrid.search.legs import Legs, legs
from hybrid.search.models import Models
from hybrid.search.passages import best_passages
from hybrid.search.request import Asker, Options, Request, check_queries
from hybrid.search.search import Search, Served, answer, ranking, rankings
from hybrid.search.steps import step
from hybrid.search.suggesting import autocomplete, suggest
from hybrid.settings import Profile, Profiles
from hybrid.store.snapshot import Snapshot
from hybrid.texts import check_lookup
from hybrid.types import (
    Candidates,
    Document,
    Hit,
    Lacking,
    Matrix,
    Mode,
    Reranker,
    Results,
    Run,
    Scores,
    Suggestion,
)

_STEP: Final = 1000  # documents a step


class Searcher:
    """One state of an index, with its encoder and models: made by ``Index.searcher``, and good until that
    ends. All its answers are of that state, whatever is written meanwhile. Judging and learning ask one."""

    def __init__(
        self, snapshot: Snapshot, model: Model, models: Models, lanes: Lanes, cursors: Cursors
    ) -> None:
        self.snapshot = snapshot
        self._model, self._models, self._lanes, self._cursors = model, models, lanes, cursors

    @property
    def profiles(self) -> Profiles:
        """The profiles that the index has served with, and the one that serves now."""
        return self.snapshot.profiles

    @step
    def legs(self) -> Legs:
        """Which legs can answer a query of text, and why another cannot."""
        return legs(self.snapshot)

    def __len__(self) -> int:
        """The number of documents."""
        return self.snapshot.size

    def get(self, id: str, *, fields: Sequence[str] | None = None) -> Document | None:
        """As ``Index.get``."""
        wanted = Fields.of(fields)
        ordinals = list(self.snapshot.found([check_lookup(id)]).values())
        return fetch(self.snapshot, ordinals, wanted)[0] if ordinals else None

    def absent(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that no document has."""
        exact = {id: check_lookup(id) for id in ids}
        there = self.snapshot.found(exact.values())
        return {id for id, looked_up in exact.items() if looked_up not in there}

    def documents(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sort | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Document]:
        """As ``Index.documents``."""
        _, where = self.asker.selection(None, filter)
        by, wanted = sorting.parse(sort), Fields.of(fields)
        return self.snapshot.everything(where, by) if wanted is None else self._listed(where, by, wanted)

    def _listed(self, where: Filter | None, by: Sequence[SortKey], wanted: Fields) -> Iterator[Document]:
        listed = self.snapshot.listed(where, by).tolist()
        for start in range(0, len(listed), _STEP):
            yield from fetch(self.snapshot, listed[start : start + _STEP], wanted)

    # -- counting

    def count(self, *, query: str | Query | None = None, filter: Mapping[str, Any] | None = None) -> int:
        """As ``Index.count``."""
        return len(self._counted(query, filter))

    def facets(
        self,
        wanted: Iterable[Wanted],
        *,
        query: str | Query | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Facet]:
        """As ``Index.facets``."""
        return self._counted(query, filter).facets(wanted)

    def values(
        self,
        path: str,
        *,
        query: str | Query | None = None,
        filter: Mapping[str, Any] | None = None,
        limit: int = VALUES,
    ) -> list[Any]:
        """As ``Index.values``."""
        return self._counted(query, filter).values(path, limit)

    def range(
        self, path: str, *, query: str | Query | None = None, filter: Mapping[str, Any] | None = None
    ) -> Extent | None:
        """As ``Index.range``."""
        return self._counted(query, filter).range(path)

    def _counted(self, query: str | Query | None, filter: Mapping[str, Any] | None) -> Counted:
        return Counted.of(self.snapshot, self.asker, query, filter)

    # -- searching

    def search(
        self,
        query: str | Query | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """As ``Index.search``."""
        request = self._request(query, vector, options)
        ask = self._cursors.first if request.cursor else answer
        return ask(self.snapshot, request, self._lanes)

    def next_page(self, cursor: str) -> Results:
        """As ``Index.next_page``."""
        return self._cursors.next(self.snapshot, cursor, self._lanes)

    def context(
        self,
        query: str | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[ContextOptions],
    ) -> Context:
        """As ``Index.context``."""

        def search(asked: Options) -> Results:
            return self.search(query, vector=vector, **asked)

        return context(self.snapshot, self.asker, search, self._model.encoder, query, vector, options)

    def explain(self, query: str | Query | None, id: str, **options: Unpack[Options]) -> Explanation:
        """As ``Index.explain``."""
        return explain(self.snapshot, self._request(query, None, options), self._lanes, check_lookup(id))

    def search_many(
        self,
        queries: Sequence[str | Query] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        """As ``Index.search_many``."""
        requests = self.encoded(self.asker.many(queries, vectors, options))
        return answer_all(self.snapshot, requests, self._lanes)

    def run(
        self,
        queries: Mapping[str, str],
        *,
        lacking: Lacking = MappingProxyType({}),
        **options: Unpack[Options],
    ) -> Run:
        """As ``Index.run``."""
        asked = self._requests(queries, options, lacking)
        return {id: ranking(self.snapshot, request, self._lanes) for id, request in asked}

    def suggest(self, query: str, *, filter: Mapping[str, Any] | None = None) -> Suggestion | None:
        """As ``Index.suggest``."""
        text, where, _ = self.asker.typing(query, filter)
        return suggest(self.snapshot, text, self.snapshot.allowed(where))

    def autocomplete(
        self, text: str, *, limit: int = 10, filter: Mapping[str, Any] | None = None
    ) -> list[str]:
        """As ``Index.autocomplete``."""
        typed, where, most = self.asker.typing(text, filter, limit)
        return autocomplete(self.snapshot, typed, most, self.snapshot.allowed(where))

    # -- judging and learning

    def run_profiles(
        self,
        queries: Mapping[str, str],
        profiles: Sequence[Profile],
        *,
        k: int,
        lacking: Lacking = MappingProxyType({}),
        silent: Mapping[str, Collection[int]] = MappingProxyType({}),
        adapters: Mapping[str, Adapter] = MappingProxyType({}),
    ) -> list[Run]:
        """What ``run`` would answer under each of ``profiles``; the legs are asked once for all that share
        a title boost and an adapter. The past queries with the numbers that ``silent`` names for a query do
        not vote on it, nor do those of its own text, which would be its judgments. ``adapters``: by the id
        that profiles call them, those that the index does not store."""
        runs: list[Run] = [{} for _ in profiles]
        served = [self._served(profile, adapters) for profile in profiles]
        for id, request in self._requests(queries, {"k": k}, lacking):
            asked = replace(request, silent=self._unheard(queries[id], silent.get(id, ())))
            found = rankings(self.snapshot, asked, served, self._lanes)
            for run, one in zip(runs, found, strict=True):
                run[id] = one
        return runs

    def reranked(
        self,
        queries: Mapping[str, str],
        *,
        k: int,
        reranker: Reranker,
        lacking: Lacking = MappingProxyType({}),
        silent: Mapping[str, Collection[int]] = MappingProxyType({}),
    ) -> Run:
        """What ``run`` would answer with ``reranker``. ``silent``: as for ``run_profiles``."""
        found = {}
        for id, request in self._requests(queries, {"k": k, "reranker": reranker}, lacking):
            asked = replace(request, silent=self._unheard(queries[id], silent.get(id, ())))
            found[id] = ranking(self.snapshot, asked, self._lanes)
        return found

    def _served(self, profile: Profile, adapters: Mapping[str, Adapter]) -> Served:
        adapter = adapters.get(profile.adapter or "") or self._models.adapter(self.snapshot, profile)
        return Served(profile, self._models.reranker(self.snapshot, profile), adapter)

    def _unheard(self, query: str, silent: Iterable[int] = ()) -> frozenset[int]:
        return frozenset(silent).union(self.snapshot.tables.past.asking(query))

    def remembered(self, queries: Iterable[str]) -> list[str]:
        """Those of some texts that are past queries, word for word, where the serving profile lets these
        vote: so they vote for their own answers."""
        if self.profiles.serving.voting is None:
            return []
        return [query for query in queries if self.snapshot.tables.past.asking(query)]

    def past(self) -> Iterator[Kept]:
        """The past queries, oldest first."""
        return self.snapshot.past()

    def candidates(
        self,
        queries: Mapping[str, str],
        wanted: Sequence[str],
        *,
        lacking: Lacking = MappingProxyType({}),
        silent: Mapping[str, Collection[int]] = MappingProxyType({}),
    ) -> Iterator[tuple[str, list[str], Features]]:
        """What a reranker that has ``wanted`` as its features is given for each of ``queries``: the query's
        id, the candidates' ids, and their features (see `hybrid.search.features`). They stand in the order
        of ties, so that equals among any new scores already do. ``silent``: as for ``run_profiles``."""
        for id, request in self._requests(queries, {}, lacking):
            asked = replace(request, silent=self._unheard(queries[id], silent.get(id, ())))
            search = Search.of(self.snapshot, asked, self._lanes)
            head = search.head[search.head.ordinals.argsort()]
            ordinals = search.pool.named(head).ordinals
            yield id, self.snapshot.ids(ordinals), search.known(head, wanted)

    def among(
        self, queries: Mapping[str, str], documents: Mapping[str, Iterable[str]]
    ) -> dict[str, list[Hit]]:
        """How near the encoder finds some ``documents`` (query id -> their ids) to each of ``queries``
        (query id -> text), whatever their rank: all that there are and have vectors, nearest first, as
        mode "vector" scores them. QueryError for an index without encoder."""
        asked = self._requests(queries, {"mode": "vector"})
        return {id: self._among(request, documents.get(id, ())) for id, request in asked}

    def _among(self, request: Request, ids: Iterable[str]) -> list[Hit]:
        snapshot, vectors = self.snapshot, self.snapshot.vectors
        ordinals = snapshot.places(map(check_lookup, ids))
        if request.vector is None or not len(ordinals) or not len(vectors.rows):
            return []
        scores, _ = vectors.nearest(request.vector, ordinals)
        has = ~np.isnan(scores)
        ranked = Candidates.ranked(ordinals[has], scores[has], ties=snapshot.ties)
        passages = best_passages(snapshot, [], request.vector, ranked.ordinals)
        documents = snapshot.documents(ranked.ordinals.tolist())
        found = zip(documents, ranked.scores.tolist(), passages, strict=True)
        return [
            Hit(document.id, score, rank, document, own)
            for rank, (document, score, own) in enumerate(found, start=1)
        ]

    def signals(
        self, queries: Mapping[str, str], mode: Mode, lacking: Lacking
    ) -> Iterator[tuple[str, list[str], Signals]]:
        """What a calibration knows of the first ten hits of each of ``queries``: the query's id, the hits'
        ids, and their `hybrid.rerank.calibration.signals`; as if the index lacked the documents that
        ``lacking`` names for the query, and no past query of its own text voted."""
        for id, request in self._requests(queries, {"mode": mode}, lacking):
            asked = replace(request, silent=self._unheard(queries[id]))
            search = Search.of(self.snapshot, asked, self._lanes)
            ordinals = search.ranked.top(request.k).ordinals
            yield id, self.snapshot.ids(ordinals), search.signals(ordinals)

    # -- requests

    @step
    def asker(self) -> Asker:
        """Checks what callers pass, against this index and the profile that serves."""
        snapshot, profile = self.snapshot, self.profiles.serving
        reranker = self._models.reranker(self.snapshot, profile)
        calibration = self._models.calibration(self.snapshot, profile)
        adapter = self._models.adapter(self.snapshot, profile)
        of_index = snapshot.settings.metric, snapshot.ledger.dim
        return Asker(*of_index, profile, reranker, calibration, adapter)

    @property
    def query_vectors(self) -> QueryCache | None:
        """Encodes queries; None for an index without encoder."""
        return self._model.queries()

    def encoder_vectors(self, texts: Sequence[str]) -> Matrix:
        """The encoder's own vectors of some queries, brought to the index's metric, which no adapter has
        moved: float32 (n, dim). Raises QueryError for an index that has no encoder or no vectors,
        EncoderError."""
        made = None if self.snapshot.settings.encoder is None else self._encode(texts)
        if made is None:
            raise QueryError("the index has no encoder, or no vectors that it could compare a query with")
        return np.array([self.asker.unit(vector) for vector in made], np.float32).reshape(len(texts), -1)

    def encoded(self, requests: Sequence[Request]) -> list[Request]:
        """The requests with their query vectors filled in."""
        has = self.snapshot.settings.encoder is not None
        found = self.asker.encoded(requests, self._encode if has else None)
        if has and found and found[0].sentences:
            return [replace(request, encode=self._documents) for request in found]
        return found

    def _documents(self, texts: Sequence[str]) -> Matrix:
        encoder = self._model.encoder()
        assert encoder is not None  # the index has one
        return checked(encoder, encoder.documents, texts)

    def _encode(self, texts: Sequence[str]) -> Iterable[Scores] | None:
        cache = self.query_vectors if self.snapshot.vectors.dim else None
        return None if cache is None else cache.vectors(texts)

    def _request(self, query: str | Query | None, vector: ArrayLike | None, options: Options) -> Request:
        return self.encoded([self.asker.one(query, vector, options)])[0]

    def _requests(
        self, queries: Mapping[str, str], options: Options, lacking: Lacking = MappingProxyType({})
    ) -> Iterator[tuple[str, Request]]:
        """The queries of a run (query id -> text) as requests, encoded together. Judged queries are words:
        nobody typed an operator."""
        texts = check_queries(queries, options)
        requests = self.asker.many(list(texts.values()), None, {"syntax": "plain", **options})
        for id, request in zip(texts, self.encoded(requests), strict=True):
            yield id, replace(request, lacking=tuple(map(check_lookup, lacking.get(id, ()))))
