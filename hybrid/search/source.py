"""The questions that a search puts to a state of an index, whatever holds it.

A `Snapshot` of a directory answers them from its legs, a `MemoryIndex` from the textbook. Another holder of
documents that answers them is searched in the same way: fusion, completion, reranking, relevance and pages
are those of `hybrid.search.search`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid.ledger.passages import Pieces
from hybrid.metadata.columns import Columns
from hybrid.metadata.filters import Filter
from hybrid.okapi import TermScore
from hybrid.rerank.matching import Texts
from hybrid.store.voters import Voters
from hybrid.suggest.lookups import Lookups
from hybrid.types import (
    Analyzer,
    Candidates,
    Document,
    Mask,
    Matrix,
    Metric,
    Ordinals,
    Passage,
    Scores,
    Ties,
)


class Words(Protocol):
    """The lexical leg: BM25 over terms."""

    @property
    def documents(self) -> int:
        """The number of documents that its statistics count."""
        ...

    def search(
        self,
        terms: Sequence[str],
        k: int,
        allowed: Mask | None = None,
        title_boost: float = 0.0,
        *,
        depth: int | None = None,
        ties: Ties | None = None,
    ) -> Candidates:
        """The best ``k`` documents that contain a term, among ``allowed``, bool (n,) over ordinals; see
        `hybrid.lexical.bm25.LexicalView.search`."""
        ...

    def scores(self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0) -> Scores:
        """The score of each of ``ordinals``, float32 (n,): 0 without a term."""
        ...

    def scored(
        self, terms: Sequence[str], ordinals: Sequence[int], title_boost: float = 0.0
    ) -> dict[int, list[tuple[int, float]]]:
        """For each of a few ``ordinals`` its passages that contain a term, by number and score, best first;
        those of documents that are one passage may be left out."""
        ...

    def explained(self, terms: Sequence[str], ordinal: int, title_boost: float = 0.0) -> list[TermScore]:
        """The parts of a document's score: of its best passage, the first of ``scored``."""
        ...

    def count(self, terms: Sequence[str], allowed: Mask | None = None) -> int:
        """The number of documents among ``allowed`` that contain a term."""
        ...

    def matches(self, terms: Sequence[str], title: bool = False) -> Ordinals:
        """All documents that contain a term, or whose title does, each once."""
        ...

    def phrase(self, tokens: Sequence[str], title: bool = False) -> Ordinals:
        """All documents that contain ``tokens`` (see `hybrid.analyzers.literal`) side by side in one
        passage, or whose title does, each once."""
        ...

    def words(self, prefix: str, limit: int) -> list[tuple[str, int]]:
        """The words, as they are spelt, that begin with ``prefix``, and the number of passages that contain
        each: the ``limit`` most frequent, then by text."""
        ...

    def holding(self, tokens: Sequence[str], allowed: Mask | None = None) -> int:
        """The number of documents among ``allowed`` that contain ``tokens`` side by side."""
        ...

    def holds(self, tokens: Sequence[str], allowed: Mask | None = None) -> bool:
        """Whether a document among ``allowed`` does."""
        ...

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """The number of documents that contain each term."""
        ...


class Nearest(Protocol):
    """The documents nearest to a query, as one list that is worked out as far as it is asked for."""

    @property
    def exact(self) -> bool:
        """Whether ``within`` has looked at all, so that nothing follows."""
        ...

    def within(self, k: int) -> Candidates:
        """The first ``k``, or as many as one look brings."""
        ...

    def further(self, k: int) -> Candidates:
        """The first ``k``, by as many looks as it takes."""
        ...


class Vectors(Protocol):
    """The vector leg: the neighbours of a query in one space."""

    @property
    def dim(self) -> int:
        """The length of a vector; 0 where there is none yet."""
        ...

    @property
    def metric(self) -> Metric: ...

    def of(self, ordinal: int) -> Matrix:
        """The vectors of a document, (n, dim)."""
        ...

    def near(
        self,
        query: Scores,
        depth: int,
        allowed: Mask | None = None,
        effort: int | None = None,
        ties: Ties | None = None,
    ) -> Nearest:
        """The documents among ``allowed`` nearest to ``query`` (dim,), sure as far as ``depth``; see
        `hybrid.vector.view.VectorView.near`."""
        ...

    def nearest(self, query: Scores, ordinals: Ordinals) -> tuple[Scores, Matrix]:
        """For each of ``ordinals`` the score of its vector nearest to ``query``, float32 (n,), and its
        direction, a unit vector (n, dim); NaN and zeros where it has none."""
        ...

    def passages(self, query: Scores, ordinals: Ordinals) -> list[Passage | None]:
        """The window of each of ``ordinals`` whose vector is nearest to ``query``."""
        ...

    def similar(self, query: Scores, ordinal: int) -> tuple[NDArray[np.int64], Scores, Matrix]:
        """The windows (n, 2) of a document's text, nearest to ``query`` first, their scores (n,) and their
        vectors (n, dim)."""
        ...


class Source(Protocol):
    """A state of an index. Documents are known by ordinals, from 0."""

    @property
    def seq(self) -> int: ...

    @property
    def size(self) -> int:
        """The number of documents."""
        ...

    @property
    def live(self) -> Mask:
        """The ordinals that stand for documents, bool (n,)."""
        ...

    @property
    def ties(self) -> Ties:
        """The place of each ordinal in the order of ties."""
        ...

    @property
    def columns(self) -> Columns:
        """The documents' metadata."""
        ...

    @property
    def lexical(self) -> Words: ...

    @property
    def vectors(self) -> Vectors: ...

    @property
    def analyzer(self) -> Analyzer: ...

    @property
    def lookups(self) -> Lookups:
        """The words of this state, or of one shortly before, to choose suggestions from."""
        ...

    @property
    def voters(self) -> Voters:
        """The past queries that vote."""
        ...

    def terms(self, query: str) -> list[str]:
        """The terms that the lexical leg is asked for."""
        ...

    def also(self, query: str) -> list[str]:
        """The terms of the synonyms of its words, which it is asked for, too."""
        ...

    def allowed(self, where: Filter | None) -> Mask | None:
        """The documents that may be answered: those that pass the filter; None where all may."""
        ...

    def found(self, ids: Iterable[str]) -> dict[str, int]:
        """The ordinals of those of ``ids`` that there are."""
        ...

    def ids(self, ordinals: Ordinals) -> list[str]: ...

    def documents(self, ordinals: Sequence[int]) -> list[Document]: ...

    def asked(self, numbers: Sequence[int]) -> list[str]:
        """The texts of past queries, by their numbers."""
        ...

    def pieces(self, ordinals: Sequence[int]) -> Mapping[int, Pieces]:
        """The passages of those of ``ordinals`` that are several."""
        ...

    def texts(self, ordinals: Ordinals) -> Texts:
        """The documents' terms, as hashes, in their order."""
        ...
