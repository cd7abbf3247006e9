"""Collections of books made of the paragraphs of a judged one, so that the answering place is known.

``python -m tests.benchmarks.shelf FOLDER OUT`` writes the mixed one as a BEIR folder.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import typer

from hybrid import corpora
from hybrid.types import Document, Passage

PARAGRAPHS: Final = 100
"""Of a book."""
_SEED: Final = 14
_SPLITS: Final = ("dev", "train")


@dataclass(frozen=True)
class Judged:
    """Paragraphs, and queries with the one paragraph that answers each: query id -> paragraph id."""

    paragraphs: list[Document]
    queries: Mapping[str, str]
    answers: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path, *splits: str) -> Judged:
        """A BEIR folder, with those of its queries that one paragraph answers, of the first of ``splits``
        that it has: dev, or else train."""
        found = (folder / "qrels" / f"{split}.tsv" for split in splits or _SPLITS)
        qrels = corpora.read_qrels(next(path for path in found if path.exists()))
        relevant = {query: [id for id, grade in of.items() if grade > 0] for query, of in qrels.items()}
        answers = {query: ids[0] for query, ids in relevant.items() if len(ids) == 1}
        asked = corpora.read_queries(folder / "queries.jsonl")
        queries = {id: text for id, text in asked.items() if id in answers}
        return cls(list(corpora.read_documents(folder)), queries, answers)


@dataclass(frozen=True)
class Place:
    """A stretch of a document."""

    document: str
    span: Passage


@dataclass(frozen=True)
class Shelf:
    """Documents, books among them, and the place that answers each query."""

    documents: list[Document]
    queries: Mapping[str, str]
    answers: Mapping[str, Place]


def mixed(judged: Judged, *, titles: bool = False) -> Shelf:
    """Half of the paragraphs, in hundreds, are books; the others are documents. With ``titles`` they have
    their titles, which are headings in the books."""
    bound, loose = _halves(judged)
    return _shelf(judged, bound, loose, titles)


def books(judged: Judged, *, titles: bool = False) -> Shelf:
    """All paragraphs in books."""
    bound, loose = _halves(judged)
    return _shelf(judged, bound + loose, [], titles)


def single(judged: Judged, *, titles: bool = False) -> Shelf:
    """The paragraphs as they are."""
    return _shelf(judged, [], judged.paragraphs, titles)


def bound(judged: Judged) -> set[str]:
    """The queries that a paragraph answers which is in a book in the mixed collection."""
    ids = {paragraph.id for paragraph in _halves(judged)[0]}
    return {query for query, id in judged.answers.items() if id in ids}


def _halves(judged: Judged) -> tuple[list[Document], list[Document]]:
    """Drawn by chance, the same each time: neighbours in a collection are often of one article."""
    paragraphs = list(judged.paragraphs)
    random.Random(_SEED).shuffle(paragraphs)
    half = len(paragraphs) // (2 * PARAGRAPHS) * PARAGRAPHS
    return paragraphs[:half], paragraphs[half:]


def _shelf(judged: Judged, bound: Sequence[Document], loose: Sequence[Document], titles: bool) -> Shelf:
    documents: list[Document] = []
    places: dict[str, Place] = {}
    for start in range(0, len(bound), PARAGRAPHS):
        id, parts, at = f"book-{len(documents) + 1}", [], 0
        for paragraph in bound[start : start + PARAGRAPHS]:
            head = f"## {paragraph.title}\n\n" if titles and paragraph.title else ""
            begin = at + len(head)
            parts.append(f"{head}{paragraph.text}\n\n")
            places[paragraph.id] = Place(id, Passage(begin, begin + len(paragraph.text)))
            at += len(parts[-1])
        documents.append(Document(id, "".join(parts)))
    for paragraph in loose:
        documents.append(Document(paragraph.id, paragraph.text, paragraph.title if titles else ""))
        places[paragraph.id] = Place(paragraph.id, Passage(0, len(paragraph.text)))
    answers = {query: places[id] for query, id in judged.answers.items()}
    return Shelf(documents, judged.queries, answers)


def write(shelf: Shelf, folder: Path) -> None:
    """As a BEIR folder; ``passages.tsv`` beside the judgments has the stretch that answers each query."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    texts = ({"_id": one.id, "title": one.title, "text": one.text} for one in shelf.documents)
    _write_lines(folder / "corpus.jsonl", texts)
    _write_lines(
        folder / "queries.jsonl", ({"_id": id, "text": text} for id, text in shelf.queries.items())
    )
    _write_table(
        folder / "qrels" / "dev.tsv",
        [("query-id", "corpus-id", "score"), *((id, of.document, 1) for id, of in shelf.answers.items())],
    )
    _write_table(
        folder / "passages.tsv",
        [("query-id", "corpus-id", "start", "end"), *_stretches(shelf)],
    )


def _stretches(shelf: Shelf) -> Iterator[tuple[str, str, int, int]]:
    return ((id, of.document, *of.span) for id, of in shelf.answers.items())


def _write_lines(path: Path, records: Iterable[Mapping[str, str]]) -> None:
    path.write_bytes(b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records))


def _write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def main(folder: Path, out: Path) -> None:
    """Write the mixed collection of FOLDER to OUT."""
    write(mixed(Judged.read(folder)), out)


if __name__ == "__main__":
    typer.run(main)
