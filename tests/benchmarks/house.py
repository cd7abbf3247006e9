"""The collection of a run, and what is built over it once and kept in the output folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

import hnswlib
import numpy as np
import tantivy
from numpy.typing import NDArray

from hybrid import Index, analyzers
from hybrid.lexical.bm25 import document, open_index
from hybrid.lexical.terms import Terms
from hybrid.types import Document, Mask, Matrix
from hybrid.vector.graph import EF_CONSTRUCTION, M
from tests.benchmarks.corpus import Corpus, Query, Recipe

_One = TypeVar("_One")

BATCH: Final = 1_000
HEAP: Final = 64_000_000
SHORT: Final = (2, 4)
LONG: Final = (10, 15)


@dataclass(frozen=True)
class Plan:
    """What the command line asks for: a collection of ``documents`` documents, ``queries`` of each length,
    results in ``out``; for `books`, a judged collection in ``data``."""

    out: Path
    documents: int
    queries: int
    rounds: int
    seed: int = 6
    data: Path | None = None


class House:
    """A collection in memory, its queries, and indexes over it, built when first asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.corpus = Corpus(Recipe(plan.documents, plan.seed))
        self.folder = plan.out / "cache" / str(self.corpus.recipe)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.analyzer = analyzers.load("mixed")

    # -- the collection

    @cached_property
    def documents(self) -> list[Document]:
        return [document for block in self.corpus.blocks() for document in block.documents()]

    @cached_property
    def vectors(self) -> Matrix:
        return np.stack([np.asarray(document.vector, np.float32) for document in self.documents])

    @cached_property
    def terms(self) -> list[list[str]]:
        """The analyzer's terms of title and text of every document."""
        path = self.folder / "terms.txt"
        if not path.exists():
            joined = (" ".join(terms_of(self.analyzer, one).of("terms")) for one in self.documents)
            kept(path, lambda draft: draft.write_text("\n".join(joined), encoding="utf-8"))
        return [line.split() for line in path.read_text(encoding="utf-8").split("\n")]

    def queries(self, kind: str, *, salt: int = 0) -> list[Query]:
        """ "short" ones of two to four words, or "long" ones of ten to fifteen."""
        return self.corpus.queries(self.plan.queries, *(SHORT if kind == "short" else LONG), salt=salt)

    def exact(self, queries: Matrix, k: int, allowed: Mask | None = None) -> list[list[int]]:
        """The numbers of the ``k`` nearest documents to each query, best first, by brute force."""
        numbers = np.arange(len(self.vectors)) if allowed is None else np.flatnonzero(allowed)
        scores = queries @ self.vectors[numbers].T
        return [numbers[np.argsort(-row, kind="stable")[:k]].tolist() for row in scores]

    # -- what is built over it

    @cached_property
    def index_path(self) -> Path:
        """A finished index of all documents, with ready-made vectors."""
        return kept(self.folder / "index", lambda draft: fill(draft, self.documents))

    @cached_property
    def words_path(self) -> Path:
        """One of their texts alone."""
        blind = (replace(document, vector=None) for document in self.documents)
        return kept(self.folder / "words-index", lambda draft: fill(draft, blind))

    def graph(self) -> Any:
        """The engine's own graph, in a bare hnswlib: the same links, so the same recall at the same ef."""
        saved = next(self.index_path.rglob("graph-hnswlib-*.hnsw"))
        index = hnswlib.Index("ip", self.corpus.recipe.dim)
        index.load_index(str(saved), max_elements=self.plan.documents)
        index.set_num_threads(1)
        return index

    def bare_lexical(self) -> tantivy.Index:
        """A bare tantivy over the same terms, with the engine's schema."""
        path = kept(self.folder / "tantivy", lambda draft: write_lexical(draft, self.terms))
        return open_index(path)


def kept(path: Path, make: Callable[[Path], object]) -> Path:
    """``path``, made by ``make`` unless it is there; whole or not at all."""
    if not path.exists():
        draft = path.with_name(path.name + ".draft")
        if draft.is_dir():
            shutil.rmtree(draft)
        make(draft)
        draft.rename(path)
    return path


def fill(path: Path, documents: Iterable[Document]) -> None:
    """A new index of ``documents`` at ``path``, closed, its graph finished."""
    with Index.create(path, encoder=None) as index:
        index.load(documents)


def batches(documents: Iterable[_One], size: int) -> Iterator[list[_One]]:
    rest = iter(documents)
    while part := list(islice(rest, size)):
        yield part


def terms_of(analyzer: Any, one: Document) -> Terms:
    return Terms(analyzer.terms(one.title), analyzer.terms(one.text))


def write_lexical(folder: Path, terms: Sequence[list[str]]) -> None:
    """A bare tantivy index: the engine's schema and writer, one commit."""
    folder.mkdir()
    writer = open_index(folder).writer(HEAP, 1)
    for number, some in enumerate(terms):
        writer.add_document(document(number, number, 0, Terms([], some)))
    writer.commit()
    writer.wait_merging_threads()


def build_graph(vectors: Matrix, threads: int = 1) -> Any:
    """A bare hnswlib graph with the engine's parameters."""
    graph = hnswlib.Index("ip", vectors.shape[1])
    graph.init_index(len(vectors), M=M, ef_construction=EF_CONSTRUCTION)
    graph.add_items(vectors, num_threads=threads)
    graph.set_num_threads(1)
    return graph


def stack(queries: Sequence[Query]) -> Matrix:
    return np.stack([query.vector for query in queries])


def numbers(ids: Sequence[str]) -> list[int]:
    return [int(id) for id in ids]


def bare_query(index: tantivy.Index, terms: Sequence[str]) -> tantivy.Query:
    """What the engine asks of tantivy: any of the terms."""
    clauses = [
        tantivy.Query.term_query(index.schema, "terms", term, "freq") for term in dict.fromkeys(terms)
    ]
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, clause) for clause in clauses])


def bare_search(
    index: tantivy.Index, searcher: tantivy.Searcher, terms: Sequence[str], k: int
) -> NDArray[np.int64]:
    """The numbers of the best ``k`` documents, by the cheapest way to get them out of tantivy."""
    hits = searcher.search(bare_query(index, terms), k, count=False).hits
    found = searcher.fast_field_values("ordinal", [address for _, address in hits])
    return np.array(found, np.int64)
