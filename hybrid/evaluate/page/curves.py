"""nDCG and recall over cutoffs, and how much of the first ten is judged."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hybrid.evaluate.measures import parse
from hybrid.evaluate.scoring import evaluate
from hybrid.types import Qrels, Run

DEEPEST: Final = 100
_CUTOFFS: Final = (1, 2, 3, 5, 10, 20, 30, 50, 70, DEEPEST)


@dataclass(frozen=True)
class Curves:
    """One system's means over all judged queries: ``ndcg`` and ``recall`` at each of ``cutoffs``, and
    ``judged``, the share of its first ten hits that is judged."""

    cutoffs: Sequence[int]
    ndcg: list[float]
    recall: list[float]
    judged: float


def over_cutoffs(runs: Mapping[str, Run], qrels: Qrels) -> dict[str, Curves]:
    """System -> its curves, to rank 100 or to the first cutoff that holds every answer whole."""
    longest = max((len(hits) for run in runs.values() for hits in run.values()), default=0)
    cutoffs = _CUTOFFS[: 1 + bisect_left(_CUTOFFS, longest)]
    judged = evaluate(runs, qrels, parse("Judged@10")).systems
    scorer = _Scorer(qrels, cutoffs)
    return {
        name: Curves(cutoffs, *scorer.means(run), judged=judged[name]["Judged@10"])
        for name, run in runs.items()
    }


class _Scorer:
    """trec_eval itself, all cutoffs in one pass: what ir_measures calls, without the object that it makes
    of every value (for 5,000 queries and three systems 1.4 s against 11)."""

    def __init__(self, qrels: Qrels, cutoffs: Sequence[int]) -> None:
        import pytrec_eval

        self._queries, self._cutoffs = qrels.keys(), cutoffs
        # As numbers: what its C code would make of a hostile id is its own affair.
        self._numbers: defaultdict[str, str] = defaultdict(lambda: str(len(self._numbers)))
        numbered = {
            self._numbers[query]: {self._numbers[document]: grade for document, grade in grades.items()}
            for query, grades in qrels.items()
        }
        at = ",".join(map(str, cutoffs))
        self._evaluator = pytrec_eval.RelevanceEvaluator(numbered, {f"ndcg_cut.{at}", f"recall.{at}"})

    def means(self, run: Run) -> tuple[list[float], list[float]]:
        """nDCG and recall at each cutoff."""
        values = self._evaluator.evaluate(
            {self._numbers[query]: self._scores(run[query]) for query in self._queries if run.get(query)}
        )

        def mean(measure: str) -> float:
            return float(sum(found[measure] for found in values.values()) / len(self._queries))

        ndcg = [mean(f"ndcg_cut_{cutoff}") for cutoff in self._cutoffs]
        return ndcg, [mean(f"recall_{cutoff}") for cutoff in self._cutoffs]

    def _scores(self, hits: list[tuple[str, float]]) -> dict[str, float]:
        """Scores that say what the order says: ties of the run's own would be broken by id."""
        return {self._numbers[document]: float(-rank) for rank, (document, _) in enumerate(hits[:DEEPEST])}
