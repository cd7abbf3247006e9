"""Long documents by keywords: each as a whole against its passages, of which the best counts."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import numpy as np

from hybrid.intake.passages import pieces
from hybrid.ledger.passages import Piece, whole
from hybrid.lexical.bm25 import LexicalView, open_index
from hybrid.lexical.terms import of_passages, of_query
from hybrid.types import Analyzer, Passage, Scores
from tests.benchmarks import shelf
from tests.benchmarks.house import House, write_lexical
from tests.benchmarks.report import Report
from tests.benchmarks.shelf import Shelf

_NOTE: Final = (
    "BM25. `R@k`: for which share of the queries the right document is among the first k; of those in "
    "`bound` it is a book in the mixed collection, of those in `loose` a paragraph. `passage R@k`: of all "
    "queries, a right passage, of which half lies in the answering paragraph or that holds half of it, is "
    "among the first k of all; `within`: the best passage of the right document is right."
)
Cut: TypeAlias = Callable[[str, str], list[Piece]]
CUTS: Final[dict[str, Cut]] = {
    "documents": lambda text, _title: whole(text),
    "passages": pieces,
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
            for rows, cut in CUTS.items():
                cells = measured(house.analyzer, made, cut, shelf.bound(judged))
                table.add(collection=name, rows=rows, **cells)
    return report


@dataclass
class _Ranks:
    """Ranks, from 1, of what is right."""

    found: dict[str, list[int]] = field(default_factory=dict)

    def add(self, what: str, rank: int) -> None:
        self.found.setdefault(what, []).append(rank)

    def share(self, what: str, k: int) -> float:
        return float(np.mean(np.array(self.found[what]) <= k))


def measured(analyzer: Analyzer, made: Shelf, cut: Cut, bound: Container[str]) -> dict[str, float]:
    """The cells of a table's row: how often what is right is found, of queries in ``bound`` and others."""
    cuts = [(document, cut(document.text, document.title)) for document in made.documents]
    rows = [(document, piece) for document, own in cuts for piece in own]
    terms = (of_passages(analyzer, document, own) for document, own in cuts)
    view = _indexed([one.of("terms") for own in terms for one in own])
    numbers = {document.id: number for number, document in enumerate(made.documents)}
    owners, ranks = np.array([numbers[document.id] for document, _ in rows]), _Ranks()
    for query, text in made.queries.items():
        answer = made.answers[query]
        scores, best = np.zeros(len(rows), np.float32), np.zeros(len(numbers), np.float32)
        found = view.search(of_query(analyzer, text), len(rows))
        scores[found.ordinals] = found.scores
        np.maximum.at(best, owners, scores)
        number = numbers[answer.document]
        ranks.add("bound" if query in bound else "loose", _rank(best, [number]))
        own = np.flatnonzero(owners == number)
        right = [row for row in own.tolist() if is_right(rows[row][1].passage, answer.span)]
        ranks.add("passage", _rank(scores, right))
        ranks.add("within", _rank(scores[own], [row - int(own[0]) for row in right]))
    cells = {
        f"{what} R@{k}": ranks.share(what, k) for what in ("bound", "loose", "passage") for k in (1, 10)
    }
    return {"number": len(rows), **cells, "within": ranks.share("within", 1)}


def _indexed(rows: list[list[str]]) -> LexicalView:
    with TemporaryDirectory() as folder:
        write_lexical(Path(folder) / "rows", rows)
        return LexicalView.of(open_index(Path(folder) / "rows"))  # whose files are mapped by now


def _rank(scores: Scores, right: Iterable[int]) -> int:
    """Of the best of those that are right; before it stand all that score as much."""
    best = max((scores[one] for one in right), default=-1.0)
    others = np.delete(scores, list(right))
    return 1 + int(np.count_nonzero(others >= best))


def is_right(passage: Passage | None, answer: Passage) -> bool:
    """Whether half of the passage lies in the answering stretch, or the other way round; None: a document
    that is one passage."""
    if passage is None:
        return True
    shared = min(passage.end, answer.end) - max(passage.start, answer.start)
    return 2 * shared >= min(passage.end - passage.start, answer.end - answer.start)
