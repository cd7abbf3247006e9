"""How much of a ranking its own scores leave open: where scores are equal, whatever breaks ties ranks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from hybrid.types import Run

PLACES: Final = 10
MOST: Final = 0.6
"""What ties more is refused. Two lists without a common document, fused by their ranks, tie in pairs: 5/9.
A score that is the same for all has 1, one of two levels 8/9. Measured, means over train or dev queries: of
94 profiles on scifact, nfcorpus_preproc and stackfaq .24 at most (RRF at depth 10), .04 of RRF(60); of BM25
alone on these and qbqtc_zh, zh_medqa and cmrc2018 .13 at most (the short titles of qbqtc_zh)."""


def tied(run: Run) -> list[float]:
    """For each query with two hits or more: of the steps between its first ten places, what share is from a
    score to an equal one."""
    tops = ([score for _, score in hits[:PLACES]] for hits in run.values())
    return [1 - (len(set(top)) - 1) / (len(top) - 1) for top in tops if len(top) > 1]


def mean(shares: Iterable[float]) -> float:
    """0 where no query has two hits."""
    found = list(shares)
    return float(np.mean(found)) if found else 0.0
