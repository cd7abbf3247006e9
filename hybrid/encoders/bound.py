"""The encoder of an index: loaded on first use, and checked to be the one the index was built with."""

from __future__ import annotations

import threading
from pathlib import Path

from hybrid import encoders
from hybrid.encoders import EncoderSpec, QueryCache
from hybrid.errors import EncoderError, IndexMismatch
from hybrid.settings import EncoderRef
from hybrid.types import Encoder


class Model:
    """The encoder that ``reference`` names (None: an index without encoder), and its query vectors."""

    def __init__(self, path: Path, reference: EncoderRef | None, encoder: Encoder | None = None) -> None:
        self._path = path
        self._reference = reference
        self._encoder = encoder
        self._cache: QueryCache | None = None
        self._lock = threading.Lock()

    def encoder(self) -> Encoder | None:
        """Return the encoder; None if the index was built without one.

        Raises EncoderError if it is an object of the program's that was not passed, IndexMismatch if its
        name now stands for another encoder.
        """
        with self._lock:
            if self._encoder is None and self._reference is not None:
                if self._reference.spec is None:
                    raise EncoderError(
                        f"{self._path}: built with encoder {self._reference.id!r}, an object of your "
                        "program; pass it: Index.open(path, encoder=…)"
                    )
                self._encoder = self._checked(encoders.load(self._reference.spec))
            return self._encoder

    def take(self, spec: EncoderSpec) -> None:
        """Use the encoder that the caller names. Raises IndexMismatch if it is not the index's."""
        encoder = self._checked(encoders.load(spec))
        with self._lock:
            self._encoder = encoder

    def queries(self) -> QueryCache | None:
        """Return the cache of query vectors; None without an encoder."""
        encoder = self.encoder()
        with self._lock:
            if self._cache is None and encoder is not None:
                self._cache = QueryCache(encoder)
            return self._cache

    def _checked(self, encoder: Encoder) -> Encoder:
        if self._reference is None:
            raise IndexMismatch(
                f"{self._path}: built without an encoder; run: hybrid reindex {self._path} --encoder …"
            )
        if encoder.id != self._reference.id:
            raise IndexMismatch(
                f"{self._path}: built with encoder {self._reference.id!r}, opened with {encoder.id!r}; "
                f"to change it run: hybrid reindex {self._path} --encoder …"
            )
        return encoder


def reference_to(spec: EncoderSpec, encoder: Encoder) -> EncoderRef:
    """Make the reference that an index stores to its encoder."""
    return EncoderRef(id=encoder.id, spec=encoders.spec_of(spec))
