"""Check and clean documents before anything is written.

In texts, lone surrogates become U+FFFD. An id with one is refused instead, since two ids that differ only
in their surrogates would become the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import regex
from numpy.typing import NDArray

from hybrid.errors import DocumentError, EncoderFailed, HybridError, InputError, QueryError
from hybrid.limits import (
    MAX_DIM,
    MAX_ID,
    MAX_INTEGER_BITS,
    MAX_LENGTH,
    MAX_METADATA,
    MAX_METADATA_DEPTH,
    MAX_METADATA_VALUES,
    MAX_PATH,
    MAX_TEXT,
    MAX_TITLE,
    shown,
)
from hybrid.norms import bounded, unit
from hybrid.texts import clean, exact
from hybrid.types import Document, Matrix, Metric, Scores

_BAD_IN_ID: Final = regex.compile(r"[\p{Cc}\p{Cs}]")


def check_batch(documents: Iterable[Document]) -> list[Document]:
    """Check and clean documents. Raises DocumentError, naming the document and the fault; passes on what
    the iterable itself raises."""
    if isinstance(documents, (Document, Mapping, str)) or not isinstance(documents, Iterable):
        raise DocumentError(
            f"add takes a list of documents, not one {type(documents).__name__}; write [document]"
        )
    batch = [_check(document, f"document {place}") for place, document in enumerate(documents)]
    seen: dict[str, int] = {}
    for place, document in enumerate(batch):
        if (first := seen.setdefault(document.id, place)) != place:
            raise DocumentError(
                f"document {place}: id {shown(document.id)} stands in this batch already, at {first}; "
                "add one of the two, or both in separate calls to replace"
            )
    return batch


def _check(document: Document, where: str) -> Document:
    if not isinstance(document, Document):
        raise DocumentError(f"{where}: a {type(document).__name__}; write hybrid.Document(id=…, text=…)")
    id = _check_id(document.id, where)
    try:
        return _checked(id, document, f"document {shown(id)}")
    except (HybridError, MemoryError):
        raise
    except Exception as cause:  # of the caller's own kind of mapping or str
        raise DocumentError(f"document {shown(id)}: cannot be read: {shown(cause)}") from cause


def _checked(id: str, document: Document, where: str) -> Document:
    title = _text(document.title, f"{where}: title", MAX_TITLE, "put the rest into the text")
    text = _text(document.text, f"{where}: text", MAX_TEXT, "cut it into several documents")
    if not title.strip() and not text.strip() and document.vector is None:
        raise DocumentError(f"{where}: neither text, title nor vector; there is nothing to find it by")
    if not isinstance(document.metadata, Mapping):
        raise DocumentError(f"{where}: metadata is a {type(document.metadata).__name__}, not a JSON object")
    metadata = _Metadata.copy(document.metadata, where)
    given = document.vector, document.passages, document.text_passages
    return Document(id, text, title, metadata, *given)


def check_metadata(metadata: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """A clean copy of a document's metadata. Raises DocumentError."""
    try:
        return _Metadata.copy(metadata, where)
    except (HybridError, MemoryError):
        raise
    except Exception as cause:  # a mapping of the user's own
        raise DocumentError(f"{where}: metadata cannot be read: {shown(cause)}") from cause


def _check_id(value: object, where: str) -> str:
    """Check that an id is a non-empty str without control characters and surrogates."""
    if not isinstance(value, str):
        raise DocumentError(f"{where}: the id is a {type(value).__name__}, not a str: {shown(value)}")
    id = exact(value)
    if not id:
        raise DocumentError(f"{where}: the id is empty")
    if len(id) > MAX_ID:
        raise DocumentError(
            f"{where}: the id has {len(id):,} characters; the limit is {MAX_ID:,}: use its hash"
        )
    if bad := _BAD_IN_ID.search(id):
        raise DocumentError(
            f"{where}: the id {shown(id)} has a control character or surrogate at {bad.start()}"
        )
    return id


def _text(value: object, where: str, limit: int, way_out: str) -> str:
    if not isinstance(value, str):
        raise DocumentError(f"{where} is a {type(value).__name__}, not a str")
    text = clean(value)
    if len(text) > limit:
        raise DocumentError(f"{where} has {len(text):,} characters; the limit is {limit:,}: {way_out}")
    return text


