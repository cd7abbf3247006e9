"""How often an index finds the long document that holds the answer, and the answering passage in it.

``python -m tests.benchmarks.answers FOLDER --split dev --encoder NAME``: books made of a judged collection
of paragraphs (see `tests.benchmarks.shelf`), searched as users search them. `books` asks the same of ways
to cut, with keywords alone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import numpy as np
import typer

from hybrid import Index, Results, encoders
from hybrid.cli.output import out
from hybrid.types import Encoder, Mode, Scores
from tests.benchmarks import shelf
from tests.benchmarks.books import is_right
from tests.benchmarks.report import Report
from tests.benchmarks.shelf import Judged, Place, Shelf

_FIRST: Final = 10
_MODES: Final[tuple[Mode, ...]] = ("lexical", "vector", "hybrid")
_NOTE: Final = (
    "`book R@k`: for which share of the queries that a book answers in the mixed collection the right "
    "document is among the first k; `other R@k`: of the other queries; `passage R@k`: a right passage, of "
    "which half lies in the answering paragraph or that holds half of it, is among the first k of all; "
    "`within`: the best passage of the right document is right."
)


def measured(judged: Judged, encoder: Encoder | None) -> Report:
    report = Report("answers", paragraphs=len(judged.paragraphs), queries=len(judged.queries))
    texts = list(judged.queries.values())
    made = [None] * len(texts) if encoder is None else encoder.queries(texts)
    vectors = dict(zip(judged.queries, made, strict=True))
    for titles in (False, True):
        table = report.table(f"With{'' if titles else 'out'} titles", note=_NOTE)
        for name, make in (("mixed", shelf.mixed), ("books", shelf.books)):
            collection = make(judged, titles=titles)
            with TemporaryDirectory() as at, Index.create(Path(at) / "idx", encoder=encoder) as index:
                index.load(collection.documents)
                for mode in _MODES[: 1 if encoder is None else None]:
                    cells = _found(index, mode, collection, vectors, shelf.bound(judged))
                    table.add(collection=name, mode=mode, **cells)
    return report


def _found(
    index: Index, mode: Mode, made: Shelf, vectors: Mapping[str, Scores | None], bound: Container[str]
) -> dict[str, float]:
    ranks: dict[str, list[int]] = {"book": [], "other": [], "passage": []}
    within: list[bool] = []
    for id, text in made.queries.items():
        answer, vector = made.answers[id], vectors[id] if mode != "lexical" else None
        found = index.search(text, vector=vector, mode=mode, k=_FIRST, syntax="plain")
        own = next((hit for hit in found if hit.id == answer.document), None)
        ranks["book" if id in bound else "other"].append(_FIRST + 1 if own is None else own.rank)
        within.append(own is not None and is_right(own.passage, answer.span))
        parts = index.search(text, vector=vector, mode=mode, k=_FIRST, syntax="plain", group_by=None)
        ranks["passage"].append(_rank(parts, answer))
    both = ((what, np.array(known), k) for what, known in ranks.items() for k in (1, _FIRST))
    shares = {f"{what} R@{k}": float(np.mean(known <= k)) for what, known, k in both}
    return {**shares, "within": float(np.mean(within))}


def _rank(parts: Results, answer: Place) -> int:
    places = (hit.rank for hit in parts if hit.id == answer.document and is_right(hit.passage, answer.span))
    return next(places, _FIRST + 1)


def main(
    folder: Path,
    split: Annotated[str, typer.Option(help="The queries: dev, train or test.")] = "dev",
    encoder: Annotated[str, typer.Option(help="A named model, or none.")] = "none",
    to: Annotated[Path, typer.Option("--out", help="Results.")] = Path("build/benchmarks"),
) -> None:
    """Measure how often answers in long documents are found."""
    report = measured(Judged.read(folder, split), None if encoder == "none" else encoders.load(encoder))
    report.write(to)
    out.print(report.markdown(), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
