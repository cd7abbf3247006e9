"""Where documents stand: among equals, and after the candidates of a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Candidates, Mask, Ordinals, Ties

_BITS: Final = 32
_ORDINAL: Final = 2**_BITS - 1


def places(keys: NDArray[np.int64], ordinals: Ordinals) -> Ties:
    """The place of each ordinal below 2**32 in the order of ties: its key in [0, 2**31) and, among equal
    keys, the ordinal. So a place is nobody else's, and says whose it is."""
    return keys << _BITS | ordinals


@dataclass(frozen=True)
class Pool:
    """All candidates of some ``legs``, numbered in the order of ties: ``ordinals`` int64 (n,) by number.
    ``legs`` are the same lists with numbers for ordinals, so that "ties by ascending ordinal", all that a
    fusion or a reranker knows, is the order of ties."""

    ordinals: Ordinals
    legs: tuple[Candidates, ...]

    @classmethod
    def of(cls, legs: Sequence[Candidates], ties: Ties) -> Self:
        everyone = np.concatenate([ties[leg.ordinals] for leg in legs])
        order = everyone.argsort()
        ascending = everyone[order]
        first = firsts(ascending)
        numbers = np.empty(len(everyone), np.int64)
        numbers[order] = first.cumsum() - 1
        numbered, start = list[Candidates](), 0
        for leg in legs:
            numbered.append(Candidates(numbers[start : start + len(leg)], leg.scores, leg.floor))
            start += len(leg)
        return cls(ascending[first] & _ORDINAL, tuple(numbered))

    def __len__(self) -> int:
        return len(self.ordinals)

    def named(self, ranked: Candidates) -> Candidates:
        """``ranked``, by number, by ordinal again."""
        return Candidates(self.ordinals[ranked.ordinals], ranked.scores, ranked.floor)


def beyond(legs: Sequence[Candidates], depths: Sequence[int]) -> Ordinals:
    """The documents that are in none of the legs' first ``depths``: the next of each leg by turns, each
    document once. Deeper legs only make this longer."""
    heads = [leg.ordinals[:depth] for leg, depth in zip(legs, depths, strict=True)]
    rests = [leg.ordinals[depth:] for leg, depth in zip(legs, depths, strict=True)]
    turns = np.concatenate([len(legs) * np.arange(len(rest)) + i for i, rest in enumerate(rests)])
    everyone = np.concatenate([*heads, np.concatenate(rests)[turns.argsort()]])
    order = everyone.argsort(kind="stable")
    new = np.empty(len(everyone), np.bool_)
    new[order] = firsts(everyone[order])
    new[: sum(map(len, heads))] = False
    return everyone[new]


def first_of_each(values: Ordinals) -> NDArray[np.intp]:
    """The places, ascending, at which each of ``values`` stands for the first time."""
    return np.sort(np.unique(values, return_index=True)[1])


def firsts(values: Ordinals) -> Mask:
    """Which, bool (n,), are the first of their kind, where equal ones stand together."""
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first
