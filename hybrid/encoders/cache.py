"""A cache of query vectors."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hybrid.encoders.bulk import checked
from hybrid.types import Encoder, Matrix


class QueryCache:
    """Caches the vectors of the ``size`` most recently used queries. Thread-safe.

    Two threads that miss the same query at the same time both encode it; neither waits for the other.
    """

    def __init__(self, encoder: Encoder, size: int = 1024) -> None:
        self._encoder = encoder
        self._size = size
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def vector(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a query, float32 (dim,), read-only. Raises EncoderError."""
        vector: NDArray[np.float32] = self.vectors([text])[0]
        return vector

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of queries, float32 (len(texts), dim), read-only; new ones are encoded in one
        call. Raises EncoderError."""
        if not texts:
            return np.empty((0, self._encoder.dim), np.float32)
        known = self._recall(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            fresh = checked(self._encoder, self._encoder.queries, missing)
            known |= dict(zip(missing, fresh, strict=True))
            self._remember(missing, fresh)
        vectors = np.stack([known[text] for text in texts])
        vectors.setflags(write=False)
        return vectors

    def _recall(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        with self._lock:
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in known:
                self._vectors.move_to_end(text)
        return known

    def _remember(self, texts: Sequence[str], vectors: Matrix) -> None:
        with self._lock:
            for text, vector in zip(texts, vectors, strict=True):
                self._vectors[text] = vector.copy()  # a view of the row would keep the whole matrix alive
            while len(self._vectors) > self._size:
                self._vectors.popitem(last=False)
