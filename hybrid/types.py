"""The plain records and the small protocols that every part speaks. Imports nothing of ours.

Words used throughout: a *document* has a user's ``id`` and, inside one index, an *ordinal* (an
integer that only grows: an update gives the document a new one). A *leg* is one of the two ways to
search (lexical, vector); its answer is a list of *candidates*. A *run* is what a system answered to
a set of queries, *qrels* are the judgments it is measured against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ordinals: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Ties: TypeAlias = NDArray[np.int64]
"""The place of each ordinal in the order of ties: see ``Candidates``."""

Leg: TypeAlias = Literal["lexical", "vector"]
Progress: TypeAlias = Callable[[float], None]
"""Told how many more documents are done; a document of many windows comes in fractions."""

Steps: TypeAlias = Callable[[int, int], None]
"""Told how many steps are done, of how many."""

Stages: TypeAlias = Callable[[str, int, int], None]
"""Told the stage, how many of its steps are done, of how many."""

Mode: TypeAlias = Literal["hybrid", "lexical", "vector"]
Wait: TypeAlias = Literal["searchable", "durable"]
Metric: TypeAlias = Literal["cosine", "ip", "l2"]

Run: TypeAlias = dict[str, list[tuple[str, float]]]
"""query id -> [(document id, score), ...], best first."""
Lacking: TypeAlias = Mapping[str, Iterable[str]]
"""query id -> ids of documents that are passed over for it, as if the index lacked them."""
Qrels: TypeAlias = dict[str, dict[str, int]]
"""query id -> {document id: grade}; a grade of 0 or less means judged and not relevant."""


@dataclass(frozen=True, slots=True)
class Document:
    """What goes into an index and what comes out of it.

    ``metadata`` is any JSON object. ``vector`` is a ready-made embedding of shape (dim,), or several of
    shape (n, dim), given instead of what the index's encoder would make; the document counts with its
    best one. ``passages`` are then the stretches ``text[start:end]`` that the n stand for, as (start,
    end) in characters; without them each stands for the whole text.
    """

    id: str
    text: str = ""
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    vector: ArrayLike | None = field(default=None, compare=False, repr=False)
    passages: Sequence[tuple[int, int]] | None = field(default=None, compare=False, repr=False)


class Passage(NamedTuple):
    """A stretch of a document's text: ``text[start:end]``, in characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a document's title or text: ``text``, which starts at the document's character ``start``
    and has more ``before`` and ``after`` it there. ``marks`` are the stretches of it, ascending and apart,
    at which the query's words stand."""

    text: str
    marks: tuple[Passage, ...] = ()
    start: int = 0
    before: bool = False
    after: bool = False

    def parts(self) -> Iterator[tuple[str, bool]]:
        """Its text in pieces, each with whether it is marked."""
        last = 0
        for start, end in self.marks:
            yield self.text[last:start], False
            yield self.text[start:end], True
            last = end
        yield self.text[last:], False

    def html(self) -> str:
        """As HTML: the text is escaped, and the only tags are ``<mark>`` around the marked words."""
        return "".join(
            f"<mark>{escape(part)}</mark>" if marked else escape(part) for part, marked in self.parts()
        )

    def terminal(self) -> str:
        """For a terminal: one line, the marked words bold, and nothing in the text that commands it."""
        return "".join(
            f"\x1b[1m{printable(part)}\x1b[22m" if marked else printable(part)
            for part, marked in self.parts()
        )


