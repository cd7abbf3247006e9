"""Index: one directory of documents, searched by words, by meaning and by both. Wiring only."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeAlias, Unpack

import numpy as np
from numpy.typing import ArrayLike

from hybrid import analyzers, encoders
from hybrid import ann as families
from hybrid.ann import Family
from hybrid.context import Context
from hybrid.encoders import EncoderSpec
from hybrid.encoders import adapter as adapters
from hybrid.encoders.adapter import Adapter
from hybrid.encoders.bound import Model, reference_to
from hybrid.errors import SettingsError
from hybrid.intake.documents import check_batch
from hybrid.intake.embedding import embed
from hybrid.intake.loading import Prepared, load
from hybrid.intake.passages import cut
from hybrid.intake.patch import Patch
from hybrid.ledger.impressions import Impression
from hybrid.ledger.passages import Pieces
from hybrid.ledger.past import PastQuery, judged
from hybrid.ledger.rows import Rows
from hybrid.lexical.synonyms import check_rules
from hybrid.metadata.facets import VALUES, Extent, Facet, Wanted
from hybrid.metadata.filters import Ids
from hybrid.metadata.selection import Selection
from hybrid.metadata.sorting import Sort
from hybrid.norms import unit
from hybrid.query import Query
from hybrid.rerank import stored
from hybrid.rerank.calibration import Calibration
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.search import relevance
from hybrid.search.context import ContextOptions
from hybrid.search.cursors import Cursors
from hybrid.search.explain import Explanation
from hybrid.search.lanes import Lanes
from hybrid.search.models import Models
from hybrid.search.request import Options
from hybrid.search.searcher import Searcher
from hybrid.settings import AnalyzerRef, Profile, Profiles, Settings, check_metric, check_wait
from hybrid.store import backup
from hybrid.store.directory import Directory
from hybrid.store.editing import edit
from hybrid.store.generation import Generation
from hybrid.store.snapshot import Snapshot
from hybrid.store.stats import stats
from hybrid.store.store import Accept, Store
from hybrid.store.verify import disagreements, overdue, unsearchable
from hybrid.types import (
    Analyzer,
    Document,
    Encoder,
    Lacking,
    Metric,
    Progress,
    Qrels,
    Reranker,
    Results,
    Run,
    Suggestion,
    Wait,
)
from hybrid.vector.families import check

DEFAULT_ENCODER: Final = "multilingual-e5-small"

Judge: TypeAlias = Callable[[Searcher, Searcher], Mapping[str, Any] | None]
"""Asks an index as it serves and as it is built anew; returns the evidence to switch over, else None."""


class Index:
    """A searchable directory. Make one with ``Index.create`` or open one with ``Index.open``.

    One writer at a time, in this process or any other; any number of readers, which see each commit with
    their next search. All methods may be called from several threads. Usable as a context manager.
    """

    def __init__(self, store: Store, encoder: Encoder | None) -> None:
        self._store = store
        self._lanes, self._cursors = Lanes(), Cursors()
        reference = store.generation.settings.encoder
        self._models = Models()
        self._encoders = {reference: Model(store.path, reference, encoder)}

    # -- making and opening

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        encoder: EncoderSpec | None = DEFAULT_ENCODER,
        analyzer: str | Analyzer = "mixed",
        metric: Metric = "cosine",
        ann: Family | str = "hnsw",
    ) -> Self:
        """Make an index at ``path`` and open it for writing; whole or not at all.

        ``encoder`` is a named model, a path, a name on the model hub, a callable ``list[str] -> array``, an
        ``Encoder``, or None for documents that bring their own vectors (the first one fixes the dimension).
        ``ann``: the family of the vector index (`hybrid.ann`), as a value or a string such as "ivf_pq";
        scores are the same with each. Raises IndexExists, SettingsError, ModelNotFound, MissingExtra.
        """
        check_metric(metric)
        family = families.load(ann)
        check(family, metric)
        model = None if encoder is None else encoders.load(encoder)
        words = analyzers.load(analyzer)
        reference = None if encoder is None or model is None else reference_to(encoder, model)
        used = AnalyzerRef.of(words)
        settings = Settings(metric=metric, analyzer=used, encoder=reference, ann=family)
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
            _ = index._store.generation.analysis.analyzer  # or IndexMismatch
            if encoder is not None:
                index._model(index._store.generation.settings).take(encoder)
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
            generation.projection.stage()

    def _prepared(self, documents: Iterable[Document], progress: Progress | None) -> Prepared:
        batch, known = check_batch(documents), self._store.generation
        lacking = any(document.vector is None for document in batch)
        encoder = self._model(known.settings).encoder() if lacking else None
        pieces = [cut(document) for document in batch]
        rows = embed(batch, pieces, encoder, known.settings.metric, known.ledger.dim, progress)
        return Prepared(batch, rows, pieces, known.settings)

    def delete(
        self,
        ids: Iterable[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        everything: bool = False,
        wait: Wait = "searchable",
    ) -> int:
        """Delete documents by id, unknown ids are ignored, or all that pass ``filter``, or everything.
        Returns how many there were. ``wait`` as in ``add``. FilterError where it is not said which: for an
        empty filter, too."""
        check_wait(wait)
        self._store.check_writable()
        selection = Selection.of("delete", ids, filter, everything)
        with self._store.writing() as generation:
            found = self._selected(generation, selection)
            if found:
                generation.commit([], deleted=found, wait=wait)
            elif wait == "searchable":  # one of them may be dead and still be found
                generation.settle()
        return len(found)

    def _selected(self, generation: Generation, selection: Selection) -> Collection[str]:
        """The ids of the living documents that are selected, also of those that no search finds yet."""
        if isinstance(selection.where, Ids):
            return generation.ledger.living(selection.where.ids)
        generation.settle()
        snapshot = generation.snapshot
        return snapshot.ids(np.flatnonzero(snapshot.passing(selection.where)))

    def update_metadata(
        self,
        changes: Mapping[str, Any],
        *,
        ids: Iterable[str] | None = None,
        filter: Mapping[str, Any] | None = None,
        everything: bool = False,
    ) -> int:
        """Change the metadata of documents, named as in ``delete``; nothing is encoded again. ``changes``
        is a JSON Merge Patch: keys are set, inner objects changed key by key, and None takes a key away.
        Returns how many documents were named; all is searchable on return. A thousand documents at a time
        are changed whole or not at all: what an error interrupts is done up to there. Raises DocumentError,
        FilterError, IndexReadOnly, StorageError."""
        self._store.check_writable()
        selection, patch = Selection.of("update_metadata", ids, filter, everything), Patch.of(changes)
        with self._store.writing() as generation:
            return edit(generation, lambda snapshot: snapshot.passing(selection.where), patch)

    def get(self, id: str, *, fields: Sequence[str] | None = None) -> Document | None:
        """The document of this id, or None; ``fields`` as in ``search``."""
        with self.searcher() as searcher:
            return searcher.get(id, fields=fields)

    def absent(self, ids: Iterable[str]) -> set[str]:
        """Those of ``ids`` that no document has."""
        with self.searcher() as searcher:
            return searcher.absent(ids)

    def documents(
        self,
        filter: Mapping[str, Any] | None = None,
        *,
        sort: Sort | None = None,
        fields: Sequence[str] | None = None,
    ) -> Iterator[Document]:
        """All documents of one snapshot that pass ``filter``, sorted as ``search`` sorts, equal ones oldest
        first, with their vectors (n, dim) and passages; or with these ``fields`` alone."""
        with self.searcher() as searcher:
            yield from searcher.documents(filter, sort=sort, fields=fields)

    def __len__(self) -> int:
        with self._store.reading() as snapshot:
            return snapshot.size

    # -- counting

    def count(self, *, query: str | Query | None = None, filter: Mapping[str, Any] | None = None) -> int:
        """How many documents pass ``filter`` and contain a term of ``query``. Without a query it is what a
        hybrid search ranks: everything that passes the filter."""
        with self.searcher() as searcher:
            return searcher.count(query=query, filter=filter)

    def facets(
        self,
        wanted: Iterable[Wanted],
        *,
        query: str | Query | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> dict[str, Facet]:
        """How the documents that ``count`` counts divide by their metadata, exactly. ``wanted``: paths,
        ``Terms("brand", top=20)``, ``Ranges("price", (100, 500))``; by path. See `hybrid.facets`."""
        with self.searcher() as searcher:
            return searcher.facets(wanted, query=query, filter=filter)

    def values(
        self,
        path: str,
        *,
        query: str | Query | None = None,
        filter: Mapping[str, Any] | None = None,
        limit: int = VALUES,
    ) -> list[Any]:
        """The distinct values under ``path`` of the documents that ``count`` counts, the first ``limit``:
        booleans, numbers, instants, strings, each ascending."""
        with self.searcher() as searcher:
            return searcher.values(path, query=query, filter=filter, limit=limit)

    def range(
        self, path: str, *, query: str | Query | None = None, filter: Mapping[str, Any] | None = None
    ) -> Extent | None:
        """The least and the largest number under ``path`` of the documents that ``count`` counts; where
        there is no number, date; or None."""
        with self.searcher() as searcher:
            return searcher.range(path, query=query, filter=filter)

    # -- searching

    def search(
        self,
        query: str | Query | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """Search by ``query``, by a ready-made ``vector`` (dim,), or by both (the vector then stands for
        the query's meaning). Without either leg's input ("hybrid" over an index without encoder, or a
        vector alone) the other leg answers. Raises QueryError, FilterError, EncoderError.

        k=10: how many hits. offset=0: from which place on, for pages; neither changes the ranking.
        mode="hybrid": or "lexical", "vector". filter=None: a condition on metadata such as
        {"price": {"lt": 100}}. fusion=None: a value such as RRF(k=60), instead of the index's serving
        profile. depth=None: how many candidates of each leg are ranked together. reranker=None: orders the
        fused. min_score=None: of these k, only hits whose relevance is at least this, if the index is
        calibrated. sort=None: by metadata, "price", "-price" or a list of such keys. fields=None: what the
        hits' documents hold, such as ["title", "metadata.price"]. cursor=True: for ``next_page``.
        like=[], unlike=[]: ids of documents to move towards and away from, without a query too.
        syntax="auto": operators in the text count (`hybrid.query`), or "plain".
        `hybrid.search.request.Options` has the details.
        """
        start = time.perf_counter()
        with self.searcher() as searcher:
            results = searcher.search(query, vector=vector, **options)
            return replace(results, took=time.perf_counter() - start)

    def context(
        self,
        query: str | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[ContextOptions],
    ) -> Context:
        """Numbered passages to answer a question from, ready for a prompt: the best of the first k hits
        with their neighbours, merged where they touch, of whole sentences, without near-duplicates, within
        a budget of tokens. It has ``abstained`` where nothing is good enough.

        tokens=2000: the budget, which ``context.text`` never exceeds. per_document=3: how many passages of
        a document. neighbours=1: how many on each side are added. order="document" or "score".
        min_relevance=None: abstain below it, if the index is calibrated. count=None: the tokenizer of your
        model. k, mode, filter, fusion, depth, reranker as in ``search``. See
        `hybrid.search.context.ContextOptions`. Raises what ``search`` raises.
        """
        with self.searcher() as searcher:
            return searcher.context(query, vector=vector, **options)

    def next_page(self, cursor: str) -> Results:
        """The page after that whose ``results.cursor`` this is, of the search that was asked with
        ``cursor=True``. No hit comes twice and none is passed over, whatever is written meanwhile: the
        ranking stays that of the first page. Documents that were deleted since, or no longer pass the
        filter, are left out. Raises CursorExpired ten minutes after the last use, or if there are too many:
        see `hybrid.limits`."""
        with self.searcher() as searcher:
            return searcher.next_page(cursor)

    def explain(self, query: str | Query | None, id: str, **options: Unpack[Options]) -> Explanation:
        """Why the document ``id`` stands where ``search`` with the same arguments has it, on whichever
        page, or why it is not there."""
        with self.searcher() as searcher:
            return searcher.explain(query, id, **options)

    def search_many(
        self,
        queries: Sequence[str | Query] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        """One answer for each of ``queries`` (or ``vectors``, or pairs of both), all from one snapshot; the
        queries are encoded together. Takes the options of ``search``."""
        with self.searcher() as searcher:
            return searcher.search_many(queries, vectors=vectors, **options)

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
        with self.searcher() as searcher:
            return searcher.run(queries, lacking=lacking, **options)

    def suggest(self, query: str, *, filter: Mapping[str, Any] | None = None) -> Suggestion | None:
        """What may have been meant by ``query``: its words that no document among those passing ``filter``
        holds, or a hundredth of what hold another, replaced by words of these documents that are written
        or, in Chinese, read alike. None where there is nothing to correct. See `hybrid.suggest.corrections`
        for the rules. Nothing of a deleted document is suggested."""
        with self.searcher() as searcher:
            return searcher.suggest(query, filter=filter)

    def autocomplete(
        self, text: str, *, limit: int = 10, filter: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Up to ``limit`` queries that ``text`` may become: its last word completed from the documents that
        pass ``filter``, by letters, by characters, or by pinyin or its initials; most likely first."""
        with self.searcher() as searcher:
            return searcher.autocomplete(text, limit=limit, filter=filter)

    @contextmanager
    def searcher(self) -> Iterator[Searcher]:
        """The index as it is now, to be asked any number of times while it may change, also by judging and
        learning: ``with index.searcher() as searcher: …``."""
        with self._store.reading() as snapshot:
            yield self._searcher(snapshot, self._model(snapshot.settings))

    def _searcher(self, snapshot: Snapshot, model: Model) -> Searcher:
        return Searcher(snapshot, model, self._models, self._lanes, self._cursors)

    def _model(self, settings: Settings) -> Model:
        """The encoder that ``settings`` name. (A reader may find that the writer has re-indexed.)"""
        reference = settings.encoder
        if reference not in self._encoders:
            self._encoders = {reference: Model(self._store.path, reference)}
        return self._encoders[reference]

    # -- ranking

    @property
    def profiles(self) -> Profiles:
        """The profiles that this index has served with, and the one that serves now."""
        with self._store.reading() as snapshot:
            return snapshot.profiles

    def install(self, profile: Profile, evidence: Mapping[str, Any] | None = None) -> int:
        """Serve with ``profile`` from the next search on; returns its number. ``evidence``, a JSON object,
        is kept with it. Raises SettingsError, QueryError where its fusion is none that can be stored."""
        profile.fuse()
        return self._serve(lambda known: known.with_new(profile, evidence or {}))

    def use(self, number: int) -> int:
        """Serve with an earlier profile again. Raises SettingsError if there is no such profile."""
        return self._serve(lambda known: known.using(number))

    def keep_model(self, model: Reranker) -> str:
        """Store a reranker, so that a profile can name it as its ``reranker``; returns its id. For a
        LambdaMART the index keeps the terms of all documents at hand from now on. Of a cross-encoder only
        the model's name is stored: ``pinned`` keeps other weights from serving under it."""
        body = json.dumps(stored.dump(model))
        with self._store.writing() as generation:
            if isinstance(model, LambdaMART):
                generation.keep_forward()
            return generation.tables.keep_model(body)

    def keep_calibration(self, calibration: Calibration) -> str:
        """Store what was fitted on this index as it ranks now, so that a profile can name it as its
        ``calibration``; returns its id. With another encoder, analyzer or title boost it will not count."""
        with self._store.writing() as generation:
            serving = generation.ledger.profiles.serving
            return generation.tables.keep_model(relevance.dump(calibration, generation.settings, serving))

    def keep_adapter(self, adapter: Adapter) -> str:
        """Store an adapter of this index's query vectors, so that a profile can name it as its ``adapter``;
        returns its id. With another encoder it will not count. Raises SettingsError for an index whose
        queries it does not fit."""
        with self._store.writing() as generation:
            settings = generation.settings
            if settings.encoder is None or settings.metric != "cosine":
                raise SettingsError("adapters need an index with an encoder, and the metric cosine")
            if (dim := generation.ledger.dim) not in (0, adapter.dim):
                raise SettingsError(f"an adapter of {adapter.dim} numbers; vectors here have {dim}")
            return generation.tables.keep_model(adapters.dump(adapter, settings.encoder.id))

    def set_synonyms(self, rules: Iterable[str]) -> int:
        """Have the keyword leg look for synonyms, too, from the next search on; nothing is indexed anew.
        ``rules``: lines such as "notebook, laptop" (each finds the others) and "tv => television" (one
        way), which take the place of those before; none for no synonyms. They are kept in the ledger.
        Returns how many rules there are. Raises SettingsError; see `hybrid.lexical.synonyms`."""
        kept = check_rules(rules)
        with self._store.writing() as generation:
            id = generation.tables.keep_model(json.dumps(kept)) if kept else None
            generation.ledger.use_list("synonyms", id)
        return len(kept)

    @property
    def synonyms(self) -> list[str]:
        """The rules that ``set_synonyms`` was given last."""
        with self._store.reading() as snapshot:
            return snapshot.analysis.synonyms

    def set_user_words(self, lines: Iterable[str]) -> int:
        """Have the analyzer know other words: those of ``lines`` in jieba's format, ``word [frequency]
        [tag]``, take the place of those before. Queries have them at once: a word that the documents were
        not analysed with is looked for as a phrase, until ``reindex`` analyses them again; ``verify`` says
        that it is due. Returns how many there are. Raises SettingsError, also for an analyzer that takes
        none."""
        with self._store.writing() as generation:
            built = generation.settings.analyzer
            words = built.with_words(lines).user_words
            same = words == built.user_words
            id = None if same else generation.tables.keep_model(json.dumps(words))
            generation.ledger.use_list("user_words", id)
        return len(words)

    @property
    def user_words(self) -> list[str]:
        """The lines that ``set_user_words`` was given last, or that the index was created with."""
        with self._store.reading() as snapshot:
            return [*snapshot.analysis.wanted.user_words]

    def _serve(self, change: Callable[[Profiles], Profiles]) -> int:
        with self._store.writing() as generation:
            profiles = change(generation.ledger.profiles)
            generation.ledger.install(profiles)
        return profiles.serves

    def feedback(
        self,
        query: str,
        shown: Sequence[str],
        clicked: Iterable[str] = (),
        *,
        first: int = 1,
        user: str = "",
    ) -> None:
        """Log that ``query`` was shown the documents ``shown``, by id, from rank ``first`` on, and which of
        them were clicked, by which ``user`` if that is known; with the profile that serves and the time. It
        lies in the ledger, durably. Raises InputError for what cannot be; see
        `hybrid.ledger.impressions`."""
        with self._store.writing() as generation:
            profile = generation.ledger.profiles.serves
            made = Impression(query, tuple(shown), frozenset(clicked), profile, time.time(), first, user)
            generation.tables.log([made.to_json()])

    def log(self, impressions: Iterable[Impression]) -> None:
        """Append what another program recorded, a web server say: all of it or, where the iterable raises,
        nothing. SettingsError for a profile that there is not."""
        with self._store.writing() as generation:
            profiles = generation.ledger.profiles
            generation.tables.log(_record(one, profiles) for one in impressions)

    def impressions(self) -> Iterator[Impression]:
        """The impressions that ``feedback`` and ``log`` recorded, oldest first."""
        with self._store.reading() as snapshot:
            yield from map(Impression.from_json, snapshot.tables.logged())

    def learn(self, queries: Mapping[str, str], qrels: Qrels) -> int:
        """Keep judged ``queries`` (query id -> text) with the documents that ``qrels`` grade above 0, as
        past queries whose answers are known; returns how many have any. They lie in the ledger, durably,
        with their vectors. A text that was judged before is replaced. All of them or none. Raises
        InputError, EncoderError, IndexReadOnly, StorageError."""
        return self.keep_past_queries(judged(queries, qrels, time.time()))

    def keep_past_queries(self, past: Iterable[PastQuery], *, since: float = 0.0) -> int:
        """Keep past queries, each in place of one of the same text, user and origin; those from before
        ``since``, in seconds since the epoch, go. Returns how many were given. Raises what ``learn``
        raises."""
        self._store.check_writable()
        known = list(past)
        settings = self._store.generation.settings
        cache = self._model(settings).queries()
        vectors = None if cache is None else list(unit(cache.vectors([past.query for past in known])))
        with self._store.writing() as generation:
            if vectors is None or generation.settings.encoder != settings.encoder:
                vectors = [None] * len(known)
            generation.commit([], also=generation.tables.past.learns(known, vectors, since=since))
        return len(known)

    def _encode_past(self) -> None:
        """Encode the past queries that another encoder had encoded."""
        with self._store.writing() as generation:
            cache = self._model(generation.settings).queries()
            table = generation.tables.past
            bare = [one.past for one in table.at(generation.ledger.seq) if one.vector is None]
            if cache is not None and bare:
                vectors = list(unit(cache.vectors([one.query for one in bare])))
                generation.commit([], also=table.learns(bare, vectors))

    def forget(
        self, *, query: str | None = None, user: str | None = None, before: float | None = None
    ) -> int:
        """Forget the past queries that meet every condition given: of this text, of this user, from before
        this time, in seconds since the epoch; returns how many there were. Impressions that meet the
        conditions leave the log. ``compact`` then leaves no byte of them. Raises InputError without a
        condition, IndexReadOnly, StorageError."""
        with self._store.writing() as generation:
            past, seq = generation.tables.past, generation.ledger.seq
            generation.commit([], also=past.forgets(query=query, user=user, before=before))
            return past.count(seq) - past.count(generation.ledger.seq)

    def past_queries(self) -> Iterator[PastQuery]:
        """The past queries that ``learn`` kept, oldest first."""
        with self._store.reading() as snapshot:
            yield from (kept.past for kept in snapshot.past())

    # -- care

    def flush(self) -> None:
        """Return once every later search finds all that was written so far, also with ``wait="durable"``.
        Raises StorageError where the disk does not let it; what was written is safe all the same."""
        with self._store.writing() as generation:
            generation.settle()

    def finish_graph(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Wait until the graph holds every vector, or until ``stop``, which is asked ten times a second,
        returns True. Searches are as exact before, and slower."""
        with self._store.holding() as generation:
            generation.vector.settle(stop)

    def compact(self, *, progress: Progress | None = None) -> None:
        """Write the living documents anew and drop the rest: frees space, leaves no byte of what was
        deleted, and makes BM25 statistics exact again (they count dead documents until then). Searches go
        on meanwhile, writes wait. Runs by itself, beside writes, when a third is dead."""
        generation = self._store.generation
        self._store.rebuild(generation.settings, generation.analysis.analyzer, progress=progress)

    def backup(self, to: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """Copy the index as of now to the new directory ``to``, also while a writer is at work: whole or
        not at all. The copy is an index like any other. Raises IndexExists, StorageError."""
        backup.copy(self._store, to, progress)

    def verify(self) -> list[str]:
        """Check ledger, legs and vectors against one another: a line for each thing wrong, and for what no
        search finds. Reads all."""
        with self._store.holding() as generation:
            return [*disagreements(generation), *unsearchable(generation.snapshot), *overdue(generation)]

    def repair(self) -> None:
        """Build the lexical leg and the graph again from the ledger."""
        with self._store.writing() as generation:
            generation.repair()

    def stats(self) -> dict[str, Any]:
        """Counts, sizes in bytes and identities, ready for JSON."""
        with self._store.holding() as generation:
            return {"path": str(self._store.path), **stats(generation)}

    def reindex(
        self,
        *,
        encoder: EncoderSpec | None = None,
        analyzer: str | Analyzer | None = None,
        ann: Family | str | None = None,
        accept: Judge | None = None,
        progress: Progress | None = None,
    ) -> bool:
        """Build the index again from its own documents with another encoder, analyzer or vector index
        (``ann``), and with the user words given since, and switch over at once. A change of encoder drops
        ready-made vectors: there is nothing to make them from.

        ``accept`` is given the index as it serves and the new one, and decides: the evidence that it
        returns is kept with the new one's profile, and None throws the new one away; so does an error.
        Searches go on meanwhile, writes of other threads wait. `hybrid.learn.replace` decides by judged
        queries. Returns whether the new one serves."""
        generation = self._store.generation
        settings, wanted = generation.settings, generation.analysis.wanted
        if analyzer is not None or wanted != settings.analyzer:
            words = analyzers.load(analyzer or wanted.make())
            settings = settings.model_copy(update={"analyzer": AnalyzerRef.of(words)})
        else:
            words = generation.analysis.analyzer
        if ann is not None:
            family = families.load(ann)
            check(family, settings.metric)
            settings = settings.model_copy(update={"ann": family})
        judge = None if accept is None else self._judge(accept)
        if encoder is None:
            return self._store.rebuild(settings, words, cut=cut, progress=progress, accept=judge)
        model = encoders.load(encoder)
        settings = settings.model_copy(update={"encoder": reference_to(encoder, model)})
        before = self._encoders
        self._encoders = {**before, settings.encoder: Model(self._store.path, settings.encoder, model)}
        switched = self._store.rebuild(
            settings,
            words,
            lambda batch, pieces: embed(batch, pieces, model, settings.metric, 0, progress),
            cut,
            accept=judge,
        )
        if not switched:
            self._encoders = before
            return False
        self._encoders = {settings.encoder: self._encoders[settings.encoder]}
        self._encode_past()
        return True

    def _judge(self, accept: Judge) -> Accept:
        """Have ``accept`` ask what serves and a new generation. Raises IndexMismatch and EncoderError, now,
        where the first cannot be asked."""
        serving = self._model(self._store.generation.settings)
        _ = self._store.generation.analysis.analyzer, serving.encoder()

        def judge(new: Generation) -> Mapping[str, Any] | None:
            with self._store.reading() as snapshot:
                model = self._model(new.settings)
                return accept(self._searcher(snapshot, serving), self._searcher(new.snapshot, model))

        return judge


def _fitting(batch: Prepared, generation: Generation) -> tuple[list[Document], Rows, Sequence[Pieces]]:
    return batch.fit(generation.settings, generation.ledger.dim, generation.home)


def _record(impression: Impression, profiles: Profiles) -> str:
    _ = profiles[impression.profile]
    return impression.to_json()


def reindex(
    path: str | os.PathLike[str],
    *,
    encoder: EncoderSpec | None = None,
    analyzer: str | Analyzer | None = None,
    ann: Family | str | None = None,
    accept: Judge | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """``Index.reindex`` of a closed index, also of one whose analyzer this version no longer has: with
    neither encoder nor analyzer given, today's analyzer of the same name. Returns the new ``stats``."""
    with Index(Store.open(path), None) as index:
        generation = index._store.generation
        words = analyzer or generation.analysis.wanted.make()
        asked = (encoder, analyzer, ann, accept) != (None, None, None, None)
        if asked or not generation.reanalysed:
            index.reindex(
                encoder=encoder,
                analyzer=words,
                ann=ann,
                accept=accept,
                progress=progress,
            )
        return index.stats()
