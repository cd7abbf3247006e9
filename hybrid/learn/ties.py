"""The share of a ranking that its own scores leave open: equal scores are ranked by whatever breaks
ties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

import numpy as np

from hybrid.types import Run

PLACES: Final = 10
MOST: Final = 0.5
"""A ranking that ties more is refused. A score that is the same for all has 1. Measured, means over train
or dev queries: of 94 profiles on scifact, nfcorpus_preproc and stackfaq .12 at most (BM25 alone, where
short queries match fewer than ten), .10 of RRF at depth 10, .03 of RRF(60); of BM25 on qbqtc_zh, zh_medqa
and cmrc2018 .10 at most (short titles)."""


def tied(run: Run) -> list[float]:
    """For each query with two hits or more: how many of the first ten share the score that most of them
    have, from 0, where all differ, to 1, where all are equal."""
    tops = ([score for _, score in hits[:PLACES]] for hits in run.values())
    return [(max(Counter(top).values()) - 1) / (len(top) - 1) for top in tops if len(top) > 1]


def mean(shares: Iterable[float]) -> float:
    """0 where no query has two hits."""
    found = list(shares)
    return float(np.mean(found)) if found else 0.0
