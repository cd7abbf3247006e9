"""Runs against judgments: one figure a system and measure, and one a query."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from hybrid.errors import InputError, MeasureError
from hybrid.evaluate.identical import not_answered, not_judged
from hybrid.evaluate.measures import check_grades, native, reach
from hybrid.evaluate.native import Numbered, plain, scored
from hybrid.limits import shown
from hybrid.types import Qrels, Run

if TYPE_CHECKING:
    from ir_measures import Measure

PerQuery: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Report:
    """The result of `evaluate`. Measures have their canonical name: ``MRR@10`` is reported as ``RR@10``.

    ``queries``: the number of judged ones; all count in every mean. ``systems``: system -> measure -> mean
    (the sum, for measures that count). ``per_query``: system -> measure -> query -> value. ``unanswered``:
    system -> judged queries that it answered with nothing. ``unasked``: judged queries that appear in no
    run at all, as happens when the queries file lacks them.
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


def evaluate(
    systems: Mapping[str, Run],
    qrels: Qrels,
    measures: Sequence[Measure],
    *,
    ignore_identical_ids: bool = False,
) -> Report:
    """Measure each run of ``systems`` on ``qrels``.

    A run's order is the ranking; its scores do not count. A grade below 0 counts as 0: judged, and not
    relevant. A judged query that a run does not answer scores 0 and counts in the mean; so does one whose
    grades are all 0. Queries without judgments are ignored. With ``ignore_identical_ids`` a document that
    has the query's id counts for nothing. Raises InputError if nothing is judged, for a grade that is no
    whole number up to a million, or if a run ranks a document twice; MeasureError where a measure cannot be
    computed of what is given.
    """
    if ignore_identical_ids:
        qrels, systems = not_judged(qrels), {name: not_answered(run) for name, run in systems.items()}
    judged = {query: grades for query, grades in plain(qrels).items() if grades}
    if not judged:
        raise InputError("the judgments (qrels) judge no query")
    check_grades(measures, max(max(grades.values()) for grades in judged.values()))
    numbered = Numbered(judged)
    ranked = {name: numbered.ranked(name, run) for name, run in systems.items()}
    per_query = {
        name: {str(measure): _values(measure, numbered, lists) for measure in measures}
        for name, lists in ranked.items()
    }
    return Report(
        queries=len(judged),
        systems={name: _means(values, measures) for name, values in per_query.items()},
        per_query=per_query,
        unanswered={
            name: [query for query in judged if not run.get(query)] for name, run in systems.items()
        },
        unasked=[query for query in judged if not any(query in run for run in systems.values())],
    )


def _values(measure: Measure, qrels: Numbered, ranked: Mapping[str, list[str]]) -> PerQuery:
    """Query -> value, for every judged query. MeasureError where a value is not a finite number."""
    # One measure at a time: ir_measures 0.4.3 lets nDCG share a pass with nDCG(gains=...) and so its
    # gains. Cut to what the measure sees, this costs no more than one pass over everything.
    import ir_measures

    longest = max(map(len, (*ranked.values(), *qrels.qrels.values())))
    asked, judged = native(measure, qrels.qrels, longest)
    try:
        answers = list(ir_measures.iter_calc([asked], judged, scored(ranked, reach(measure))))
    except Exception as error:  # Accuracy divides by the number of documents that are not relevant, say
        raise MeasureError(
            f"measure {measure} cannot be computed of these judgments and runs ({type(error).__name__})"
        ) from error
    found = {metric.query_id: float(metric.value) for metric in answers}
    values = {query: found.get(number, 0.0) for query, number in qrels.queries.items()}
    if strange := [query for query, value in values.items() if not math.isfinite(value)]:
        raise MeasureError(f"measure {measure} has no value for query {shown(strange[0])}")
    return values


def _means(values: Mapping[str, PerQuery], measures: Sequence[Measure]) -> dict[str, float]:
    return {str(measure): _aggregate(measure, values[str(measure)]) for measure in measures}


def _aggregate(measure: Measure, values: PerQuery) -> float:
    aggregator = measure.aggregator()
    for value in values.values():
        aggregator.add(value)
    return float(aggregator.result())
