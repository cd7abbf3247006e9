"""How good a ranking is: ask an index the judged queries, measure the runs, compare them, keep them as
TREC files.

`coverage` counts what an index lacks, `run_systems` asks, `evaluate` measures, `compare` tells differences
from luck, `time_searches` takes the time, `tune` chooses how an index ranks, `learn` trains a model for it,
`choose` sets another reranker, `calibrate` makes scores mean something, `write_run` and `read_run` keep,
`judgments` makes judgments of clicks, `Miner` finds hard negatives. Nothing here prints.
"""

from __future__ import annotations

from hybrid.evaluate.asking import (
    Searchable,
    System,
    answerable,
    answering,
    by_mode,
    run_modes,
    run_systems,
)
from hybrid.evaluate.calibrating import Calibrated, calibrate
from hybrid.evaluate.clicks import Impression, Judgments, Propensities, judgments, propensities
from hybrid.evaluate.comparison import Change, Comparison, Paired, changes, compare, holm, paired
from hybrid.evaluate.coverage import Coverage, coverage
from hybrid.evaluate.latency import Latency, Timings, time_searches
from hybrid.evaluate.learning import Learning, learn
from hybrid.evaluate.measures import depth_of, parse
from hybrid.evaluate.mining import Mined, Miner
from hybrid.evaluate.reranking import Reranking, choose
from hybrid.evaluate.runs import read_run, write_run
from hybrid.evaluate.scoring import Report, evaluate
from hybrid.evaluate.tuning import Tuning, tune

__all__ = [
    "Calibrated",
    "Change",
    "Comparison",
    "Coverage",
    "Impression",
    "Judgments",
    "Latency",
    "Learning",
    "Mined",
    "Miner",
    "Paired",
    "Propensities",
    "Report",
    "Reranking",
    "Searchable",
    "System",
    "Timings",
    "Tuning",
    "answerable",
    "answering",
    "by_mode",
    "calibrate",
    "changes",
    "choose",
    "compare",
    "coverage",
    "depth_of",
    "evaluate",
    "holm",
    "judgments",
    "learn",
    "paired",
    "parse",
    "propensities",
    "read_run",
    "run_modes",
    "run_systems",
    "time_searches",
    "tune",
    "write_run",
]
