"""The door: what a document must be before anything is written.

Text is made clean here (a lone surrogate becomes U+FFFD); an id is refused instead, since two ids
that differ only in their surrogates would become one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import regex

from hybrid.errors import DocumentError, QueryError
from hybrid.types import Document, Metric, Scores

_BAD_IN_ID: Final = regex.compile(r"[\p{Cc}\p{Cs}]")
_MAX_DEPTH: Final = 64
_MAX_BITS: Final = 1024


def check_batch(documents: Iterable[Document]) -> list[Document]:
    """The documents, cleaned; or a DocumentError that says which one is wrong and why."""
    if isinstance(documents, (Document, Mapping, str)):
        raise DocumentError(
            f"add takes a list of documents, not one {type(documents).__name__}; write [document]"
        )
    batch = [_check(document, place) for place, document in enumerate(documents)]
    seen: dict[str, int] = {}
    for place, document in enumerate(batch):
        if (first := seen.setdefault(document.id, place)) != place:
            raise DocumentError(
                f"document {place}: id {document.id!r} stands in this batch already, at {first}; "
                "add one of the two, or both in separate calls to replace"
            )
    return batch


def _check(document: Document, place: int) -> Document:
    if not isinstance(document, Document):
        raise DocumentError(
            f"document {place}: a {type(document).__name__}; write hybrid.Document(id=…, text=…)"
        )
    check_id(document.id, f"document {place}")
    where = f"document {document.id!r}"
    for name in ("title", "text"):
        if not isinstance(getattr(document, name), str):
            raise DocumentError(f"{where}: {name} is a {type(getattr(document, name)).__name__}, not a str")
    if not isinstance(document.metadata, Mapping):
        raise DocumentError(f"{where}: metadata is a {type(document.metadata).__name__}, not a JSON object")
    title, text = clean(document.title), clean(document.text)
    if not title.strip() and not text.strip() and document.vector is None:
        raise DocumentError(f"{where}: neither text, title nor vector; there is nothing to find it by")
    metadata = _json(document.metadata, f"{where}: metadata", 0)
    return Document(document.id, text, title, metadata, document.vector)


def check_id(value: object, where: str) -> None:
    """An id is a non-empty str without control characters and surrogates; DocumentError otherwise."""
    if not isinstance(value, str):
        raise DocumentError(f"{where}: the id is a {type(value).__name__}, not a str: {value!r:.80}")
    if not value:
        raise DocumentError(f"{where}: the id is empty")
    if bad := _BAD_IN_ID.search(value):
        raise DocumentError(
            f"{where}: the id {value!r:.80} has a control character or surrogate at {bad.start()}"
        )


def clean(text: str) -> str:
    """``text`` with every lone surrogate as U+FFFD (a pair becomes its character)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _json(value: Any, where: str, depth: int) -> Any:
    """A clean copy of a JSON value. Checked by hand: json.dumps would turn keys into str in silence."""
    if depth > _MAX_DEPTH:
        raise DocumentError(f"{where}: nested deeper than {_MAX_DEPTH}")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > _MAX_BITS:
            raise DocumentError(f"{where} is an integer of more than {_MAX_BITS} bits; write it as a str")
        return int(value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DocumentError(f"{where} is {value}, which JSON cannot say; leave the key out")
        return float(value)
    if isinstance(value, Mapping):
        if bad := next((key for key in value if not isinstance(key, str)), None):
            raise DocumentError(f"{where}: the key {bad!r:.80} is a {type(bad).__name__}, not a str")
        return {clean(key): _json(item, f"{where}[{key!r:.80}]", depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise DocumentError(
        f"{where} is a {type(value).__name__}, not JSON; write it as str, number, bool, list or object"
    )


def check_vector(value: Any, metric: Metric, dim: int | None, where: str, query: bool = False) -> Scores:
    """A ready-made vector as float32 (dim,), of unit length under "cosine"."""
    error = QueryError if query else DocumentError
    try:
        with np.errstate(over="ignore"):
            vector = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as cause:
        raise error(f"{where}: the vector is not a list of numbers: {cause}") from cause
    if vector.ndim != 1 or not vector.size:
        raise error(f"{where}: the vector has the shape {vector.shape}; it must be (dim,)")
    if dim is not None and vector.size != dim:
        raise error(f"{where}: the vector has {vector.size} numbers; this index holds vectors of {dim}")
    if not np.isfinite(vector).all():
        raise error(f"{where}: the vector holds NaN or infinity (as float32)")
    if metric == "cosine" and not vector.any():
        raise error(
            f'{where}: the vector is zero, and a zero vector has no direction under metric "cosine"'
        )
    return unit(vector[None, :])[0] if metric == "cosine" else vector


def unit(rows: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Rows (n, dim) scaled to length one; rows of zeros stay. Scaled by the largest number first, so
    that the squares of very small or large ones neither vanish nor overflow."""
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
    scaled = rows.astype(np.float64) / np.where(largest > 0, largest, 1)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.where(norms > 0, norms, 1), dtype=np.float32)
