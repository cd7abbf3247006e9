"""The door to native code: what trec_eval, gdeval and LightGBM get to see of judgments and runs.

Grades are whole numbers from 0 to a million, ids are numbers, scores say the order and no more. Whatever
else a file or a program brings is made such, or refused: behind the door there are C arrays as long as the
highest grade says, Perl, and temporary files between blanks.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Final, SupportsIndex

from hybrid.errors import InputError
from hybrid.limits import shown
from hybrid.types import Qrels, Run

HIGHEST_GRADE: Final = 1_000_000
"""trec_eval keeps an array as long as a query's highest grade; past some size it gives up and says 0."""


def plain(qrels: Qrels) -> Qrels:
    """Judgments as measures count them. A grade below 0 (spam, in TREC's Web tracks) is 0: judged, and not
    relevant. trec_eval would take -1 for not judged, and end the process for a query of nothing above -2.
    InputError for a grade that is no whole number, or above `HIGHEST_GRADE`.
    """
    return {
        query: {document: _grade(query, document, grade) for document, grade in grades.items()}
        for query, grades in qrels.items()
    }


def _grade(query: str, document: str, given: object) -> int:
    grade = _whole(given)
    if grade is None:
        raise InputError(
            f"query {shown(query)}: the grade of document {shown(document)} is {shown(given)}, "
            "not an integer"
        )
    if grade > HIGHEST_GRADE:
        raise InputError(f"query {shown(query)} has a grade above {HIGHEST_GRADE:,}: {shown(grade)}")
    return max(grade, 0)


def _whole(given: object) -> int | None:
    if isinstance(given, SupportsIndex):
        return operator.index(given)
    return int(given) if isinstance(given, float) and given.is_integer() else None


class Numbered:
    """Judgments (see `plain`) and runs whose ids are numbers: NUL cuts an id short, a lone surrogate ends
    the process, a space shifts the columns. ``queries``: id -> number."""

    def __init__(self, qrels: Qrels) -> None:
        self._documents = _Numbers()
        self.queries = {query: str(number) for number, query in enumerate(qrels, start=1)}
        self.qrels = {
            self.queries[query]: {self._documents[document]: grade for document, grade in grades.items()}
            for query, grades in qrels.items()
        }

    def ranked(self, name: str, run: Run) -> dict[str, list[str]]:
        """The answers of ``run`` to the judged queries. Raises InputError if one is ranked twice."""
        answered = {query: hits for query, hits in run.items() if hits and query in self.queries}
        return {self.queries[query]: self._ids(name, query, hits) for query, hits in answered.items()}

    def _ids(self, name: str, query: str, hits: list[tuple[str, float]]) -> list[str]:
        documents = [self._documents[document] for document, _ in hits]
        if len(set(documents)) < len(documents):
            raise InputError(f"run {shown(name)} ranks a document twice for query {shown(query)}")
        return documents


class _Numbers(dict[str, str]):
    """Name -> its number, counted in order of appearance."""

    def __missing__(self, name: str) -> str:
        self[name] = number = str(len(self))
        return number


def scored(ranked: Mapping[str, list[str]], depth: int | None = None) -> dict[str, dict[str, float]]:
    """The first ``depth`` of each list with scores that say its order: ties of a run's own would be broken
    by id."""
    return {query: _descending(documents[:depth]) for query, documents in ranked.items()}


def _descending(documents: list[str]) -> dict[str, float]:
    return dict(zip(documents, map(float, range(len(documents), 0, -1)), strict=True))
