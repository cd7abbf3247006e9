"""Judged queries and clicks to better rankings: profiles, models and training data.

`tune` chooses how an index ranks, `learn` trains a model for it, `choose` sets another reranker,
`calibrate` makes scores mean something, `judgments` makes judgments of clicks, `Miner` finds hard
negatives. Nothing here prints, and nothing is installed: that is the index's (`Index.install`).

Imports evaluate, rerank and fusion.
"""

from __future__ import annotations

from hybrid.learn.calibrating import Calibrated, calibrate
from hybrid.learn.clicks.judgments import Impression, Judgments, Propensities, judgments, propensities
from hybrid.learn.mining import Mined, Miner
from hybrid.learn.reranking import Reranking, choose
from hybrid.learn.training import Learning, learn
from hybrid.learn.tuning import Tuning, tune

__all__ = [
    "Calibrated",
    "Impression",
    "Judgments",
    "Learning",
    "Mined",
    "Miner",
    "Propensities",
    "Reranking",
    "Tuning",
    "calibrate",
    "choose",
    "judgments",
    "learn",
    "propensities",
    "tune",
]
