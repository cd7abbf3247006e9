"""A new generation from an old one: the living documents, with dense ordinals and nothing of the dead.

Compaction keeps analyzer and encoder and copies the vectors; a re-index changes one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from hybrid.disk.failpoints import reach
from hybrid.disk.folder import Folder
from hybrid.ledger.ledger import LISTS
from hybrid.ledger.passages import Pieces, whole
from hybrid.ledger.rows import Rows
from hybrid.settings import Profiles, Settings
from hybrid.store.generation import Generation
from hybrid.store.snapshot import Snapshot
from hybrid.types import Analyzer, Document, Ordinals, Progress

_BATCH: Final = 1000

Embed = Callable[[Sequence[Document], Sequence[Pieces]], Rows]
Cut = Callable[[Document], Pieces]


class Rebuild:
    """Fills the empty ``folder`` from ``source``. ``embed`` makes new vectors; without it the old ones are
    copied. ``cut`` makes new passages of what gets new vectors or has none; without it the old ones are
    copied. A context manager: without ``close`` it is not whole, and of no use."""

    def __init__(
        self,
        source: Generation,
        folder: Folder,
        settings: Settings,
        analyzer: Analyzer,
        embed: Embed | None = None,
        cut: Cut | None = None,
    ) -> None:
        self.folder = folder
        self._source, self._embed, self._cut = source, embed, cut
        old = source.settings
        self._same_words = settings.analyzer == old.analyzer
        self._same = self._same_words and settings.encoder == old.encoder
        self._same_unit = settings.ann.name == old.ann.name
        self.uuid = Generation.create(folder, settings, self._profiles(), source.ledger.seq)
        self.target = Generation(folder.folder("."), analyzer)
        """The new generation; to be read, too, once it follows."""
        self.target.rebuilds = source
        source.tables.copy(self.target.tables)
        self._copied: Ordinals = np.empty(0, np.int64)
        self._seen = 0
        self._open = True

    def follow(self, snapshot: Snapshot, progress: Progress | None = None) -> None:
        """Bring the new generation up to a snapshot of the old one: the first, or a later one."""
        gone = self._copied[~snapshot.live[self._copied]]
        if len(gone):
            self.target.commit([], deleted=self._source.ledger.ids(gone.tolist()), after=snapshot.seq)
        live = np.flatnonzero(snapshot.live)
        fresh = live[live >= self._seen]
        for start in range(0, len(fresh), _BATCH):
            self._copy(snapshot, fresh[start : start + _BATCH], progress)
        self._copied, self._seen = live, snapshot.count
        self._source.tables.copy(self.target.tables)  # what was logged meanwhile
        if self.target.ledger.seq < snapshot.seq:  # after commits of no document that is here
            self.target.commit([], after=snapshot.seq - 1)
        self.target.settle()
        for name in LISTS if self._same_words else LISTS[:1]:
            if (id := self._source.ledger.listed(name)) != self.target.ledger.listed(name):
                self.target.ledger.use_list(name, id)
        if self._same and self._source.ledger.profiles != self._known:
            self.target.ledger.install(self._profiles())

    def serve(self, evidence: Mapping[str, Any]) -> None:
        """Keep ``evidence`` with the profile that the new generation is to serve with. After this it does
        not follow any more."""
        serving = self.target.ledger.profiles.serving
        self.target.ledger.install(self._source.ledger.profiles.with_new(serving, evidence))

    def _profiles(self) -> Profiles:
        """The profiles of the new generation, from what the old one has now."""
        self._known = self._source.ledger.profiles
        if not self._same:
            return self._known.with_default("re-indexed with another encoder or analyzer")
        if not self._same_unit:
            return self._known.with_default_effort("re-indexed with another family of vector index")
        return self._known

    def _copy(self, snapshot: Snapshot, ordinals: Ordinals, progress: Progress | None) -> None:
        documents = snapshot.documents(ordinals.tolist())
        pieces = self._pieces(snapshot, ordinals, documents)
        rows = self._embed(documents, pieces) if self._embed else copied(snapshot.vectors.rows, ordinals)
        self.target.commit(documents, rows, pieces, after=snapshot.seq, wait="durable")
        self.target.projection.stage()
        if not self._embed and progress is not None:
            progress(len(documents))
        reach("rebuild.batch")

    def _pieces(
        self, snapshot: Snapshot, ordinals: Ordinals, documents: Sequence[Document]
    ) -> list[Pieces]:
        known, keeps = snapshot.tables.passages(ordinals.tolist()), np.ones(len(ordinals), np.bool_)
        if self._cut is not None:
            keeps = np.isin(ordinals, snapshot.vectors.rows.ordinals) & (self._embed is None)
        return [
            known.get(ordinal) or whole(document.text) if kept or self._cut is None else self._cut(document)
            for ordinal, document, kept in zip(ordinals.tolist(), documents, keeps.tolist(), strict=True)
        ]

    def settle(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Let the graph grow until it has taken in what was copied, and keep the columns."""
        self.target.vector.settle(stop)
        self.target.kept_columns.keep()

    def close(self) -> None:
        """The new generation is whole."""
        self._open = False
        self.target.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            self.target.close(finish=False)


def copied(rows: Rows, ordinals: Ordinals) -> Rows:
    """The rows of some documents, with ordinals counted from 0."""
    taken = rows[rows.of(ordinals)]
    return Rows(taken.vectors, np.searchsorted(ordinals, taken.ordinals), taken.spans)
