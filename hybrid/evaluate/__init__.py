"""Measure how good a ranking is: ask an index the judged queries, measure the runs, compare them, keep them
as TREC files.

`coverage` counts what an index lacks, `run_systems` asks, `evaluate` measures, `compare` tells differences
from luck, `time_searches` takes the time, `write_run` and `read_run` keep. Nothing here prints.

Imports the index and search.
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
from hybrid.evaluate.comparison import Change, Comparison, Paired, changes, compare, holm, paired
from hybrid.evaluate.coverage import Coverage, coverage
from hybrid.evaluate.encoders import reencoded
from hybrid.evaluate.latency import Latency, Timings, time_searches
from hybrid.evaluate.measures import depth_of, parse
from hybrid.evaluate.runs import read_run, write_run
from hybrid.evaluate.scoring import Report, evaluate

__all__ = [
    "Change",
    "Comparison",
    "Coverage",
    "Latency",
    "Paired",
    "Report",
    "Searchable",
    "System",
    "Timings",
    "answerable",
    "answering",
    "by_mode",
    "changes",
    "compare",
    "coverage",
    "depth_of",
    "evaluate",
    "holm",
    "paired",
    "parse",
    "read_run",
    "reencoded",
    "run_modes",
    "run_systems",
    "time_searches",
    "write_run",
]
