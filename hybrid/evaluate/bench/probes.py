"""The questions of a benchmark: users' queries, or some made from the index's own documents; and filters,
from its own metadata where that offers any."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from hybrid.encoders import QueryCache
from hybrid.metadata import filters
from hybrid.store.snapshot import Snapshot
from hybrid.types import Document, Mask, Ordinals, Scores

SHARES: Final = (0.01, 0.1, 0.5)
"""Shares of the documents that a filter should let pass; one within a factor of two is taken."""

_LONGEST: Final = 100  # characters of a sentence: a query is short
_LOOKED_AT: Final = 2000  # documents whose metadata tell which values are frequent
_SENTENCE: Final = re.compile(r"[^.!?。！？\n]+")
_Value: TypeAlias = tuple[str, Any]


@dataclass(frozen=True)
class Probe:
    """A query: its ``text``, its ``vector`` float32 (dim,), or both."""

    text: str | None
    vector: Scores | None


@dataclass(frozen=True)
class Sieve:
    """A filter: ``name`` is its JSON form, or "random"; ``allowed`` marks the documents that pass,
    bool (n,) over ordinals; ``share`` is their part of the live ones."""

    name: str
    allowed: Mask
    share: float


def made(snapshot: Snapshot, size: int, seed: int) -> list[Probe]:
    """A query from each of at most ``size`` random documents: its title or a sentence of it, and one of its
    vectors. All have a text if any document seen has one, and a vector if the index has any."""
    random = np.random.default_rng(seed)
    owners = random.permutation(_owners(snapshot))[: 2 * size]
    documents = snapshot.documents(owners.tolist())
    texts = [_phrase(document, random) for document in documents]
    if any(texts):
        owners, texts = owners[[text is not None for text in texts]], [text for text in texts if text]
    vectors = (_vector(snapshot, int(ordinal), random) for ordinal in owners[:size])
    return [Probe(text, vector) for text, vector in zip(texts[:size], vectors, strict=True)]


def _owners(snapshot: Snapshot) -> Ordinals:
    """The living documents; those with vectors, if there are any."""
    owned = np.zeros(snapshot.count, np.bool_)
    owned[snapshot.vectors.rows.ordinals] = True
    owned &= snapshot.live
    return np.flatnonzero(owned if owned.any() else snapshot.live)


def _phrase(document: Document, random: np.random.Generator) -> str | None:
    phrases = [document.title, *_SENTENCE.findall(document.text)]
    phrases = [phrase.strip()[:_LONGEST] for phrase in phrases if any(map(str.isalnum, phrase))]
    return str(phrases[random.integers(len(phrases))]) if phrases else None


def _vector(snapshot: Snapshot, ordinal: int, random: np.random.Generator) -> Scores | None:
    rows = snapshot.vectors.rows
    own = np.setdiff1d(rows.of(np.array([ordinal])), snapshot.vectors.long) if len(rows) else ()
    return rows.vectors[random.choice(own)].copy() if len(own) else None


def encoded(cache: QueryCache, texts: Iterable[str]) -> tuple[list[Probe], list[float]]:
    """Each text with its vector as the encoder gives it, and the seconds that each but the first took: that
    one also loads the model."""
    probes, seconds = [], []
    for text in texts:
        start = time.perf_counter()
        probes.append(Probe(text, cache.vector(text)))
        seconds.append(time.perf_counter() - start)
    return probes, seconds[1:]


def sieves(snapshot: Snapshot, seed: int) -> list[Sieve]:
    """One filter for each of `SHARES`: equality with a value of the metadata that about as many documents
    have, or random where there is no such value."""
    random = np.random.default_rng(seed)
    frequent = _frequent(snapshot, random)
    return [_met(snapshot, share, frequent) or _random(snapshot, share, random) for share in SHARES]


def _frequent(snapshot: Snapshot, random: np.random.Generator) -> dict[_Value, float]:
    """Values of the metadata, (path, value), and the share of some documents that has each."""
    some = random.permutation(np.flatnonzero(snapshot.live))[:_LOOKED_AT]
    held = Counter(
        value for document in snapshot.documents(some.tolist()) for value in _values(document.metadata)
    )
    return {value: many / len(some) for value, many in held.items()}


def _values(metadata: Mapping[str, Any]) -> dict[_Value, None]:
    """The distinct ones that a filter can ask for, in a fixed order."""
    return {
        (path, value): None
        for path, (kind, value) in filters.flatten(metadata)
        if kind in ("string", "number", "bool") and path not in filters.TAKEN
    }


def _met(snapshot: Snapshot, share: float, frequent: Mapping[_Value, float]) -> Sieve | None:
    def apart(value: _Value) -> float:
        return abs(float(np.log(frequent[value] / share)))

    nearest = min(frequent, key=apart, default=None)
    if nearest is None or apart(nearest) > np.log(2):
        return None
    where = {nearest[0]: nearest[1]}
    return _sieve(snapshot, json.dumps(where, ensure_ascii=False), snapshot.allowed(filters.parse(where)))


def _random(snapshot: Snapshot, share: float, random: np.random.Generator) -> Sieve:
    return _sieve(snapshot, "random", snapshot.live & (random.random(snapshot.count) < share))


def _sieve(snapshot: Snapshot, name: str, allowed: Mask | None) -> Sieve:
    passed = snapshot.live if allowed is None else allowed
    return Sieve(name, passed, int(np.count_nonzero(passed)) / snapshot.size)
