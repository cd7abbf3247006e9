"""Index: one directory of documents, searched by words, by meaning and by both. Wiring only."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self, Unpack

from numpy.typing import ArrayLike

from hybrid import analyzers, encoders
from hybrid.directory import Directory
from hybrid.documents import check_batch
from hybrid.embedding import Progress, embed
from hybrid.encoders import EncoderSpec
from hybrid.errors import (
    DocumentError,
    IndexClosed,
    IndexCorrupt,
    IndexReadOnly,
    QueryError,
    SettingsError,
    StorageError,
)
from hybrid.failpoints import reach
from hybrid.generation import Generation, Snapshot
from hybrid.ledger import Ledger
from hybrid.model import Model, reference_to
from hybrid.query import Lanes, answer, ranking
from hybrid.rebuild import rebuild
from hybrid.request import Asker, Options, Request
from hybrid.settings import METRICS, AnalyzerRef, Profile, Settings
from hybrid.stats import stats
from hybrid.types import Analyzer, Document, Encoder, Metric, Results, Run

DEFAULT_ENCODER: Final = "multilingual-e5-small"


class Index:
    """A searchable directory. Make one with ``Index.create`` or open one with ``Index.open``.

    One writer at a time, in this process or any other; any number of readers, which see each commit with
    their next search. All methods may be called from several threads. Usable as a context manager.
    """

    def __init__(
        self, directory: Directory, encoder: Encoder | None, analyzer: Analyzer | None, *, read_only: bool
    ) -> None:
        self._directory = directory
        self._read_only = read_only
        self._analyzer = analyzer
        self._lanes = Lanes()
        self._writing = threading.RLock()  # add, delete, compact: one at a time
        self._switching = threading.Lock()  # which generation counts
        self._pid = os.getpid()
        self._closed = False
        self._generation = self._open_generation()
        self._model = Model(directory.path, self._generation.settings.encoder, encoder)

    # -- making and opening

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        encoder: EncoderSpec | None = DEFAULT_ENCODER,
        analyzer: str | Analyzer = "mixed",
        metric: Metric = "cosine",
    ) -> Self:
        """Make an index at ``path`` and open it for writing; whole or not at all.

        ``encoder`` is a named model, a path, a name on the model hub, a callable ``list[str] -> array``, an
        ``Encoder``, or None for documents that bring their own vectors (the first one fixes the dimension).
        Raises IndexExists, SettingsError, ModelNotFound.
        """
        if metric not in METRICS:
            raise SettingsError(
                f"metric {metric!r} is not known; it is one of {', '.join(map(repr, METRICS))}"
            )
        model = None if encoder is None else encoders.load(encoder)
        words = analyzers.by_name(analyzer) if isinstance(analyzer, str) else analyzer
        reference = None if encoder is None or model is None else reference_to(encoder, model)
        settings = Settings(metric=metric, analyzer=_analyzer_ref(words), encoder=reference)
        directory = Directory.create(path, lambda folder: Ledger.create(folder, settings, Profile()))
        directory.claim()
        return cls(directory, model, words, read_only=False)

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
        index = cls._open(path, analyzer, read_only=read_only)
        with _closing_on_error(index):
            index._generation.check_analyzer()
            if encoder is not None:
                index._model.take(encoder)
        return index

    @classmethod
    def _open(cls, path: str | os.PathLike[str], analyzer: Analyzer | None, *, read_only: bool) -> Self:
        directory = Directory(path)
        if read_only:
            return cls(directory, None, analyzer, read_only=True)
        directory.claim()
        try:
            directory.sweep()
            return cls(directory, None, analyzer, read_only=False)
        except BaseException:
            directory.release()
            raise

    def close(self) -> None:
        """Let go of everything; finishes and saves the graph. Again is harmless."""
        if self._closed or os.getpid() != self._pid:
            return
        with self._writing:
            self._closed = True
            self._lanes.close()
            self._generation.retire()
            self._directory.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hybrid.Index {str(self._directory.path)!r}{' closed' if self._closed else ''}>"

    # -- documents

    def add(self, documents: Iterable[Document], *, progress: Progress | None = None) -> int:
        """Add documents, each replacing the one of its id; returns how many. All of them or none.

        On return they are on disk for good and every later search finds them. Raises DocumentError
        (nothing written), EncoderError (nothing written), IndexReadOnly, StorageError.
        """
        self._check_writable()
        batch = check_batch(documents)
        generation = self._generation
        encoder = self._model.encoder() if any(document.vector is None for document in batch) else None
        rows = embed(batch, encoder, generation.settings.metric, generation.ledger.dim, progress)
        with self._writing:
            self._check_writable()
            if self._generation is not generation and self._generation.settings != generation.settings:
                raise StorageError(
                    f"{self._directory.path}: re-indexed in the meantime; add the documents again"
                )
            if len(rows) and (dim := self._generation.ledger.dim) not in (0, rows.vectors.shape[1]):
                raise DocumentError(
                    f"vectors of {rows.vectors.shape[1]} numbers; this index holds vectors of {dim}"
                )
            if batch:
                self._generation.commit(batch, rows)
        return len(batch)

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by id; unknown ids are ignored. Returns how many there were."""
        if isinstance(ids, str):
            raise DocumentError(f"delete takes a list of ids; write [{ids!r}]")
        self._check_writable()
        wanted = list(ids)
        if bad := next((id for id in wanted if not isinstance(id, str)), None):
            raise DocumentError(f"an id is a str, not a {type(bad).__name__}: {bad!r:.80}")
        with self._writing:
            self._check_writable()
            found = self._generation.ledger.living(wanted)
            if found:
                self._generation.commit([], deleted=found)
        return len(found)

    def get(self, id: str) -> Document | None:
        """The document of this id, or None."""
        with self._reading() as snapshot:
            found = snapshot.generation.ledger.living([id])
            return snapshot.documents([found[id]])[0] if id in found else None

    def __len__(self) -> int:
        with self._reading() as snapshot:
            return snapshot.size

    # -- searching

    def search(
        self, query: str | None = None, *, vector: ArrayLike | None = None, **options: Unpack[Options]
    ) -> Results:
        """Search by ``query``, by a ready-made ``vector`` (dim,), or by both (the vector then stands for
        the query's meaning). Without either leg's input ("hybrid" over an index without encoder, or a
        vector alone) the other leg answers. Raises QueryError, FilterError, EncoderError.

        k=10: how many hits. mode="hybrid": or "lexical", "vector". filter=None: a condition on metadata
        such as {"price": {"lt": 100}}. fusion=None: a value such as RRF(k=60), instead of the index's
        serving profile. depth=None: candidates of each leg, at least k. reranker=None: orders the fused.
        """
        start = time.perf_counter()
        with self._reading() as snapshot:
            request = self._asker(snapshot).one(query, vector, options)
            results = answer(snapshot, self._encoded(snapshot, [request])[0], self._lanes)
            return replace(results, took=time.perf_counter() - start)

    def search_many(
        self,
        queries: Sequence[str] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        """One answer for each of ``queries`` (or ``vectors``, or pairs of both), all from one snapshot; the
        queries are encoded together. Takes the options of ``search``."""
        with self._reading() as snapshot:
            requests = self._asker(snapshot).many(queries, vectors, options)
            return [answer(snapshot, request, self._lanes) for request in self._encoded(snapshot, requests)]

    def run(self, queries: Mapping[str, str], **options: Unpack[Options]) -> Run:
        """What ``search_many`` answers to ``queries`` (query id -> text), as a run: ids and scores without
        the documents. For evaluation. Takes the options of ``search``."""
        with self._reading() as snapshot:
            requests = self._asker(snapshot).many(list(queries.values()), None, options)
            encoded = self._encoded(snapshot, requests)
            return {id: ranking(snapshot, r, self._lanes) for id, r in zip(queries, encoded, strict=True)}

    def _asker(self, snapshot: Snapshot) -> Asker:
        generation = snapshot.generation
        return Asker(generation.settings.metric, generation.ledger.dim, generation.ledger.profile)

    def _encoded(self, snapshot: Snapshot, requests: Sequence[Request]) -> list[Request]:
        """The requests with their query vectors filled in."""
        texts = [r.text for r in requests if r.asks_meaning and r.vector is None and r.text is not None]
        if texts and requests[0].mode == "vector" and snapshot.generation.settings.encoder is None:
            raise QueryError(
                'mode "vector" needs vector=…: this index has no encoder to make one from the query'
            )
        if not texts or not len(snapshot.vectors.rows) or (cache := self._model.queries()) is None:
            return list(requests)
        vectors = iter(cache.vectors(texts))
        asker = self._asker(snapshot)
        return [
            replace(r, vector=asker.unit(next(vectors))) if r.asks_meaning and r.vector is None else r
            for r in requests
        ]

    # -- care

    def compact(self, *, progress: Progress | None = None) -> None:
        """Write the living documents anew and drop the rest: frees space, and makes BM25 statistics exact
        again (they count dead documents until then). Searches go on meanwhile, writes wait."""
        self._rebuild(self._generation.settings, self._generation.analyzer, progress=progress)

    def reindex(
        self,
        *,
        encoder: EncoderSpec | None = None,
        analyzer: str | Analyzer | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Build the index again from its own documents with another encoder or analyzer, and switch over at
        once. A change of encoder drops ready-made vectors: there is nothing to make them from."""
        settings, words = self._generation.settings, self._generation.analyzer
        if analyzer is not None:
            words = analyzers.by_name(analyzer) if isinstance(analyzer, str) else analyzer
            settings = settings.model_copy(update={"analyzer": _analyzer_ref(words)})
        model = None if encoder is None else encoders.load(encoder)
        if encoder is not None and model is not None:
            settings = settings.model_copy(update={"encoder": reference_to(encoder, model)})
        self._rebuild(settings, words, model, progress)

    def _rebuild(
        self,
        settings: Settings,
        words: Analyzer,
        model: Encoder | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._check_writable()
        with self._writing:
            self._check_writable()
            folder = self._directory.draft()
            make = (
                None if model is None else (lambda batch: embed(batch, model, settings.metric, 0, progress))
            )
            rebuild(self._generation, folder, settings, words, make, progress)
            reach("rebuild.filled")
            self._directory.switch(folder)
            reach("rebuild.switched")
            with self._switching:
                old, self._generation = self._generation, Generation(folder, words)
                if model is not None:
                    self._model = Model(self._directory.path, settings.encoder, model)
            old.retire()
            self._directory.sweep()

    def verify(self) -> list[str]:
        """Check ledger, legs and vectors against one another: a line for each thing wrong. Reads all."""
        with self._reading() as snapshot:
            return list(snapshot.generation.disagreements())

    def repair(self) -> None:
        """Build the lexical leg and the graph again from the ledger."""
        self._check_writable()
        with self._writing:
            self._generation.repair()

    def stats(self) -> dict[str, Any]:
        """Counts, sizes in bytes and identities, ready for JSON."""
        with self._reading() as snapshot:
            return {"path": str(self._directory.path), **stats(snapshot)}

    # -- inside

    def _open_generation(self) -> Generation:
        """The generation that counts. A reader may meet a switch on the way: then once more."""
        for _ in range(10):
            self._stamp = self._directory.stamp() if self._read_only else None
            try:
                return Generation(self._directory.current(), self._analyzer, read_only=self._read_only)
            except (StorageError, OSError):
                if self._stamp is None or self._directory.stamp() == self._stamp:
                    raise
        raise IndexCorrupt(f"{self._directory.path}: the current generation keeps changing; try again")

    @contextmanager
    def _reading(self) -> Iterator[Snapshot]:
        """The newest snapshot, whose generation stays open until the end of the block."""
        self._check_open()
        with self._switching:
            if self._read_only and self._directory.stamp() != self._stamp:
                self._generation.retire()
                self._generation = self._open_generation()
            generation = self._generation
            generation.hold()
        try:
            yield generation.refresh()
        finally:
            generation.release()

    def _check_open(self) -> None:
        if self._closed:
            raise IndexClosed(f"{self._directory.path}: this index is closed; open it again")
        if os.getpid() != self._pid:
            raise IndexClosed(
                f"{self._directory.path}: opened in another process, before a fork; open it in this one"
            )

    def _check_writable(self) -> None:
        self._check_open()
        if self._read_only:
            raise IndexReadOnly(
                f"{self._directory.path}: opened with read_only=True; open it without to change it"
            )


def reindex(
    path: str | os.PathLike[str],
    *,
    encoder: EncoderSpec | None = None,
    analyzer: str | Analyzer | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """``Index.reindex`` of a closed index, also of one whose analyzer this version no longer has: with
    neither encoder nor analyzer given, today's analyzer of the same name. Returns the new ``stats``."""
    with Index._open(path, None, read_only=False) as index:
        reference = index._generation.settings.analyzer
        same = analyzers.by_name(reference.name, reference.user_words)
        index.reindex(encoder=encoder, analyzer=analyzer or same, progress=progress)
        return index.stats()


def _analyzer_ref(analyzer: Analyzer) -> AnalyzerRef:
    name = analyzer.id.partition("-")[0]
    return AnalyzerRef(id=analyzer.id, name=name, user_words=tuple(getattr(analyzer, "user_words", ())))


@contextmanager
def _closing_on_error(index: Index) -> Iterator[None]:
    try:
        yield
    except BaseException:
        index.close()
        raise