class _Refused(Exception):
    """A value that metadata cannot hold. As it propagates, the path of the value is added to it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.steps: list[str] = []


class _Metadata:
    """Makes a clean copy of one document's metadata. Not with json.dumps: it silently turns keys into str,
    and an object that contains the next one twice, level by level, would never end."""

    def __init__(self) -> None:
        self._values = self._characters = 0

    @classmethod
    def copy(cls, metadata: Mapping[Any, Any], where: str) -> dict[str, Any]:
        try:
            return cls()._object(metadata, 0, 0)
        except _Refused as error:
            raise DocumentError(f"{where}: metadata{''.join(reversed(error.steps))}{error}") from error

    def _copy(self, value: Any, depth: int, path: int) -> Any:
        """``path``: the number of characters in the keys that lead here."""
        self._count(1, 0)
        if isinstance(value, str):
            return self._string(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return _integer(value)
        if isinstance(value, float):
            return _float(value)
        if depth >= MAX_METADATA_DEPTH:
            raise _Refused(f": nested deeper than {MAX_METADATA_DEPTH}")
        if isinstance(value, Mapping):
            return self._object(value, depth + 1, path + 1)
        if isinstance(value, (list, tuple)):
            return self._list(value, depth + 1, path)
        raise _Refused(
            f" is a {type(value).__name__}, not JSON; write it as str, number, bool, list or object"
        )

    def _object(self, value: Mapping[Any, Any], depth: int, path: int) -> dict[str, Any]:
        copy = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise _Refused(f": the key {shown(key)} is a {type(key).__name__}, not a str")
            name = self._string(key)
            if path + len(name) > MAX_PATH:
                raise _Refused(
                    f": the key {shown(name)} with those above it has {path + len(name):,} characters; "
                    f"the limit is {MAX_PATH:,}: write it as a value"
                )
            try:
                copy[name] = self._copy(item, depth, path + len(name))
            except _Refused as error:
                error.steps.append(f"[{shown(name)}]")
                raise
        return copy

    def _list(self, value: Iterable[Any], depth: int, path: int) -> list[Any]:
        copy: list[Any] = []
        for item in value:
            try:
                copy.append(self._copy(item, depth, path))
            except _Refused as error:
                error.steps.append(f"[{len(copy)}]")
                raise
        return copy

    def _string(self, value: str) -> str:
        text = clean(value)
        self._count(0, len(text))
        return text

    def _count(self, values: int, characters: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > MAX_METADATA_VALUES:
            raise _Refused(
                f": more than {MAX_METADATA_VALUES:,} values in all; store values that no filter "
                "uses elsewhere, under the document's id"
            )
        if self._characters > MAX_METADATA:
            raise _Refused(
                f": more than {MAX_METADATA:,} characters in all; put long texts into the text, or "
                "elsewhere under the document's id"
            )


def _integer(value: int) -> int:
    if (number := int.__index__(value)).bit_length() > MAX_INTEGER_BITS:
        raise _Refused(f" is an integer of more than {MAX_INTEGER_BITS:,} bits; write it as a str")
    return number


def _float(value: float) -> float:
    if not math.isfinite(number := float.__float__(value)):
        raise _Refused(f" is {number}, which JSON cannot represent; leave the key out")
    return number


def check_vector(value: Any, metric: Metric, dim: int | None, where: str, query: bool = False) -> Scores:
    """Check a ready-made vector and return it as float32 (dim,), of unit length under "cosine"."""
    error = QueryError if query else DocumentError
    vector = _numbers(value, where, error)
    if vector.ndim != 1 or not vector.size:
        shapes = "(dim,)" if query else "(dim,) or (n, dim)"
        raise error(f"{where}: the vector has the shape {vector.shape}; it must be {shapes}")
    if vector.size > MAX_DIM:
        raise error(f"{where}: the vector has {vector.size:,} numbers; the limit is {MAX_DIM:,}")
    if dim is not None and vector.size != dim:
        raise error(f"{where}: the vector has {vector.size} numbers; this index holds vectors of {dim}")
    if not np.isfinite(vector).all():
        raise error(f"{where}: the vector holds NaN or infinity (as float32)")
    if metric == "cosine" and not vector.any():
        raise error(
            f'{where}: the vector is zero, and a zero vector has no direction under metric "cosine"'
        )
    if complaint := _too_long(vector[None, :], metric):
        raise error(f"{where}: the vector is {complaint}")
    return unit(vector[None, :])[0] if metric == "cosine" else vector


def check_vectors(value: Any, metric: Metric, dim: int | None, where: str) -> Matrix:
    """Check a document's ready-made vectors, one (dim,) or several (n, dim); return float32 (n, dim)."""
    rows = _numbers(value, where, DocumentError)
    if rows.ndim != 2:
        return check_vector(rows, metric, dim, where)[None, :]
    if not len(rows):
        raise DocumentError(f"{where}: no vector in {rows.shape}; give one or more, or vector=None")
    return np.stack([check_vector(row, metric, dim, f"{where}, row {i}") for i, row in enumerate(rows)])


