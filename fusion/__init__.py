"""Fuse ranked lists into one. A fusion is a value: ``RRF(k=60)``, ``Linear(weights=(0.4, 0.6))``."""

from hybrid.fusion.adaptive import Adaptive
from hybrid.fusion.combsum import CombSUM
from hybrid.fusion.complete import complete
from hybrid.fusion.evidence import Evidence, Informed, QueryTerms
from hybrid.fusion.linear import Linear
from hybrid.fusion.normalize import Distribution, MinMax, Normalizer, Softplus, TheoreticalMinMax, ZScore
from hybrid.fusion.profile import dump, load
from hybrid.fusion.rocchio import Rocchio
from hybrid.fusion.rrf import RRF
from hybrid.fusion.voting import Answers, Votes, Voting

__all__ = [
    "RRF",
    "Adaptive",
    "Answers",
    "CombSUM",
    "Distribution",
    "Evidence",
    "Informed",
    "Linear",
    "MinMax",
    "Normalizer",
    "QueryTerms",
    "Rocchio",
    "Softplus",
    "TheoreticalMinMax",
    "Votes",
    "Voting",
    "ZScore",
    "complete",
    "dump",
    "load",
]
