"""The queries on which two systems differ most, with both rankings side by side."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final
from unicodedata import east_asian_width

from hybrid.types import Document, Qrels, Run

RANKS: Final = 10
WORST: Final = 8
BEST: Final = 4
_COLUMNS: Final = 84
_ROUNDING: Final = 1e-9  # two equal rankings may differ by this much

TextOf = Callable[[str], Document | None]


@dataclass(frozen=True)
class Row:
    """A hit: ``grade`` is None where it is not judged, ``elsewhere`` its rank in the other ranking, None
    where that lacks it."""

    rank: int
    id: str
    text: str
    grade: int | None
    elsewhere: int | None


@dataclass(frozen=True)
class Missed:
    """A relevant document among the first ten of neither ranking, with its rank in each."""

    id: str
    grade: int
    baseline_rank: int | None
    rank: int | None


@dataclass(frozen=True)
class Case:
    """One query, its value under each of the two systems and their first ten hits."""

    query: str
    text: str
    value: float
    baseline_value: float
    relevant: int
    rows: list[Row]
    baseline_rows: list[Row]
    missed: list[Missed]

    @property
    def difference(self) -> float:
        return self.value - self.baseline_value


@dataclass(frozen=True)
class Cases:
    """The queries, the judgments and the documents, for looking at single queries."""

    queries: Mapping[str, str]
    qrels: Qrels
    text_of: TextOf

    def extremes(
        self, run: Run, baseline: Run, values: Mapping[str, float], baseline_values: Mapping[str, float]
    ) -> tuple[list[Case], list[Case]]:
        """The queries that lost most and those that won most, the largest difference first."""
        differences = {query: value - baseline_values[query] for query, value in values.items()}
        order = sorted(differences, key=differences.__getitem__)
        worst = [query for query in order[:WORST] if differences[query] < -_ROUNDING]
        best = [query for query in order[: -BEST - 1 : -1] if differences[query] > _ROUNDING]

        def case(query: str) -> Case:
            pair = run.get(query, []), baseline.get(query, [])
            return self._case(query, values[query], baseline_values[query], *map(_ranks, pair))

        return [case(query) for query in worst], [case(query) for query in best]

    def _case(
        self, query: str, value: float, baseline_value: float, ranks: dict[str, int], before: dict[str, int]
    ) -> Case:
        grades = self.qrels[query]
        relevant = sorted((d for d in grades if grades[d] > 0), key=grades.__getitem__, reverse=True)
        return Case(
            query=query,
            text=brief(self.queries.get(query, ""), 3 * _COLUMNS),
            value=value,
            baseline_value=baseline_value,
            relevant=len(relevant),
            rows=self._rows(ranks, before, grades),
            baseline_rows=self._rows(before, ranks, grades),
            missed=[
                Missed(document, grades[document], before.get(document), ranks.get(document))
                for document in relevant
                if min(before.get(document, RANKS + 1), ranks.get(document, RANKS + 1)) > RANKS
            ],
        )

    def _rows(self, ranks: dict[str, int], other: dict[str, int], grades: Mapping[str, int]) -> list[Row]:
        return [
            Row(rank, document, self._text(document), grades.get(document), other.get(document))
            for document, rank in list(ranks.items())[:RANKS]
        ]

    def _text(self, id: str) -> str:
        document = self.text_of(id)
        return "" if document is None else brief(document.title.strip() or document.text)


def brief(text: str, columns: int = _COLUMNS) -> str:
    """The first words of ``text`` on one line; a Chinese character is as wide as two Latin ones."""
    # Cut first: a document may be a book, of which only the head is wanted.
    line = " ".join(text[: 4 * columns].split())
    ends = list(accumulate(2 if east_asian_width(character) in "WF" else 1 for character in line))
    return line if not ends or ends[-1] <= columns else line[: bisect(ends, columns - 1)].rstrip() + "…"


def _ranks(hits: list[tuple[str, float]]) -> dict[str, int]:
    return {document: rank for rank, (document, _) in enumerate(hits, start=1)}
