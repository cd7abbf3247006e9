"""Fill an index from a stream of documents in batches: prepare each while the previous one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from hybrid.errors import DocumentError, StorageError
from hybrid.ledger.passages import Pieces
from hybrid.ledger.rows import Rows
from hybrid.settings import Settings
from hybrid.threads import submit
from hybrid.types import Document

BATCH: Final = 1000

_Ready = TypeVar("_Ready")


@dataclass(frozen=True)
class Prepared:
    """Checked documents with their vectors and passages, prepared for an index with these settings."""

    documents: list[Document]
    rows: Rows
    pieces: Sequence[Pieces]
    settings: Settings

    def fit(
        self, settings: Settings, dim: int, home: Path
    ) -> tuple[list[Document], Rows, Sequence[Pieces]]:
        """Return the documents, rows and passages, for the index in ``home`` that now has these
        ``settings`` and vectors of ``dim`` numbers. Raises StorageError or DocumentError if it has changed
        since."""
        if settings != self.settings:
            raise StorageError(f"{home}: re-indexed in the meantime; add the documents again")
        if len(self.rows) and dim not in (0, self.rows.vectors.shape[1]):
            raise DocumentError(
                f"vectors of {self.rows.vectors.shape[1]} numbers; this index holds vectors of {dim}"
            )
        return self.documents, self.rows, self.pieces


def load(
    documents: Iterable[Document],
    prepare: Callable[[list[Document]], _Ready],
    write: Callable[[_Ready], object],
) -> int:
    """``prepare`` each batch and ``write`` it, in order; return the number of documents. Encoders release
    the GIL, so writing on a second core hardly slows them down."""
    total = 0
    with ThreadPoolExecutor(1, "hybrid-load") as behind:
        last: Future[object] | None = None
        for batch in batches(documents):
            ready = prepare(batch)
            if last is not None:
                last.result()
            last = submit(behind, write, ready)
            total += len(batch)
        if last is not None:
            last.result()
    return total


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Yield batches of BATCH documents, or fewer if the next document has an id that the batch already has:
    it must replace that one."""
    batch: list[Document] = []
    ids: set[str] = set()
    for document in _each(documents):
        id = getattr(document, "id", None)
        if len(batch) == BATCH or (isinstance(id, str) and id in ids):
            yield batch
            batch, ids = [], set()
        batch.append(document)
        if isinstance(id, str):  # anything else is not a document, and is refused with its batch
            ids.add(id)
    if batch:
        yield batch


def _each(documents: Iterable[Document]) -> Iterator[Document]:
    if isinstance(documents, Mapping) or not isinstance(documents, Iterable):
        raise DocumentError(f"load takes documents, one after the other, not a {type(documents).__name__}")
    return iter(documents)
