"""Plain records and small protocols used everywhere. Imports only the query language.

Terms used throughout: a *document* has an ``id`` given by the user and, inside one index, an *ordinal* (an
increasing integer; an update gives the document a new one). A *leg* is one of the two ways to search
(lexical, vector); its result is a list of *candidates*. A *run* is a system's results for a set of queries,
*qrels* are the relevance judgments that it is evaluated with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid.query import Parsed

Ordinals: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Ties: TypeAlias = NDArray[np.int64]
"""The place of each ordinal in the order of ties: see ``Candidates``."""

Leg: TypeAlias = Literal["lexical", "vector"]
Progress: TypeAlias = Callable[[float], None]
"""Called with the number of documents done since the last call; one with many windows comes in
fractions."""

Steps: TypeAlias = Callable[[int, int], None]
"""Called with the number of steps done and the total."""

Stages: TypeAlias = Callable[[str, int, int], None]
"""Called with the stage, the number of its steps done and their total."""

Mode: TypeAlias = Literal["hybrid", "lexical", "vector"]
Wait: TypeAlias = Literal["searchable", "durable"]
Metric: TypeAlias = Literal["cosine", "ip", "l2"]

Run: TypeAlias = dict[str, list[tuple[str, float]]]
"""query id -> [(document id, score), ...], best first."""
Lacking: TypeAlias = Mapping[str, Iterable[str]]
"""query id -> ids of documents that its search ignores, as if the index lacked them."""
Qrels: TypeAlias = dict[str, dict[str, int]]
"""query id -> {document id: grade}; a grade of 0 or less means judged and not relevant."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document to add to an index, or found in it.

    ``metadata`` is any JSON object. ``vector`` is a ready-made embedding of shape (dim,), or several of
    shape (n, dim), used instead of the index's encoder; the best one counts. ``passages`` are then the
    parts ``text[start:end]`` that the n vectors stand for, as (start, end) in characters; without them
    each stands for the whole text. The keyword leg takes the same passages, unless ``text_passages`` names
    others, as exports do where an encoder has cut passages further. A document without vectors is cut by
    the index.
    """

    id: str
    text: str = ""
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    vector: ArrayLike | None = field(default=None, compare=False, repr=False)
    passages: Sequence[tuple[int, int]] | None = field(default=None, compare=False, repr=False)
    text_passages: Sequence[tuple[int, int]] | None = field(default=None, compare=False, repr=False)


class _Stretch(NamedTuple):
    start: int
    end: int


class Passage(_Stretch):
    """A part of a document's text, as a pair: ``text[start:end]``, in characters. ``heading``: the path of
    headings above it; ``page``: the page where it begins, from 1."""

    heading: tuple[str, ...]
    page: int | None

    def __new__(cls, start: int, end: int, heading: tuple[str, ...] = (), page: int | None = None) -> Self:
        made = super().__new__(cls, start, end)
        made.heading, made.page = heading, page
        return made


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
    most of them, rarer ones first. Where the text has none of them there is one: the beginning of the
    passage that the vector leg found, its sentence nearest to the query, or the beginning of the text."""

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
    """One document in a search result. ``rank`` counts from 1 and continues from page to page.
    ``passages``: the best passages of a long document, best first, from either leg; of a document that is
    one passage, the window of the text whose vector is nearest to the query, if the vector leg was
    searched. ``folded``: how many other documents this one stands for, where the search groups them by
    metadata. ``relevance``: the probability, 0 to 1, that the document is relevant, if the index has a
    calibration (``hybrid calibrate``); unlike ``score`` it can be compared across queries, pages and
    ranking methods."""

    id: str
    score: float
    rank: int
    document: Document
    passages: tuple[Passage, ...] = ()
    relevance: float | None = None
    folded: int = 0

    @property
    def passage(self) -> Passage | None:
        """The best of ``passages``."""
        return self.passages[0] if self.passages else None

    @property
    def highlights(self) -> Highlights | None:
        """Where the query's words stand in the document: worked out each time that it is asked for. None
        for a hit that is not from a search, or whose text was not among its ``fields``."""
        make = getattr(self, "_highlighter", None)
        return None if make is None else make(self.document, self.passage)

    def light(self, highlighter: Callable[[Document, Passage | None], Highlights]) -> None:
        """Have the highlights made by ``highlighter``."""
        object.__setattr__(self, "_highlighter", highlighter)


