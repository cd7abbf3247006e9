"""How good a ranking is: ask an index the judged queries, measure the runs, keep them as TREC files.

`run_modes` asks, `evaluate` measures, `write_run` and `read_run` keep. Nothing here prints.
"""

from __future__ import annotations

from hybrid.evaluate.asking import Searchable, run_modes
from hybrid.evaluate.measures import depth_of, parse
from hybrid.evaluate.runs import read_run, write_run
from hybrid.evaluate.scoring import Report, evaluate

__all__ = [
    "Report",
    "Searchable",
    "depth_of",
    "evaluate",
    "parse",
    "read_run",
    "run_modes",
    "write_run",
]
