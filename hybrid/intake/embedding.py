"""Turn documents into vector rows: take ready-made vectors as they are; cut texts into windows and encode
them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hybrid import encoders
from hybrid.errors import DocumentError, IndexMismatch
from hybrid.intake.documents import check_alike, check_encoded, check_passages, check_vectors
from hybrid.intake.windows import windows
from hybrid.ledger.passages import Pieces
from hybrid.ledger.rows import Rows
from hybrid.limits import shown
from hybrid.types import Document, Encoder, Matrix, Metric, Ordinals, Progress


def embed(
    documents: Sequence[Document],
    pieces: Sequence[Pieces],
    encoder: Encoder | None,
    metric: Metric,
    dim: int,
    progress: Progress | None = None,
) -> Rows:
    """Make the rows of a batch, with ordinals from 0 within it: those that documents bring, and for the
    others the encoder's, of the windows of their ``pieces``. ``dim`` is the index's, 0 while unknown.

    Raises DocumentError for vectors or passages that do not fit, IndexMismatch for an encoder that does
    not, EncoderFailed for one whose vectors are too long.
    """
    plain = _plain(documents, metric, dim)
    brought = [plain] if plain else list(_brought(documents, metric, dim))
    dim = brought[0].vectors.shape[1] if brought else dim
    made = _made(documents, pieces, encoder, metric, progress)
    if len(made) and dim and made.vectors.shape[1] != dim:
        raise IndexMismatch(
            f"the encoder makes vectors of {made.vectors.shape[1]} numbers, this index holds {dim}"
        )
    parts = [part for part in (*brought, made) if len(part)]
    return _in_order(parts) if parts else Rows.none(dim)


def _plain(documents: Sequence[Document], metric: Metric, dim: int) -> Rows | None:
    """Make the rows of ready-made vectors all at once, in a sixth of the time, if they are arrays of one
    shape and type, one per document. Returns None if they are not, or if one is invalid."""
    places = [i for i, document in enumerate(documents) if document.vector is not None]
    if any(document.passages is not None for document in documents):
        return None
    vectors = check_alike([documents[i].vector for i in places], metric, dim or None)
    if vectors is None:
        return None
    ends = [len(documents[i].text) for i in places]
    spans = np.stack([np.zeros(len(ends), np.int64), np.array(ends, np.int64)], axis=1)
    return Rows(vectors, np.array(places, np.int64), spans)


def _brought(documents: Sequence[Document], metric: Metric, dim: int) -> Iterator[Rows]:
    """Yield the rows of ready-made vectors, document by document."""
    for i, document in enumerate(documents):
        where = f"document {shown(document.id)}"
        if document.vector is not None:
            vectors = check_vectors(document.vector, metric, dim or None, where)
            dim = vectors.shape[1]
            spans = check_passages(document.passages, len(vectors), document.text, where)
            yield Rows(vectors, np.full(len(vectors), i), spans)
        elif document.passages is not None:
            raise DocumentError(f"{where}: passages without vectors; passages say what each vector is of")


def _made(
    documents: Sequence[Document],
    pieces: Sequence[Pieces],
    encoder: Encoder | None,
    metric: Metric,
    progress: Progress | None,
) -> Rows:
    """Encode the other documents and return their rows."""
    made = [
        (i, window)
        for i, (document, own) in enumerate(zip(documents, pieces, strict=True))
        if encoder is not None and document.vector is None
        for window in windows(document, own, encoder)
    ]
    vectors = _encode(len(documents), [window.encoded for _, window in made], encoder, progress)
    owners = np.array([i for i, _ in made], np.int64)
    spans = np.array([(window.start, window.end) for _, window in made], np.int64).reshape(-1, 2)
    if metric != "cosine":
        return Rows(check_encoded(vectors, metric), owners, spans)
    directed = vectors.any(axis=1)  # drop zero vectors, which an encoder may return for an empty text
    return Rows(check_encoded(vectors[directed], metric), owners[directed], spans[directed])


def _encode(
    documents: int, texts: Sequence[str], encoder: Encoder | None, progress: Progress | None
) -> Matrix:
    """Encode the ``texts`` of some ``documents``, by which progress is told."""
    if encoder is None or not texts:
        if progress is not None:
            progress(documents)
        return np.empty((0, 0), np.float32)
    share = documents / len(texts)
    tell = None if progress is None else lambda done: progress(done * share)
    return encoders.encode_documents(encoder, texts, tell)


def _in_order(parts: Sequence[Rows]) -> Rows:
    """Merge the rows of all ``parts``, so that those of one document stand together in their order."""
    owners: Ordinals = np.concatenate([part.ordinals for part in parts])
    order = np.argsort(owners, kind="stable")
    vectors = np.concatenate([part.vectors for part in parts])
    spans = np.concatenate([part.spans for part in parts])
    return Rows(vectors[order], owners[order], spans[order])