def check_alike(values: Sequence[Any], metric: Metric, dim: int | None) -> Matrix | None:
    """Do what ``check_vectors`` does for several float arrays of one shape (dim,) at once: float32 (n,
    dim). Returns None if they are anything else, or if one of them is invalid."""
    if not values or any(type(value) is not np.ndarray for value in values):
        return None
    shape, dtype = values[0].shape, values[0].dtype
    if any(value.shape != shape or value.dtype != dtype for value in values):
        return None
    if dtype.kind != "f" or len(shape) != 1 or not 0 < shape[0] <= MAX_DIM or dim not in (None, shape[0]):
        return None
    with np.errstate(over="ignore"):
        rows = np.stack(values).astype(np.float32)
    if not np.isfinite(rows).all() or (metric == "cosine" and not rows.any(axis=1).all()):
        return None
    if _too_long(rows, metric):
        return None
    return unit(rows) if metric == "cosine" else rows


def check_encoded(rows: Matrix, metric: Metric) -> Matrix:
    """Check finite rows (n, dim) from an encoder and scale them to unit length under "cosine". Raises
    EncoderFailed for one that is too long."""
    if complaint := _too_long(rows, metric):
        raise EncoderFailed(f"the encoder made a vector that is {complaint}")
    return unit(rows) if metric == "cosine" else rows


def _too_long(rows: Matrix, metric: Metric) -> str | None:
    """Return, for a message, the length of the first row longer than ``MAX_LENGTH`` and what to do about
    it; None if there is none, or under "cosine"."""
    if metric == "cosine" or (fit := bounded(rows)).all():
        return None
    long = float(np.linalg.norm(rows[int(np.argmin(fit))].astype(np.float64)))
    return (
        f'{long:.3g} long; under metric "{metric}" float32 holds products and distances of vectors up to '
        f"{MAX_LENGTH:.3g}: scale all of them down"
    )


def _numbers(value: Any, where: str, error: type[InputError]) -> Matrix:
    """Convert to float32, of any shape."""
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "biufO":
            raise TypeError(f"found {given.dtype}")
        with np.errstate(over="ignore"):
            return given.astype(np.float32)
    except (TypeError, ValueError, ArithmeticError, RuntimeError) as cause:
        raise error(f"{where}: the vector is not a list of numbers: {_line(cause)}") from cause


def check_passages(value: Any, count: int, text: str, where: str) -> NDArray[np.int64]:
    """Check the passages of ``text`` that ``count`` vectors stand for: int64 (count, 2); None: all of
    it."""
    if value is None:
        return np.tile(np.array([0, len(text)]), (count, 1))
    try:
        spans = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise DocumentError(f"{where}: the passages are not pairs (start, end): {_line(cause)}") from cause
    if spans.shape != (count, 2) or spans.dtype.kind not in "iu":
        raise DocumentError(
            f"{where}: passages must be pairs (start, end) of whole numbers, as many as vectors: {count}"
        )
    starts, ends = spans.T
    if wrong := np.flatnonzero((starts < 0) | (starts > ends) | (ends > len(text))).tolist():
        raise DocumentError(
            f"{where}: passage {wrong[0]} is {tuple(spans[wrong[0]].tolist())}, "
            f"which is not a part of a text of {len(text)} characters"
        )
    return spans.astype(np.int64)


def _line(cause: Exception) -> str:
    """Return the message of a foreign error in one line."""
    return " ".join(str(cause).split())[:160]
