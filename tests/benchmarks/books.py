"""Long documents by keywords: each as a whole against its passages, of which the best counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from hybrid.intake.passages import pieces
from hybrid.lexical.bm25 import LexicalView, open_index
from hybrid.lexical.terms import of_document, of_query
from hybrid.types import Analyzer, Document, Passage, Scores
from tests.benchmarks import shelf
from tests.benchmarks.house import House, write_lexical
from tests.benchmarks.report import Report, Table
from tests.benchmarks.shelf import Place, Shelf

_NOTE: Final = (
    "BM25. `book R@k`: of the queries answered in a book, for which share it is among the first k "
    "documents; `single R@k`: likewise of those answered by a paragraph that is a document. `passage R@k`: "
    "a right passage, of which half lies in the answering paragraph or that holds half of it, is among the "
    "first k; `within`: the best passage of the right book is right."
)
_CUTS: Final[dict[str, Callable[[Document], list[Place]]]] = {
    "documents": lambda document: [Place(document.id, Passage(0, len(document.text)))],
    "passages": lambda document: [
        Place(document.id, piece.span) for piece in pieces(document.text, document.title)
    ],
}


def run(house: House) -> Report:
    if house.plan.data is None:
        raise SystemExit("books: --data FOLDER says of which judged collection, a BEIR folder")
    judged = shelf.Judged.read(house.plan.data)
    report = Report("books", paragraphs=len(judged.paragraphs), queries=len(judged.queries))
    for titles in (False, True):
        table = report.table(f"With{'' if titles else 'out'} titles", note=_NOTE)
        for name, make in (("single", shelf.single), ("mixed", shelf.mixed), ("books", shelf.books)):
            made = make(judged, titles=titles)
            for cut, places in _CUTS.items():
                _measure(table, house.analyzer, name, cut, made, places)
    return report


@dataclass
class _Ranks:
    """Ranks, from 1, of what is right."""

    found: dict[str, list[int]] = field(default_factory=dict)

    def add(self, what: str, rank: int) -> None:
        self.found.setdefault(what, []).append(rank)

    def share(self, what: str, k: int) -> float | None:
        ranks = self.found.get(what)
        return None if ranks is None else float(np.mean(np.array(ranks) <= k))


def _measure(
    table: Table,
    analyzer: Analyzer,
    name: str,
    cut: str,
    made: Shelf,
    places: Callable[[Document], list[Place]],
) -> None:
    rows = [(place, document) for document in made.documents for place in places(document)]
    terms = [_terms(analyzer, place, document) for place, document in rows]
    view, ranks = _indexed(terms), _Ranks()
    numbers = {document.id: number for number, document in enumerate(made.documents)}
    owners = np.array([numbers[document.id] for _, document in rows])
    for query, text in made.queries.items():
        answer = made.answers[query]
        scores, best = np.zeros(len(rows), np.float32), np.zeros(len(numbers), np.float32)
        found = view.search(of_query(analyzer, text), len(rows))
        scores[found.ordinals] = found.scores
        np.maximum.at(best, owners, scores)
        number, in_book = numbers[answer.document], answer.document in made.books
        ranks.add("book" if in_book else "single", _rank(best, [number]))
        if in_book and cut == "passages":
            own = np.flatnonzero(owners == number)
            right = [row for row in own.tolist() if _right(rows[row][0].span, answer.span)]
            ranks.add("passage", _rank(scores, right))
            ranks.add("within", _rank(scores[own], [row - int(own[0]) for row in right]))
    cells = {
        f"{what} R@{k}": ranks.share(what, k) for what in ("book", "single", "passage") for k in (1, 10)
    }
    table.add(collection=name, rows=cut, number=len(rows), **cells, within=ranks.share("within", 1))


def _indexed(rows: list[list[str]]) -> LexicalView:
    with TemporaryDirectory() as folder:
        write_lexical(Path(folder) / "rows", rows)
        return LexicalView.of(open_index(Path(folder) / "rows"))  # whose files are mapped by now


def _terms(analyzer: Analyzer, place: Place, document: Document) -> list[str]:
    start, end = place.span
    return of_document(analyzer, document.title, document.text[start:end]).of("terms")


def _rank(scores: Scores, right: Iterable[int]) -> int:
    """Of the best of those that are right; before it stand all that score as much."""
    best = max((scores[one] for one in right), default=-1.0)
    others = np.delete(scores, list(right))
    return 1 + int(np.count_nonzero(others >= best))


def _right(passage: Passage, answer: Passage) -> bool:
    shared = min(passage.end, answer.end) - max(passage.start, answer.start)
    return 2 * shared >= min(passage.end - passage.start, answer.end - answer.start)
