"""Judged queries and clicks to better rankings: profiles, models and training data.

`tune` chooses how an index ranks, `vote` how its past queries do, `learn` trains a model for it, `choose`
sets another reranker, `adapt` moves the vectors of queries, `calibrate` makes scores mean something: each
makes a `Trial`, and `Trial.install` lets an index serve what proved better. `replace` judges a whole index,
built again with another encoder. `judgments` makes judgments of clicks, `Miner` finds hard negatives.
Nothing here prints.

Imports evaluate, rerank and fusion.
"""

from __future__ import annotations

from hybrid.learn.adapting import Adapting, adapt
from hybrid.learn.calibrating import Calibrated, calibrate
from hybrid.learn.clicks.judgments import Impression, Judgments, Propensities, judgments, propensities
from hybrid.learn.contest import Contest, Figures
from hybrid.learn.mining import Mined, Miner
from hybrid.learn.replacing import replace
from hybrid.learn.reranking import Reranking, choose
from hybrid.learn.training import Learning, learn
from hybrid.learn.trial import Trial
from hybrid.learn.tuning import Tuning, tune
from hybrid.learn.voting import vote

__all__ = [
    "Adapting",
    "Calibrated",
    "Contest",
    "Figures",
    "Impression",
    "Judgments",
    "Learning",
    "Mined",
    "Miner",
    "Propensities",
    "Reranking",
    "Trial",
    "Tuning",
    "adapt",
    "calibrate",
    "choose",
    "judgments",
    "learn",
    "propensities",
    "replace",
    "tune",
    "vote",
]
