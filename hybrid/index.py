"""Index: one directory of documents, searched by words, by meaning and by both. Wiring only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, Unpack

from numpy.typing import ArrayLike

from hybrid import analyzers, encoders
from hybrid.care import Care
from hybrid.encoders import EncoderSpec
from hybrid.encoders.bound import Model, reference_to
from hybrid.errors import QueryError
from hybrid.intake.documents import check_batch
from hybrid.intake.embedding import embed
from hybrid.intake.loading import Prepared, load
from hybrid.ledger.rows import Rows
from hybrid.rerank import Features
from hybrid.rerank.calibration import Columns
from hybrid.search.batch import answer_all
from hybrid.search.explain import Explanation, explain
from hybrid.search.legs import Legs, legs
from hybrid.search.request import Asker, Options, Request, check_queries
from hybrid.search.search import Lanes, answer, candidates, first_hits, ranking, rankings
from hybrid.search.searcher import among
from hybrid.settings import AnalyzerRef, Precision, Profile, Profiles, Settings, check_metric, check_wait
from hybrid.store.directory import Directory
from hybrid.store.generation import Generation, Snapshot
from hybrid.store.store import Store
from hybrid.texts import check_lookup, check_lookups
from hybrid.types import (
    Analyzer,
    Document,
    Encoder,
    Hit,
    Lacking,
    Metric,
    Mode,
    Progress,
    Results,
    Run,
    Wait,
)
from hybrid.vector.hnsw import check_precision

DEFAULT_ENCODER: Final = "multilingual-e5-small"


class Index(Care):
    """A searchable directory. Make one with ``Index.create`` or open one with ``Index.open``.

    One writer at a time, in this process or any other; any number of readers, which see each commit with
    their next search. All methods may be called from several threads. Usable as a context manager.
    """

    def __init__(self, store: Store, encoder: Encoder | None) -> None:
        super().__init__(store)
        self._lanes = Lanes()
        reference = store.generation.settings.encoder
        self._models = {reference: Model(store.path, reference, encoder)}

    # -- making and opening

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        encoder: EncoderSpec | None = DEFAULT_ENCODER,
        analyzer: str | Analyzer = "mixed",
        metric: Metric = "cosine",
        graph_precision: Precision = "float32",
    ) -> Self:
        """Make an index at ``path`` and open it for writing; whole or not at all.

        ``encoder`` is a named model, a path, a name on the model hub, a callable ``list[str] -> array``, an
        ``Encoder``, or None for documents that bring their own vectors (the first one fixes the dimension).
        ``graph_precision``: "float16" and "int8" halve or quarter the graph's vectors in memory; scores are
        those of float32. Raises IndexExists, SettingsError, ModelNotFound, MissingExtra.
        """
        check_metric(metric)
        check_precision(graph_precision, metric)
        model = None if encoder is None else encoders.load(encoder)
        words = analyzers.load(analyzer)
        reference = None if encoder is None or model is None else reference_to(encoder, model)
        used = AnalyzerRef.of(words)
        settings = Settings(
            metric=metric, analyzer=used, encoder=reference, graph_precision=graph_precision
        )
        profiles = Profiles.first(Profile())
        made = Directory.create(path, lambda folder: Generation.create(folder, settings, profiles))
        return cls(Store(made, words, read_only=False), model)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        encoder: EncoderSpec | None = None,
        analyzer: Analyzer | None = None,
        read_only: bool = False,
    ) -> Self:
        """Open the index at ``path``, as its writer or with ``read_only=True`` as one of its readers.

        ``encoder`` and ``analyzer`` need to be given only where the index cannot name them (a callable, an
        analyzer of your own). Raises IndexNotFound, IndexLocked, IndexMismatch, FormatTooNew, IndexCorrupt.
        """
        words = None if analyzer is None else analyzers.load(analyzer)
        index = cls(Store.open(path, words, read_only=read_only), None)
        try:
            index._store.generation.check_analyzer()
            if encoder is not None:
                index._model(index._store.generation).take(encoder)
        except BaseException:
            index._close(finish=False)
            raise
        return index

    def close(self) -> None:
        """Let go of everything; finishes and saves the graph. Again is harmless."""
        self._close(finish=True)

    def _close(self, finish: bool) -> None:
        self._store.close(finish)
        self._lanes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close(finish=error is None)

    def __repr__(self) -> str:
        return f"<hybrid.Index {str(self._store.path)!r}{' closed' if self._store.closed else ''}>"

    # -- documents

    def add(
        self,
        documents: Iterable[Document],
        *,
        wait: Wait = "searchable",
        progress: Progress | None = None,
    ) -> int:
        """Add documents, each replacing the one of its id; returns how many. All of them or none.

        On return they are on disk for good and every later search finds them. With ``wait="durable"`` they
        are on disk for good, and searches (and ``get``) find them within some 0.2 s, or when another write
        without it, ``flush`` or ``close`` has returned: many times faster for documents that come one by
        one. Raises DocumentError (nothing written), EncoderError (nothing written), IndexReadOnly,
        StorageError.
        """
        check_wait(wait)
        self._store.check_writable()
        batch = self._prepared(documents, progress)
        with self._store.writing() as generation:
            if batch.documents:
                generation.commit(*_fitting(batch, generation), wait=wait)
        return len(batch.documents)

    def load(self, documents: Iterable[Document], *, progress: Progress | None = None) -> int:
        """Add a long stream of documents, each replacing the one of its id; returns how many.

        Like ``add`` of a thousand at a time, but faster, above all with an encoder, and searches are faster
        afterwards: the keyword index is written in few large pieces. Some documents are found before; on
        return all are. What was read before an error stays added. Raises what ``add`` raises.
        """
        self._store.check_writable()
        try:
            return load(documents, lambda batch: self._prepared(batch, progress), self._put)
        finally:
            self.flush()

    def _put(self, batch: Prepared) -> None:
        with self._store.writing(follow=False) as generation:
            generation.commit(*_fitting(batch, generation), wait="durable")
            generation.stage()

    def _prepared(self, documents: Iterable[Document], progress: Progress | None) -> Prepared:
        batch, known = check_batch(documents), self._store.generation
        encoder = (
            self._model(known).encoder() if any(document.vector is None for document in batch) else None
        )
        rows = embed(batch, encoder, known.settings.metric, known.ledger.dim, progress)
        return Prepared(batch, rows, known.settings)

    def delete(self, ids: Iterable[str], *, wait: Wait = "searchable") -> int:
        """Delete documents by id; unknown ids are ignored. Returns how many there were. ``wait`` as in
        ``add``."""
        check_wait(wait)
        self._store.check_writable()
        wanted = check_lookups(ids)
        with self._store.writing() as generation:
            if found := generation.ledger.living(wanted):
                generation.commit([], deleted=found, wait=wait)
            elif wait == "searchable":  # one of them may be dead and still be found
                generation.settle()
        return len(found)

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        wanted = check_lookup(id)
        with self._store.reading() as snapshot:
            ordinal = snapshot.generation.ledger.find(wanted, snapshot.count, snapshot.seq)
            return None if ordinal is None else snapshot.documents([ordinal])[0]

    def absent(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that no document has."""
        exact = {id: check_lookup(id) for id in ids}
        with self._store.reading() as snapshot:
            there = snapshot.generation.ledger.living(set(exact.values()))
        return {id for id, looked_up in exact.items() if looked_up not in there}

    def __len__(self) -> int:
        with self._store.reading() as snapshot:
            return snapshot.size

    @property
    def legs(self) -> Legs:
        """Which legs can answer a query of text, and why another cannot."""
        with self._store.reading() as snapshot:
            return legs(snapshot)

    # -- searching

    def search(
        self, query: str | None = None, *, vector: ArrayLike | None = None, **options: Unpack[Options]
    ) -> Results:
        """Search by ``query``, by a ready-made ``vector`` (dim,), or by both (the vector then stands for
        the query's meaning). Without either leg's input ("hybrid" over an index without encoder, or a
        vector alone) the other leg answers. Raises QueryError, FilterError, EncoderError.

        k=10: how many hits. offset=0: from which place on, for pages; neither changes the ranking.
        mode="hybrid": or "lexical", "vector". filter=None: a condition on metadata such as
        {"price": {"lt": 100}}. fusion=None: a value such as RRF(k=60), instead of the index's serving
        profile. depth=None: how many candidates of each leg are ranked together. reranker=None: orders the
        fused. min_score=None: of these k, only hits whose relevance is at least this, if the index is
        calibrated. `hybrid.search.request.Options` has the details.
        """
        start = time.perf_counter()
        with self._store.reading() as snapshot:
            request = self._asker(snapshot).one(query, vector, options)
            results = answer(snapshot, self._encoded(snapshot, [request])[0], self._lanes)
            return replace(results, took=time.perf_counter() - start)

    def explain(self, query: str, id: str, **options: Unpack[Options]) -> Explanation:
        """Why the document ``id`` stands where ``search`` with the same arguments has it, on whichever
        page, or why it is not there."""
        with self._store.reading() as snapshot:
            request = self._asker(snapshot).one(query, None, options)
            return explain(snapshot, self._encoded(snapshot, [request])[0], self._lanes, check_lookup(id))

    def search_many(
        self,
        queries: Sequence[str] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        """One answer for each of ``queries`` (or ``vectors``, or pairs of both), all from one snapshot; the
        queries are encoded together. Takes the options of ``search``."""
        with self._store.reading() as snapshot:
            requests = self._asker(snapshot).many(queries, vectors, options)
            return answer_all(snapshot, self._encoded(snapshot, requests), self._lanes)

    def run(
        self,
        queries: Mapping[str, str],
        *,
        lacking: Lacking = MappingProxyType({}),
        **options: Unpack[Options],
    ) -> Run:
        """What ``search_many`` answers to ``queries`` (query id -> text), as a run: ids and scores without
        the documents; as if the index lacked the documents that ``lacking`` names for the query. For
        evaluation. Takes the options of ``search``."""
        with self._store.reading() as snapshot:
            asked = self._requests(snapshot, queries, options, lacking)
            return {id: ranking(snapshot, request, self._lanes) for id, request in asked}

    def run_profiles(
        self,
        queries: Mapping[str, str],
        profiles: Sequence[Profile],
        *,
        k: int,
        lacking: Lacking = MappingProxyType({}),
    ) -> list[Run]:
        """What ``run`` would answer under each of ``profiles``, from one snapshot; the legs are asked once
        for all that share a title boost. For tuning."""
        runs: list[Run] = [{} for _ in profiles]
        with self._store.reading() as snapshot:
            served = [(profile, self._reranker(snapshot, profile)) for profile in profiles]
            for id, request in self._requests(snapshot, queries, {"k": k}, lacking):
                found = rankings(snapshot, request, served, self._lanes)
                for run, one in zip(runs, found, strict=True):
                    run[id] = one
        return runs

    def candidates(
        self,
        queries: Mapping[str, str],
        wanted: Sequence[str],
        *,
        lacking: Lacking = MappingProxyType({}),
    ) -> Iterator[tuple[str, list[str], Features]]:
        """What a reranker that has ``wanted`` as its features is given for each of ``queries``: the query's
        id, the candidates' ids, and their features (see `hybrid.search.features`). For training."""
        with self._store.reading() as snapshot:
            for id, request in self._requests(snapshot, queries, {}, lacking):
                head, known = candidates(snapshot, request, self._lanes, wanted)
                yield id, snapshot.generation.ledger.ids(head.ordinals.tolist()), known

    def among(
        self, queries: Mapping[str, str], documents: Mapping[str, Iterable[str]]
    ) -> dict[str, list[Hit]]:
        """How near the encoder finds some ``documents`` (query id -> their ids) to each of ``queries``
        (query id -> text), whatever their rank: all that there are and have vectors, nearest first, as
        mode "vector" scores them. QueryError for an index without encoder."""
        with self._store.reading() as snapshot:
            asked = self._requests(snapshot, queries, {"mode": "vector"})
            return {
                id: among(snapshot, request, map(check_lookup, documents.get(id, ())))
                for id, request in asked
            }

    def signals(
        self, queries: Mapping[str, str], mode: Mode, lacking: Lacking
    ) -> Iterator[tuple[str, list[str], Columns]]:
        """What a calibration knows of the first ten hits of each of ``queries``: the query's id, the hits'
        ids, and their `hybrid.rerank.calibration.signals`; as if the index lacked the documents that
        ``lacking`` names for the query. For calibration."""
        with self._store.reading() as snapshot:
            for id, request in self._requests(snapshot, queries, {"mode": mode}, lacking):
                yield id, *first_hits(snapshot, request, self._lanes)

    def _asker(self, snapshot: Snapshot) -> Asker:
        generation, profile = snapshot.generation, snapshot.generation.ledger.profiles.serving
        learned = self._reranker(snapshot, profile), self._calibration(snapshot, profile)
        return Asker(generation.settings.metric, generation.ledger.dim, profile, *learned)

    def _requests(
        self,
        snapshot: Snapshot,
        queries: Mapping[str, str],
        options: Options,
        lacking: Lacking = MappingProxyType({}),
    ) -> Iterator[tuple[str, Request]]:
        """The queries of a run (query id -> text) as requests, encoded together."""
        texts = check_queries(queries)
        requests = self._asker(snapshot).many(list(texts.values()), None, options)
        for id, request in zip(texts, self._encoded(snapshot, requests), strict=True):
            yield id, replace(request, lacking=tuple(map(check_lookup, lacking.get(id, ()))))

    def _encoded(self, snapshot: Snapshot, requests: Sequence[Request]) -> list[Request]:
        """The requests with their query vectors filled in."""
        texts = [r.text for r in requests if r.asks_meaning and r.vector is None and r.text is not None]
        if texts and requests[0].mode == "vector" and snapshot.generation.settings.encoder is None:
            raise QueryError(
                'mode "vector" needs vector=…: this index has no encoder to make one from the query'
            )
        if (
            not texts
            or not len(snapshot.vectors.rows)
            or (cache := self._model(snapshot.generation).queries()) is None
        ):
            return list(requests)
        vectors = iter(cache.vectors(texts))
        asker = self._asker(snapshot)
        return [
            replace(r, vector=asker.unit(next(vectors))) if r.asks_meaning and r.vector is None else r
            for r in requests
        ]

    def _model(self, generation: Generation) -> Model:
        """What encodes for this generation. (A reader may find that the writer has re-indexed.)"""
        reference = generation.settings.encoder
        if reference not in self._models:
            self._models = {reference: Model(self._store.path, reference)}
        return self._models[reference]

    # -- care

    def documents(self) -> Iterator[Document]:
        """All living documents of one snapshot, oldest first, with their vectors (n, dim) and passages."""
        with self._store.reading() as snapshot:
            yield from snapshot.everything()

    def reindex(
        self,
        *,
        encoder: EncoderSpec | None = None,
        analyzer: str | Analyzer | None = None,
        graph_precision: Precision | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Build the index again from its own documents with another encoder, analyzer or graph, and switch
        over at once. A change of encoder drops ready-made vectors: there is nothing to make them from."""
        generation = self._store.generation
        settings, words = generation.settings, generation.analyzer
        if analyzer is not None:
            words = analyzers.load(analyzer)
            settings = settings.model_copy(update={"analyzer": AnalyzerRef.of(words)})
        if graph_precision is not None:
            check_precision(graph_precision, settings.metric)
            settings = settings.model_copy(update={"graph_precision": graph_precision})
        if encoder is None:
            self._store.rebuild(settings, words, progress=progress)
            return
        model = encoders.load(encoder)
        settings = settings.model_copy(update={"encoder": reference_to(encoder, model)})
        self._models[settings.encoder] = Model(self._store.path, settings.encoder, model)
        self._store.rebuild(
            settings, words, lambda batch: embed(batch, model, settings.metric, 0, progress)
        )
        self._models = {settings.encoder: self._models[settings.encoder]}


def _fitting(batch: Prepared, generation: Generation) -> tuple[list[Document], Rows]:
    return batch.fit(generation.settings, generation.ledger.dim, generation.home)


def reindex(
    path: str | os.PathLike[str],
    *,
    encoder: EncoderSpec | None = None,
    analyzer: str | Analyzer | None = None,
    graph_precision: Precision | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """``Index.reindex`` of a closed index, also of one whose analyzer this version no longer has: with
    neither encoder nor analyzer given, today's analyzer of the same name. Returns the new ``stats``."""
    with Index(Store.open(path), None) as index:
        reference = index._store.generation.settings.analyzer
        words = analyzer or reference.make()
        asked = (encoder, analyzer, graph_precision) != (None, None, None)
        if asked or not index._store.generation.reanalysed:
            index.reindex(
                encoder=encoder, analyzer=words, graph_precision=graph_precision, progress=progress
            )
        return index.stats()
