"""Call any encoder and check the vectors it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hybrid.errors import EncoderFailed, HybridError
from hybrid.threads import outside
from hybrid.types import Encoder, Matrix

SLICE = 256
"""Texts passed to an encoder at once; progress is reported after each slice."""


def encode_documents(
    encoder: Encoder, texts: Sequence[str], progress: Callable[[int], None] | None = None
) -> Matrix:
    """Encode ``texts`` slice by slice: float32 (len(texts), dim), in the order of ``texts``.

    A slice contains texts of similar length, the longest first, so that batches are even and the time
    left is not underestimated. ``progress`` is called with the number of texts done since the last call.
    Raises EncoderFailed if the encoder raises, or returns anything but finite vectors of one length.
    """
    if not texts:
        return np.empty((0, encoder.dim), np.float32)
    order = np.argsort([-len(text) for text in texts], kind="stable")
    slices = []
    for start in range(0, len(order), SLICE):
        rows = order[start : start + SLICE]
        slices.append(checked(encoder, encoder.documents, [texts[row] for row in rows]))
        if progress is not None:
            progress(len(rows))
    vectors = np.concatenate(slices)
    return vectors[np.argsort(order)]


def checked(encoder: Encoder, encode: Callable[[Sequence[str]], Matrix], texts: Sequence[str]) -> Matrix:
    """Return ``encode(texts)``, checked to be finite float32 (len(texts), ``encoder.dim``).

    Raises EncoderFailed otherwise, naming the encoder and what it did.
    """
    vectors = matrix(encoder.id, encode, texts)
    if vectors.shape[1] != encoder.dim:
        raise EncoderFailed(
            f"encoder {encoder.id} returned vectors of {vectors.shape[1]} numbers, not {encoder.dim}"
        )
    return vectors


def matrix(name: str, encode: Callable[[list[str]], ArrayLike], texts: Sequence[str]) -> Matrix:
    """Return ``encode(texts)``, checked to be finite float32 (len(texts), any). Raises EncoderFailed
    otherwise."""
    try:
        with outside:  # it may wait for another machine
            vectors = np.asarray(encode(list(texts)), np.float32)
    except HybridError:
        raise
    except Exception as error:
        raise EncoderFailed(f"encoder {name} raised {type(error).__name__}: {error}") from error
    if vectors.ndim != 2 or len(vectors) != len(texts) or not vectors.shape[1]:
        raise EncoderFailed(f"encoder {name} returned shape {vectors.shape} for {len(texts)} texts")
    if not np.isfinite(vectors).all():
        row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise EncoderFailed(f"encoder {name} returned NaN or infinity for the text {texts[row][:60]!r}")
    return vectors