def printable(text: str) -> str:
    """``text`` on one line: white space as a space, whatever else cannot be printed as U+FFFD."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


@dataclass(frozen=True, slots=True)
class Highlights:
    """Where a query's words stand in a document: its ``title``, and the ``fragments`` of its text that show
    most of them, best first. Where the text has none of them there is one, the beginning of the passage
    that the vector leg found or of the text."""

    title: Fragment
    fragments: tuple[Fragment, ...]

    @property
    def snippet(self) -> Fragment:
        """The best fragment; that of an empty text is empty."""
        return self.fragments[0] if self.fragments else Fragment("")


class _Lit:
    """Has a place for what makes the highlights, which is no field of a hit: not compared or copied."""

    __slots__ = ("_highlighter",)
    _highlighter: Callable[[Document, Passage | None], Highlights]


@dataclass(frozen=True, slots=True)
class Hit(_Lit):
    """One document of an answer. ``rank`` counts from 1, on from page to page; ``passage`` is the window
    of the text whose vector is nearest to the query, where the vector leg had a part in the answer.
    ``relevance``: the probability, 0 to 1, that the document is relevant, where the index has a
    calibration (``hybrid calibrate``); unlike ``score`` it may be compared across queries, pages and ways
    to rank."""

    id: str
    score: float
    rank: int
    document: Document
    passage: Passage | None = None
    relevance: float | None = None

    @property
    def highlights(self) -> Highlights | None:
        """Where the query's words stand in the document: worked out each time that it is asked for. None
        for a hit that is not from a search."""
        make = getattr(self, "_highlighter", None)
        return None if make is None else make(self.document, self.passage)

    def light(self, highlighter: Callable[[Document, Passage | None], Highlights]) -> None:
        """Have the highlights made by ``highlighter``."""
        object.__setattr__(self, "_highlighter", highlighter)


@dataclass(frozen=True)
class Results:
    """An answer: ``hits`` best first, the ``sequence`` number of the state of the index that it was read
    from, and the seconds it ``took`` (in a batch, without the encoding). Iterates over its hits."""

    hits: tuple[Hit, ...]
    sequence: int
    took: float
    count: Callable[[], int] = field(repr=False, compare=False)

    @cached_property
    def total(self) -> int:
        """How many documents of the snapshot qualify: those that pass the filter and, in lexical
        mode, contain a term of the query, whatever ``min_score`` leaves of them. Counted when first
        asked for."""
        return self.count()

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)


@dataclass(frozen=True, slots=True)
class Candidates:
    """One ranked list inside the engine, best first: ``ordinals`` int64 (n,), ``scores`` float32 (n,).

    Equal scores stand in ascending order of ordinal. What fusions and rerankers are given, users' own too,
    has numbers for ordinals: the candidates of the query are numbered in *the order of ties*, so their
    ties need no further thought. That order is the same in a search, an evaluation and a ``MemoryIndex``:
    by a hash of the document's id (``hybrid.ledger.lifetimes.keys``), so it has nothing to do with when, or
    how often, a document was added. One pair of ids in two thousand million has one hash; these stand by
    ordinal, and by id where there are no ordinals.

    ``floor`` is the lowest score that the leg could ever give (0 for BM25, -1 for a cosine), or None where
    theory knows none.
    """

    ordinals: Ordinals
    scores: Scores
    floor: float | None = None

    def __len__(self) -> int:
        return len(self.ordinals)

    def __getitem__(self, part: slice | Mask | NDArray[np.int64]) -> Candidates:
        return Candidates(self.ordinals[part], self.scores[part], self.floor)

    def top(self, k: int) -> Candidates:
        return self if k >= len(self.ordinals) else self[:k]

    def then(self, more: Candidates) -> Candidates:
        """These, and then what of ``more`` is not among them, by no score above the last of these."""
        if not len(self):
            return more
        new = ~np.isin(more.ordinals, self.ordinals, assume_unique=True)
        scores = np.minimum(more.scores[new], self.scores[-1])
        return Candidates(np.r_[self.ordinals, more.ordinals[new]], np.r_[self.scores, scores], self.floor)

    @classmethod
    def ranked(
        cls,
        ordinals: Ordinals,
        scores: Scores,
        k: int | None = None,
        floor: float | None = None,
        ties: Ties | None = None,
    ) -> Candidates:
        """Sort by descending score and keep the first ``k``; equal scores by place, where ``ties`` has the
        places, or else by ascending ordinal."""
        order = np.lexsort((ordinals if ties is None else ties[ordinals], -scores))[:k]
        return cls(ordinals[order], scores[order], floor)

    @classmethod
    def none(cls) -> Candidates:
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))


class Analyzer(Protocol):
    """Text to terms. ``id`` names it and its version (``"mixed-2"``) and changes whenever its terms
    do. A term is not empty, holds no white space and is at most 255 bytes of UTF-8.

    One that leaves stop words out may offer ``with_stop_words(text)``, which returns ``terms(text)`` and
    the words left out: they then answer a query of nothing else.
    """

    @property
    def id(self) -> str: ...

    def terms(self, text: str) -> list[str]:
        """The terms of ``text`` in order, repeats included."""
        ...

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        """``terms`` with the characters each came from: ``text[start:end]``."""
        ...


class Encoder(Protocol):
    """Texts to vectors. ``id`` names the model and the form of its weights; two encoders of one id
    give the same vectors."""

    @property
    def id(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def documents(self, texts: Sequence[str]) -> Matrix:
        """float32 (len(texts), dim)."""
        ...

    def queries(self, texts: Sequence[str]) -> Matrix:
        """float32 (len(texts), dim); apart from ``documents`` since many models are asymmetric."""
        ...


@runtime_checkable
class Windowed(Protocol):
    """What an encoder with a limited window also offers, so that long texts can be cut to fit."""

    @property
    def max_tokens(self) -> int:
        """How many tokens of text fit beside the prompt and the special tokens."""
        ...

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        """(n, 2): the characters ``text[start:end]`` of each token, in order, nothing truncated."""
        ...


class Fusion(Protocol):
    """Ranked lists to one list. A value: frozen, comparable, readable as text (``RRF(k=60)``). The lists
    have numbers for ordinals, see ``Candidates``: ties by ascending ordinal are all that it needs."""

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        """Fuse ``legs`` (lexical, vector) and keep the best ``limit``."""
        ...


class Reranker(Protocol):
    """Puts the top candidates of a fused list into a better order."""

    def __call__(
        self, query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]], /
    ) -> Candidates:
        """``features``: named columns of len(candidates) rows, aligned with ``candidates``; see
        ``hybrid.rerank``."""
        ...
