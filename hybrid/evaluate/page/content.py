"""The content of the page, in the order of the page; the template only lays it out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import groupby

from hybrid.evaluate.comparison import ALPHA, Comparison
from hybrid.evaluate.latency import Latency
from hybrid.evaluate.page.calibration import Bin, bins
from hybrid.evaluate.page.charts import Charts
from hybrid.evaluate.page.curves import Curves, over_cutoffs
from hybrid.evaluate.page.rankings import Case, Cases, TextOf
from hybrid.evaluate.scoring import Report
from hybrid.types import Qrels, Run


@dataclass(frozen=True)
class Drawn:
    """A chart that the page shows without escaping it: only ours are."""

    svg: str

    def __html__(self) -> str:
        return self.svg


@dataclass(frozen=True)
class System:
    """A row of the report; ``number``, its place there, says its colour and marker."""

    number: int
    name: str
    is_baseline: bool
    unanswered: int


@dataclass(frozen=True)
class Cell:
    """A mean, whether it is the best of its measure, and how it compares with the baseline's."""

    value: float
    best: bool
    comparison: Comparison | None

    @property
    def better(self) -> bool:
        return self._significant and self._difference > 0

    @property
    def worse(self) -> bool:
        return self._significant and self._difference < 0

    @property
    def _significant(self) -> bool:
        return self.comparison is not None and self.comparison.corrected < ALPHA

    @property
    def _difference(self) -> float:
        return 0.0 if self.comparison is None else self.comparison.paired.difference


@dataclass(frozen=True)
class Against:
    """One system against the baseline, query by query, on one measure."""

    system: System
    comparison: Comparison
    chart: Drawn
    worst: list[Case]
    best: list[Case]


@dataclass(frozen=True)
class Calibration:
    """The bins of one system, best scores last; without bins (no hit) there is no chart."""

    system: System
    bins: list[Bin]
    chart: Drawn | None


@dataclass(frozen=True)
class Timing:
    system: System
    latency: Latency
    chart: Drawn


class Content:
    """All figures, tables and charts of one page. ``qrels``: judged queries only."""

    def __init__(
        self,
        report: Report,
        runs: Mapping[str, Run],
        qrels: Qrels,
        queries: Mapping[str, str],
        comparisons: Sequence[Comparison],
        latencies: Mapping[str, Latency],
        text_of: TextOf,
    ) -> None:
        self.report, self.comparisons = report, comparisons
        self._runs = {name: runs[name] for name in report.systems}
        self._qrels, self._latencies = qrels, latencies
        self._cases = Cases(queries, qrels, cache(text_of))
        self._charts = Charts()
        baseline = comparisons[0].baseline if comparisons else None
        self.systems = [
            System(number, name, name == baseline, len(report.unanswered[name]))
            for number, name in enumerate(report.systems)
        ]
        self.baseline = next((system for system in self.systems if system.is_baseline), None)
        self._system = {system.name: system for system in self.systems}
        self._compared = {(one.system, one.measure): one for one in comparisons}

    # What was evaluated

    @cached_property
    def keys(self) -> list[Drawn]:
        return [Drawn(self._charts.key(system.number)) for system in self.systems]

    @cached_property
    def grades(self) -> list[tuple[int, int]]:
        """(grade, how many judgments), the highest grade first."""
        counted = Counter(grade for grades in self._qrels.values() for grade in grades.values())
        return sorted(counted.items(), reverse=True)

    @property
    def judgments(self) -> int:
        return sum(number for _, number in self.grades)

    @property
    def relevant(self) -> int:
        return sum(number for grade, number in self.grades if grade > 0)

    @cached_property
    def longest(self) -> int:
        """The number of hits of the longest answer."""
        return max((len(hits) for run in self._runs.values() for hits in run.values()), default=0)

    # The table

    @property
    def measures(self) -> list[str]:
        return list(next(iter(self.report.systems.values())))

    def cells(self, system: System) -> list[Cell]:
        return [self._cell(system.name, measure) for measure in self.measures]

    def _cell(self, name: str, measure: str) -> Cell:
        value = self.report.systems[name][measure]
        best = max(figures[measure] for figures in self.report.systems.values())
        several = len(self.systems) > 1 and not measure.startswith("Judged")
        return Cell(value, several and value == best, self._compared.get((name, measure)))

    # Against the baseline

    @property
    def by_measure(self) -> list[tuple[str, list[tuple[System, Comparison, Drawn]]]]:
        """measure -> each system's comparison, with a chart of its interval, on one scale a measure."""
        groups = groupby(self.comparisons, lambda one: one.measure)
        return [(measure, self._intervals(list(group))) for measure, group in groups]

    def _intervals(self, group: list[Comparison]) -> list[tuple[System, Comparison, Drawn]]:
        limit = max(abs(end) for one in group for end in (one.paired.low, one.paired.high))
        return [self._interval(one, 1.08 * limit or 1.0) for one in group]

    def _interval(self, one: Comparison, limit: float) -> tuple[System, Comparison, Drawn]:
        system, found = self._system[one.system], one.paired
        chart = self._charts.interval(found.low, found.difference, found.high, limit, system.number)
        return system, one, Drawn(chart)

    @cached_property
    def against(self) -> list[Against]:
        """Each system against the baseline on the first measure that is compared."""
        first = [one for one in self.comparisons if one.measure == self.comparisons[0].measure]
        limit = max((abs(d) for one in first for d in self._differences(one)), default=0)
        return [self._against(one, 1.05 * limit or 1.0) for one in first]

    def _against(self, one: Comparison, limit: float) -> Against:
        system, baseline = self._system[one.system], self._system[one.baseline]
        chart = self._charts.differences(self._differences(one), system.number, baseline.number, limit)
        values = self.report.per_query
        worst, best = self._cases.extremes(
            self._runs[one.system],
            self._runs[one.baseline],
            values[one.system][one.measure],
            values[one.baseline][one.measure],
        )
        return Against(system, one, Drawn(chart), worst, best)

    def _differences(self, one: Comparison) -> list[float]:
        values = self.report.per_query
        baseline = values[one.baseline][one.measure]
        return [v - baseline[query] for query, v in values[one.system][one.measure].items()]

    # Over cutoffs

    @cached_property
    def curves(self) -> list[Curves]:
        """System by system."""
        return list(over_cutoffs(self._runs, self._qrels).values())

    @property
    def curve_charts(self) -> list[tuple[str, list[list[float]], Drawn]]:
        """(measure, system x cutoff, chart)"""
        both = [("nDCG", [c.ndcg for c in self.curves]), ("Recall", [c.recall for c in self.curves])]
        cutoffs = self.curves[0].cutoffs
        return [(name, lines, Drawn(self._charts.curves(cutoffs, lines))) for name, lines in both]

    # Scores

    @cached_property
    def calibrations(self) -> list[Calibration]:
        found = [bins(run, self._qrels) for run in self._runs.values()]
        highest = max((one.share for cut in found for one in cut), default=0)
        top = 115 * highest or 1.0  # percent, with room for the counts over the bars
        return [
            Calibration(
                system, cut, Drawn(self._charts.calibration(cut, system.number, top)) if cut else None
            )
            for system, cut in zip(self.systems, found, strict=True)
        ]

    # Time

    @cached_property
    def timings(self) -> list[Timing]:
        timed = [(s, self._latencies[s.name]) for s in self.systems if s.name in self._latencies]
        longest = max((latency.p99 for _, latency in timed), default=0) or 1.0
        return [
            Timing(s, t, Drawn(self._charts.latency((t.p50, t.p95, t.p99), longest, s.number)))
            for s, t in timed
        ]