@dataclass(frozen=True, slots=True)
class Correction:
    """``query[start:end]``, which ``before`` documents hold in some form, is to be ``word``, which
    ``documents`` hold; all counted among those that pass the filter."""

    start: int
    end: int
    word: str
    documents: int
    before: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Another ``query``, and the ``corrections`` that make it of the one that was asked, by place."""

    query: str
    corrections: tuple[Correction, ...]

    @classmethod
    def of(cls, asked: str, corrections: Sequence[Correction]) -> Self:
        query, last = "", 0
        for one in corrections:
            query, last = query + asked[last : one.start] + one.word, one.end
        return cls(query + asked[last:], tuple(corrections))


@dataclass(frozen=True)
class Results:
    """The result of a search: ``hits`` best first, the ``sequence`` number of the index's state that was
    searched, and the seconds it ``took`` (in a batch, without encoding). ``cursor``: where the next page
    begins, if one was asked for and there is more. ``query``: how the query was read; None for a vector
    alone. Iterates over its hits."""

    hits: tuple[Hit, ...]
    sequence: int
    took: float
    count: Callable[[], int] = field(repr=False, compare=False)
    cursor: str | None = field(default=None, compare=False)
    query: Parsed | None = None
    suggest: Callable[[], Suggestion | None] = field(default=lambda: None, repr=False, compare=False)

    @cached_property
    def total(self) -> int:
        """The number of documents in the snapshot that match: those that pass the filter and, in lexical
        mode, contain a term of the query, regardless of ``min_score``. Counted on first use."""
        return self.count()

    @cached_property
    def suggestion(self) -> Suggestion | None:
        """What may have been meant, where the query has a misspelt word: see ``Index.suggest``. Worked out
        on first use; the search itself is for the query as it is."""
        return self.suggest()

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled, it has its ``total``; what is worked out later stays behind: no suggestion, and no
        highlights."""
        rows = [_row(hit) for hit in self.hits]
        return _of_rows, (rows, self.sequence, self.took, self.total, self.cursor, self.query)


def _row(hit: Hit) -> tuple[Any, ...]:
    """Plain tuples are pickled many times as fast as data classes."""
    one = hit.document
    document = one.id, one.text, one.title, one.metadata, one.vector, one.passages, one.text_passages
    passages = [(part.start, part.end, part.heading, part.page) for part in hit.passages]
    return hit.id, hit.score, hit.rank, document, passages, hit.relevance, hit.folded


def _of_rows(
    rows: Sequence[Any], sequence: int, took: float, total: int, cursor: str | None, query: Parsed | None
) -> Results:
    hits = [
        Hit(id, score, rank, Document(*document), tuple([Passage(*part) for part in passages]), *more)
        for id, score, rank, document, passages, *more in rows
    ]
    return Results(tuple(hits), sequence, took, lambda: total, cursor, query)


@dataclass(frozen=True, slots=True)
class Candidates:
    """One ranked list inside the engine, best first: ``ordinals`` int64 (n,), ``scores`` float32 (n,).

    Equal scores are ordered by ascending ordinal. In the lists passed to fusions and rerankers, including
    users' own, the ordinals are numbers: a query's candidates are numbered in *the order of ties*, so
    ordering ties by number is right. That order is the same in a search, an evaluation and a
    ``MemoryIndex``: by a hash of the document's id (``hybrid.ledger.lifetimes.keys``), so it does not
    depend on when, or how often, a document was added. Two ids in two billion have the same hash; those
    are ordered by ordinal, or by id where there are no ordinals.

    ``floor`` is the lowest score that the leg can give (0 for BM25, -1 for a cosine), or None if there is
    no known bound.
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
        """Append those of ``more`` that are not yet included, with scores capped at the last score."""
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
        """Sort by descending score and keep the first ``k``; equal scores by their place in ``ties``, or
        else by ascending ordinal."""
        order = np.lexsort((ordinals if ties is None else ties[ordinals], -scores))[:k]
        return cls(ordinals[order], scores[order], floor)

    @classmethod
    def none(cls) -> Candidates:
        return cls(np.empty(0, np.int64), np.empty(0, np.float32))


class Analyzer(Protocol):
    """Turns text into terms. ``id`` is its name and version (``"mixed-2"``) and changes whenever its terms
    do. A term is not empty, contains no white space and has at most 255 bytes of UTF-8.

    An analyzer that drops stop words may have a method ``with_stop_words(text)``, which returns
    ``terms(text)`` and the dropped words; a query that consists only of stop words then searches for them.
    """

    @property
    def id(self) -> str: ...

    def terms(self, text: str) -> list[str]:
        """The terms of ``text`` in order, repeats included."""
        ...

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        """Return ``terms`` with the characters each came from: ``text[start:end]``."""
        ...


class Encoder(Protocol):
    """Turns texts into vectors. ``id`` names the model and the form of its weights; encoders with the
    same id give the same vectors."""

    @property
    def id(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def documents(self, texts: Sequence[str]) -> Matrix:
        """Encode documents: float32 (len(texts), dim)."""
        ...

    def queries(self, texts: Sequence[str]) -> Matrix:
        """Encode queries: float32 (len(texts), dim). Many models treat them differently from documents."""
        ...


@runtime_checkable
class Windowed(Protocol):
    """An encoder with a limited window, to which long texts can be cut."""

    @property
    def max_tokens(self) -> int:
        """The number of tokens of text that fit beside the prompt and the special tokens."""
        ...

    def token_offsets(self, text: str) -> NDArray[np.int64]:
        """Return the characters ``text[start:end]`` of each token, in order, (n, 2); nothing is
        truncated."""
        ...


class Fusion(Protocol):
    """Fuses ranked lists into one. A value: frozen, comparable, readable as text (``RRF(k=60)``). The
    lists' ordinals are numbers, see ``Candidates``: order ties by ascending ordinal."""

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        """Fuse ``legs`` (lexical, vector) and keep the best ``limit``."""
        ...


class Reranker(Protocol):
    """Puts the top candidates of a fused list into a better order."""

    def __call__(
        self, query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]], /
    ) -> Candidates:
        """Reorder ``candidates``. ``features``: named columns aligned with them; see ``hybrid.rerank``."""
        ...
