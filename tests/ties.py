"""The order of ties as its definition says it, without a line of the engine's."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

_WORD = 2**64


def key(id: str) -> int:
    """The upper 31 bits of what SplitMix64's finaliser makes of the CRC-32 of the id."""
    word = (zlib.crc32(id.encode()) + 0x9E3779B97F4A7C15) % _WORD
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % _WORD
    return (word ^ (word >> 31)) >> 33


def by_ties(ids: Iterable[str]) -> list[str]:
    """``ids`` as they stand where all score alike."""
    return sorted(ids, key=key)
