"""Documents to vector rows: ready-made vectors as they are, texts cut into windows and encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid import encoders
from hybrid.arrays import Rows
from hybrid.documents import check_vector, unit
from hybrid.errors import IndexMismatch
from hybrid.types import Document, Encoder, Matrix, Metric, Ordinals, Passage, Scores

Progress: TypeAlias = Callable[[float], None]
"""Told how many more documents are done; a document of many windows comes in fractions."""


def embed(
    documents: Sequence[Document],
    encoder: Encoder | None,
    metric: Metric,
    dim: int,
    progress: Progress | None = None,
) -> Rows:
    """The rows of a batch, ordinals counted from 0 within it. ``dim`` is the index's, 0 while unknown.

    DocumentError for a vector that does not fit; IndexMismatch for an encoder that does not.
    """
    ready = {i: document for i, document in enumerate(documents) if document.vector is not None}
    vectors: dict[int, Scores] = {}
    for i, document in ready.items():
        vectors[i] = check_vector(document.vector, metric, dim or None, f"document {document.id!r}")
        dim = vectors[i].size
    windows = (
        []
        if encoder is None
        else [(i, p) for i, d in enumerate(documents) if i not in ready for p in _cut(d, encoder)]
    )
    encoded = _encode(documents, windows, encoder, progress)
    if len(encoded) and dim and encoded.shape[1] != dim:
        raise IndexMismatch(
            f"the encoder makes vectors of {encoded.shape[1]} numbers, this index holds {dim}"
        )
    owners = [*vectors, *(i for i, _ in windows)]
    spans = [*((0, len(ready[i].text)) for i in vectors), *(passage for _, passage in windows)]
    rows = [*vectors.values(), *encoded]
    if not rows:
        return Rows.none(dim)
    return _sorted(np.stack(rows), np.array(owners, np.int64), np.array(spans, np.int64), metric)


def _cut(document: Document, encoder: Encoder) -> list[Passage]:
    return encoders.cut(document.text, document.title, encoder)


def _encode(
    documents: Sequence[Document],
    windows: Sequence[tuple[int, Passage]],
    encoder: Encoder | None,
    progress: Progress | None,
) -> Matrix:
    if encoder is None or not windows:
        if progress is not None:
            progress(len(documents))
        return np.empty((0, 0), np.float32)
    texts = [
        encoders.compose(documents[i].title, documents[i].text[start:end], encoder)
        for i, (start, end) in windows
    ]
    share = len(documents) / len(texts)
    tell = None if progress is None else lambda done: progress(done * share)
    return encoders.encode_documents(encoder, texts, tell)


def _sorted(vectors: Matrix, owners: Ordinals, spans: NDArray[np.int64], metric: Metric) -> Rows:
    order = np.argsort(owners, kind="stable")
    vectors = vectors[order]
    if metric == "cosine":
        vectors = unit(vectors)
        directed = vectors.any(axis=1)  # an encoder may answer zeros (to an empty text, say): no row then
        order, vectors = order[directed], vectors[directed]
    return Rows(vectors, owners[order], spans[order])
