"""The candidates of one query, by number, and what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hybrid.types import Candidates, Mask, Ordinals, Ties


@dataclass(frozen=True)
class Pool:
    """All candidates of some ``legs``, numbered in the order of ties: ``ordinals`` int64 (n,) by number.
    ``legs`` are the same lists with numbers for ordinals."""

    ordinals: Ordinals
    legs: tuple[Candidates, ...]

    @classmethod
    def of(cls, legs: Sequence[Candidates], ties: Ties) -> Self:
        everyone = np.concatenate([leg.ordinals for leg in legs])
        order = np.lexsort((everyone, ties[everyone]))
        ranked = everyone[order]
        first = firsts(ranked)
        numbers = np.empty(len(everyone), np.int64)
        numbers[order] = first.cumsum() - 1
        numbered, start = list[Candidates](), 0
        for leg in legs:
            numbered.append(Candidates(numbers[start : start + len(leg)], leg.scores, leg.floor))
            start += len(leg)
        return cls(ranked[first], tuple(numbered))

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


def firsts(ordinals: Ordinals) -> Mask:
    """Which, bool (n,), are the first of their kind, where equal ones stand together."""
    first = np.ones(len(ordinals), np.bool_)
    np.not_equal(ordinals[1:], ordinals[:-1], out=first[1:])
    return first
