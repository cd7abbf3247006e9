"""Ranked lists to one list. A fusion is a value: ``RRF(k=60)``, ``Linear(weights=(0.4, 0.6))``."""

from hybrid.fusion.complete import Similar, complete
from hybrid.fusion.linear import Linear
from hybrid.fusion.normalize import Distribution, MinMax, Normalizer, TheoreticalMinMax, ZScore
from hybrid.fusion.profile import dump, load
from hybrid.fusion.rrf import RRF

__all__ = [
    "RRF",
    "Distribution",
    "Linear",
    "MinMax",
    "Normalizer",
    "Similar",
    "TheoreticalMinMax",
    "ZScore",
    "complete",
    "dump",
    "load",
]
