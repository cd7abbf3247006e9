"""Use any function from texts to vectors as an encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hybrid.encoders.bulk import matrix
from hybrid.errors import EncoderFailed
from hybrid.types import Matrix


class FunctionEncoder:
    """Calls ``function`` for documents and queries alike.

    ``id`` is the function's ``id`` attribute, or else its module and qualified name. ``dim`` comes from the
    first result (if it is needed earlier, one text is encoded) and then stays fixed.
    """

    def __init__(self, function: Callable[[list[str]], ArrayLike]) -> None:
        self._function = function
        self._dim: int | None = None

    def __repr__(self) -> str:
        return f"FunctionEncoder({self.id})"

    @property
    def id(self) -> str:
        given = getattr(self._function, "id", None)
        if isinstance(given, str):
            return given
        named = self._function if hasattr(self._function, "__qualname__") else type(self._function)
        return f"{named.__module__}.{named.__qualname__}"

    @property
    def dim(self) -> int:
        return self._dim or self.documents(["dimension"]).shape[1]

    def documents(self, texts: Sequence[str]) -> Matrix:
        """Return float32 (len(texts), dim). Raises EncoderFailed if the function raises or returns anything
        else."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        vectors = matrix(self.id, self._function, texts)
        self._dim = self._dim or vectors.shape[1]
        if vectors.shape[1] != self._dim:
            raise EncoderFailed(
                f"encoder {self.id} returned vectors of {vectors.shape[1]} numbers, before of {self._dim}"
            )
        return vectors

    def queries(self, texts: Sequence[str]) -> Matrix:
        """The same as ``documents``."""
        return self.documents(texts)
