"""The parts of which fused scores are the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from hybrid.fusion._merge import Terms, pooled
from hybrid.fusion.evidence import Evidence
from hybrid.types import Candidates, Ordinals


class Parts(NamedTuple):
    """For each candidate, ``ordinals`` int64 (n,), ascending, what ``adds`` to its score, by name, float64
    (n,) each; they sum to it. ``notes``: what the query was to the fusion, in words."""

    ordinals: Ordinals
    adds: Mapping[str, Terms]
    notes: tuple[str, ...] = ()


class Explained(Protocol):
    """A fusion that says of what its scores are made."""

    def parts(self, legs: Sequence[Candidates], evidence: Evidence, /) -> Parts:
        """The parts of what ``legs`` are fused to."""
        ...


def by_leg(legs: Sequence[Candidates], terms: Sequence[Terms]) -> Parts:
    """The parts where list i adds ``terms[i]``, float64 (len(legs[i]),), and 0 to what it lacks."""
    ordinals, places = pooled(legs)
    adds, start = dict[str, Terms](), 0
    names = ("lexical", "vector") if len(legs) == 2 else [f"list {i + 1}" for i in range(len(legs))]
    for name, leg, own in zip(names, legs, terms, strict=True):
        adds[name] = np.zeros(len(ordinals))
        adds[name][places[start : start + len(leg)]] = own
        start += len(leg)
    return Parts(ordinals, adds)
