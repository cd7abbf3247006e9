"""Lifetimes of ordinals: the commits in which each was added and deleted, and a digest to check them."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from hybrid.order import places
from hybrid.types import Mask, Ordinals, Ties

NEVER: Final = np.iinfo(np.int64).max
"""The death of a live document."""

_Words = NDArray[np.uint64]
Marks = NDArray[np.uint32]


class Lifetimes:
    """Arrays over ordinals that may grow while they are read: ``born`` and ``dead``, sequence numbers,
    int64; ``marks``, the checksum of each document's id; ``ties``, its place in the order of ties.

    Readers hold views of the first n. A later deletion changes a cell in place, from NEVER to a sequence
    number above that of any older snapshot, so older snapshots are not affected.

    ``deaths``: the number of deleted documents. ``digest``: the sum (modulo 2**64) over all ordinals of a
    hash of ordinal, id, birth and death; updating it costs only as much as the change. The ledger records
    it with every commit.
    """

    def __init__(self) -> None:
        self._born = np.empty(0, np.int64)
        self._dead = np.empty(0, np.int64)
        self._marks = np.empty(0, np.uint32)
        self._ties = np.empty(0, np.int64)
        self.count = 0
        self.deaths = 0
        self.digest = 0

    @classmethod
    def of(cls, born: Ordinals, dead: Ordinals, marks: Marks) -> Self:
        made = cls()
        made.append(born, dead, marks)
        return made

    @property
    def born(self) -> Ordinals:
        return self._born[: self.count]

    @property
    def dead(self) -> Ordinals:
        return self._dead[: self.count]

    @property
    def marks(self) -> Marks:
        return self._marks[: self.count]

    @property
    def ties(self) -> Ties:
        return self._ties[: self.count]

    def append(self, born: Ordinals, dead: Ordinals, marks: Marks) -> None:
        end = self.count + len(born)
        if end > len(self._born):
            room = max(1024, 2 * end) - self.count
            self._born = np.concatenate([self.born, np.zeros(room, np.int64)])
            self._dead = np.concatenate([self.dead, np.full(room, NEVER)])
            self._marks = np.concatenate([self.marks, np.zeros(room, np.uint32)])
            self._ties = np.concatenate([self.ties, np.zeros(room, np.int64)])
        self._born[self.count : end] = born
        self._dead[self.count : end] = dead
        self._marks[self.count : end] = marks
        new = np.arange(self.count, end)
        self._ties[self.count : end] = places(keys(marks), new)
        self._add(new)
        self.deaths += int(np.count_nonzero(dead != NEVER))
        self.count = end

    def kill(self, ordinals: Ordinals, seq: int | Ordinals) -> None:
        self._add(ordinals, -1)
        self.deaths += int(np.count_nonzero(self._dead[ordinals] == NEVER))
        self._dead[ordinals] = seq
        self._add(ordinals)

    def live(self, count: int, seq: int) -> Mask:
        """Return which of the first ``count`` ordinals are alive as of ``seq``, bool (count,)."""
        return self._dead[:count] > seq

    def after(self, deaths: Ordinals, births: Marks, seq: int) -> int:
        """Return the digest after a commit with number ``seq``, without changing anything."""
        new = np.arange(self.count, self.count + len(births))
        changed = _digest(deaths, self._marks[deaths], self._born[deaths], np.full(len(deaths), seq))
        added = _digest(new, births, np.full(len(new), seq), np.full(len(new), NEVER))
        return (self.digest - self._of(deaths) + changed + added) % 2**64

    def _add(self, ordinals: Ordinals, sign: int = 1) -> None:
        self.digest = (self.digest + sign * self._of(ordinals)) % 2**64

    def _of(self, ordinals: Ordinals) -> int:
        return _digest(ordinals, self._marks[ordinals], self._born[ordinals], self._dead[ordinals])


def marks(ids: Iterable[str]) -> Marks:
    """Return the checksum (CRC-32) of each id. (Ids in run files may have lone surrogates.)"""
    return np.fromiter((zlib.crc32(id.encode("utf-8", "surrogatepass")) for id in ids), np.uint32)


def keys(of: Marks) -> NDArray[np.int64]:
    """Return the keys by which ties are ordered, in [0, 2**31). CRCs have to be mixed: ids with a regular
    pattern have CRCs with a regular pattern."""
    return (_mixed(of.astype(np.uint64)) >> np.uint64(33)).astype(np.int64)


def pairs(ordinals: Ordinals, of: Marks) -> int:
    """Return a digest of the pairs of ordinal and id, independent of their order."""
    return _digest(ordinals, of)


def _digest(*columns: NDArray[Any]) -> int:
    words: _Words = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        words = _mixed(words ^ column.astype(np.uint64))
    return int(words.sum(dtype=np.uint64))


def _mixed(words: _Words) -> _Words:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
