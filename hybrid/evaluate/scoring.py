"""Runs against judgments: one figure a system and measure, and one a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hybrid.errors import InputError
from hybrid.evaluate.measures import reach
from hybrid.types import Qrels, Run

if TYPE_CHECKING:
    from ir_measures import Measure

PerQuery: TypeAlias = dict[str, float]

# trec_eval keeps an array as long as the highest grade; past some size it gives up and says 0.
_HIGHEST_GRADE = 1_000_000


@dataclass(frozen=True)
class Report:
    """What `evaluate` found. Measures go by their canonical name: ``MRR@10`` was asked, ``RR@10`` is told.

    ``queries``: how many are judged: all count in every mean. ``systems``: system -> measure -> mean (the
    sum, for measures that count). ``per_query``: system -> measure -> query -> value. ``unanswered``:
    system -> judged queries that it answered with nothing. ``unasked``: judged queries that appear in
    no run at all, as happens when the queries file lacks them.
    """

    queries: int
    systems: dict[str, dict[str, float]]
    per_query: dict[str, dict[str, PerQuery]]
    unanswered: dict[str, list[str]]
    unasked: list[str]

    def to_json(self) -> dict[str, Any]:
        """``{"queries": n, "systems": {"lexical": {"nDCG@10": ...}}}``, and ``unanswered`` as counts."""
        return {
            "queries": self.queries,
            "systems": self.systems,
            "unanswered": {name: len(queries) for name, queries in self.unanswered.items()},
            "unasked": self.unasked,
        }


def evaluate(systems: Mapping[str, Run], qrels: Qrels, measures: Sequence[Measure]) -> Report:
    """Measure each run of ``systems`` on ``qrels``.

    A run's order is the ranking; its scores do not count. A judged query that a run does not answer
    scores 0 and counts in the mean; so does one whose grades are all 0. Queries without judgments are
    ignored. Raises InputError if nothing is judged, or a run ranks a document twice.
    """
    judged = {query: grades for query, grades in qrels.items() if grades}
    if not judged:
        raise InputError("the judgments (qrels) judge no query")
    scorer = _Scorer(judged)
    per_query = {name: scorer.score(name, run, measures) for name, run in systems.items()}
    return Report(
        queries=len(judged),
        systems={name: _means(values, measures) for name, values in per_query.items()},
        per_query=per_query,
        unanswered={
            name: [query for query in judged if not run.get(query)] for name, run in systems.items()
        },
        unasked=[query for query in judged if not any(query in run for run in systems.values())],
    )


class _Scorer:
    """Hands ids to ir_measures as numbers. Its providers are C, Perl and temporary files between
    blanks: NUL cuts an id short, a lone surrogate ends the process, a space shifts the columns."""

    def __init__(self, qrels: Qrels) -> None:
        self._numbers = _Numbers()
        self._queries = {query: str(number) for number, query in enumerate(qrels, start=1)}
        self._qrels = {self._queries[query]: self._grades(query, grades) for query, grades in qrels.items()}

    def score(self, name: str, run: Run, measures: Sequence[Measure]) -> dict[str, PerQuery]:
        """measure -> query -> value, for every judged query."""
        ranked = self._ranked(name, run)
        return {str(measure): self._values(measure, ranked) for measure in measures}

    def _values(self, measure: Measure, ranked: dict[str, list[str]]) -> PerQuery:
        # One measure at a time: ir_measures 0.4.3 lets nDCG share a pass with nDCG(gains=...) and so
        # its gains. Cut to what the measure sees, this costs no more than one pass over everything.
        import ir_measures

        depth = reach(measure)
        run = {query: _descending(documents[:depth]) for query, documents in ranked.items()}
        found = {
            metric.query_id: metric.value for metric in ir_measures.iter_calc([measure], self._qrels, run)
        }
        return {query: float(found.get(number, 0.0)) for query, number in self._queries.items()}

    def _ranked(self, name: str, run: Run) -> dict[str, list[str]]:
        answered = {query: hits for query, hits in run.items() if hits and query in self._queries}
        return {
            self._queries[query]: self._documents(name, query, hits) for query, hits in answered.items()
        }

    def _documents(self, name: str, query: str, hits: list[tuple[str, float]]) -> list[str]:
        documents = [self._numbers[document] for document, _ in hits]
        if len(set(documents)) < len(documents):
            raise InputError(f"run {name!r} ranks a document twice for query {query!r}")
        return documents

    def _grades(self, query: str, grades: Mapping[str, int]) -> dict[str, int]:
        if max(grades.values()) > _HIGHEST_GRADE:
            raise InputError(f"query {query!r} has a grade above {_HIGHEST_GRADE}")
        return {self._numbers[document]: grade for document, grade in grades.items()}


class _Numbers(dict[str, str]):
    """Name -> its number, counted in order of appearance."""

    def __missing__(self, name: str) -> str:
        self[name] = number = str(len(self))
        return number


def _descending(documents: list[str]) -> dict[str, float]:
    return dict(zip(documents, map(float, range(len(documents), 0, -1)), strict=True))


def _means(values: Mapping[str, PerQuery], measures: Sequence[Measure]) -> dict[str, float]:
    return {str(measure): _aggregate(measure, values[str(measure)]) for measure in measures}


def _aggregate(measure: Measure, values: PerQuery) -> float:
    aggregator = measure.aggregator()
    for value in values.values():
        aggregator.add(value)
    return float(aggregator.result())
