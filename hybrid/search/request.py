"""What is asked of an index: one checked value that the query path carries along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypedDict, get_args

from hybrid.encoders.adapter import Adapter
from hybrid.errors import QueryError
from hybrid.fusion import Evidence, Votes, Voting
from hybrid.intake.documents import check_alike, check_encoded, check_vector
from hybrid.limits import MAX_HITS, MAX_LIKE, MAX_QUERY, MAX_SENTENCES, shown
from hybrid.metadata import filters, sorting
from hybrid.metadata.filters import Filter
from hybrid.metadata.sorting import Sort, SortKey
from hybrid.numbers import check_share, check_whole
from hybrid.query import Parsed, Query, Syntax, Words, plain, read
from hybrid.rerank.calibration import Calibration, uncalibrated
from hybrid.search.fields import Fields
from hybrid.settings import Profile
from hybrid.texts import check_lookup, clean
from hybrid.types import Candidates, Fusion, Matrix, Metric, Mode, Ordinals, Reranker, Scores

DOCUMENT: Final = "document"
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
SYNTAXES: Final[tuple[Syntax, ...]] = get_args(Syntax)


EncodeTexts: TypeAlias = Callable[[Sequence[str]], Matrix]
"""Makes a vector of each of some documents' texts, float32 (n, dim)."""


class Options(TypedDict, total=False):
    """The keyword arguments that every way to search takes.

    k: how many hits (10). offset: how many of the first to pass over (0): of one ``Results.sequence`` the
    answers for offset=0, 10, 20, … and k=10 are what one for k=30, … is, cut into pages. mode: "hybrid",
    "lexical" or "vector". filter: see ``hybrid.metadata.filters``. fusion: instead of the index's serving
    profile and its learned model. depth: how many candidates each leg gives to the fusion, instead of the
    profile's. reranker: puts the fused candidates into a better order. min_score: show only those of the k
    hits whose ``relevance`` is at least this, from 0 to 1, and no others in their place; an empty answer
    says that there is no good one. QueryError where the index has no calibration (``hybrid calibrate``).
    sort: a key of the metadata, "-price" for descending, or a list of keys (``hybrid.metadata.sorting``):
    sorts what is found, equal ones by score. Where the keyword leg alone answers (in mode "lexical", or
    without an encoder) these are all documents that contain a word of the query, or else those among the
    legs' first ``depth``. fields: what hits' documents hold, a
    list of "title", "text", "metadata" and "metadata.KEY"; what is not named is empty, and without the text
    there are no highlights (``hybrid.search.fields``). cursor=True: keep up to 10,000 hits of the ranking
    for ``next_page``; in ``search`` alone. group_by: "document"; or a key of the metadata: of all that is
    found (as for ``sort``) the best document of each value, where ``folded`` says for how many others it
    stands; or None: each hit is a passage, ranked as the legs' first ``depth`` passages are fused.
    sentences: how many sentences of a passage that has no word of the query may be encoded when its
    highlights are asked for, to show the one nearest to the query (0: its beginning is shown).
    like, unlike: ids of documents to move the query towards, and away from; see `hybrid.search.like`. They
    are no hits themselves. With ``like`` neither query nor vector is needed. QueryError for one that does
    not pass the filter, or is not there.
    syntax: "auto" reads operators in a query's text (`hybrid.query`), "plain" takes all of it as words.

    The ranking does not depend on k and offset. Its head is what is fused and reranked of the legs' first
    ``depth``. What the legs have further down follows by turns, the lexical leg's next, the vector leg's
    next, and at last what the graph must look further for, by scores that say no more than that. In mode
    "lexical" and "vector" without a reranker it is the leg's own list. ``rank`` counts what is shown: with
    min_score the pages before count by what they show.

    The largest offset + k and depth, and how large a query and a filter may be: see ``hybrid.limits``.
    """

    k: int
    offset: int
    mode: Mode
    filter: Mapping[str, Any] | None
    fusion: Fusion | None
    depth: int | None
    reranker: Reranker | None
    min_score: float | None
    sort: Sort | None
    fields: Sequence[str] | None
    cursor: bool
    group_by: str | None
    sentences: int
    syntax: Syntax
    like: Sequence[str]
    unlike: Sequence[str]


@dataclass(frozen=True)
class Request:
    """One query, checked. ``text``: its words, without operators and what is excluded; None where there
    are none. ``vector``, which documents are compared with, is ready-made, or filled in by whoever encodes
    ``text``."""

    text: str | None
    vector: Scores | None
    k: int
    mode: Mode
    where: Filter | None
    fusion: Fusion
    depths: tuple[int, int]
    title_boost: float
    effort: int | None
    reranker: Reranker | None
    calibration: Calibration | None = None
    min_score: float | None = None
    offset: int = 0
    lacking: tuple[str, ...] = ()
    """Documents, by id, that are to be passed over as if the index lacked them."""
    sort: tuple[SortKey, ...] = ()
    fields: Fields | None = None
    """Those that documents are returned with; None for all."""
    cursor: bool = False
    grouped: str | None = None
    """The key of the metadata by which documents are grouped."""
    passages: bool = False
    """Whether passages are ranked, each for itself."""
    sentences: int = 0
    """How many of them may be encoded for the highlights of a hit."""
    encode: EncodeTexts | None = None
    """Encodes sentences, where any may be."""
    query: Parsed | None = None
    """How the query was read."""
    typed: str | None = None
    """The query as it was typed, with its operators."""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    voting: Voting | None = None
    """How past queries vote; None: they do not."""
    silent: frozenset[int] = frozenset()
    """The numbers of past queries that do not vote all the same."""
    terms: tuple[str, ...] = ()
    """Terms that the lexical leg is asked for beside those of the text."""
    encoded: Scores | None = None
    """The encoder's own vector of the text, which past queries are compared with; None where ``vector`` is
    ready-made, or there is none."""
    adapter: Adapter | None = None
    """What moved it."""

    @property
    def end(self) -> int:
        """How many documents the ranking must have for all hits to be there."""
        return self.offset + self.k

    @property
    def listed(self) -> bool:
        """Whether all that is found is brought into another order."""
        return bool(self.sort) or self.grouped is not None

    @property
    def alone(self) -> bool:
        """Whether the answer is one leg's list as it is."""
        return self.mode != "hybrid" and self.reranker is None

    @property
    def depth(self) -> int:
        """How many candidates a reranker is given."""
        return max(self.depths)

    @property
    def reach(self) -> tuple[int, int]:
        """How many candidates each leg is asked for. (For a calibration two, since it holds the first
        against the second.)"""
        least = self.end if self.calibration is None else max(self.end, 2)
        lexical, vector = (least if self.alone else max(least, depth) for depth in self.depths)
        return lexical, vector

    def heads(self, legs: Sequence[Candidates]) -> list[Candidates]:
        """The candidates of the legs' answers that are ranked together."""
        return [leg.top(depth) for leg, depth in zip(legs, self.depths, strict=True)]

    def newcomers(self, votes: Votes, known: Ordinals) -> Ordinals:
        """The documents that enter by ``votes`` where some are ``known``."""
        return votes.ordinals[:0] if self.voting is None else votes.newcomers(known, self.voting.least)

    def adapted(self, adapter: Adapter | None) -> Request:
        """The same with the vector that ``adapter`` makes of the encoder's; a ready-made one stays."""
        if self.encoded is None:
            return self
        vector = self.encoded if adapter is None else adapter(self.encoded)
        return replace(self, vector=vector, adapter=adapter)

    def under(self, profile: Profile, reranker: Reranker | None, adapter: Adapter | None) -> Request:
        """The same, ranked as ``profile`` says, whose models are ``reranker`` and ``adapter``."""
        return replace(
            self if adapter is self.adapter else self.adapted(adapter),
            fusion=profile.fuse(),
            depths=profile.depths,
            title_boost=profile.title_boost,
            effort=profile.effort,
            reranker=reranker,
            voting=profile.voting if self.mode == "hybrid" else None,
        )

    def fuse(self, legs: Sequence[Candidates], evidence: Evidence) -> Candidates:
        """Some heads of the legs' answers as one list."""
        if self.mode != "hybrid":
            return legs[self.mode == "vector"]
        everyone = sum(map(len, legs))
        # Not by isinstance: a protocol that is looked up at run time costs as much as a small fusion.
        informed = getattr(self.fusion, "informed", None)
        return self.fusion(legs, everyone) if informed is None else informed(legs, everyone, evidence)

    @property
    def value(self) -> Query | None:
        """The query where it is more than words."""
        return None if self.query is None or isinstance(self.query.value, Words) else self.query.value

    @property
    def asks_anything(self) -> bool:
        """Whether all documents that may be answered are: the query only excludes."""
        return self.value is not None and self.text is None and self.vector is None and not self.like

    @property
    def asks_words(self) -> bool:
        return self.mode != "vector" and self.text is not None

    @property
    def asks_meaning(self) -> bool:
        return self.mode != "lexical"


Encode: TypeAlias = Callable[[Sequence[str]], Iterable[Scores] | None]
"""Makes a vector (dim,) of each query."""


class Asker:
    """Turns what callers pass into requests, against an index of some metric and dimension."""

    def __init__(
        self,
        metric: Metric,
        dim: int | None,
        profile: Profile,
        reranker: Reranker | None = None,
        calibration: Calibration | None = None,
        adapter: Adapter | None = None,
    ) -> None:
        """``reranker``, ``calibration`` and ``adapter``: the models that ``profile`` names, where it names
        any."""
        self._metric, self._dim, self._profile, self._reranker = metric, dim or None, profile, reranker
        self._calibration, self._adapter = calibration, adapter

    @property
    def calibrated(self) -> bool:
        """Whether it is known how relevant a hit is."""
        return self._calibration is not None

    def one(self, query: str | Query | None, vector: Any, options: Options) -> Request:
        if query is None and vector is None and not options.get("like"):
            raise QueryError("nothing to search for: give a query, a vector, or both")
        return self.many(None if query is None else [query], None if vector is None else [vector], options)[
            0
        ]

    def many(self, queries: Sequence[str | Query] | None, vectors: Any, options: Options) -> list[Request]:
        """One request for each of ``queries`` and ``vectors``, which are as many where both are given."""
        if queries is None and vectors is None and not options.get("like"):
            raise QueryError("nothing to search for: give queries, vectors, or both")
        if isinstance(queries, (str, Mapping, Query)):
            raise QueryError("search_many takes a list of queries; use search for one, run for {id: query}")
        given = None if vectors is None else _list("vectors", vectors)
        asked = None if queries is None else _list("queries", queries)
        if given is not None and asked is not None and len(given) != len(asked):
            raise QueryError(f"{len(asked)} queries but {len(given)} vectors; they go in pairs")
        plan, syntax = self._plan(**options), _syntax(options.get("syntax", "auto"))
        read = (
            [None] * (1 if given is None else len(given))
            if asked is None
            else [_read(one, syntax) for one in asked]
        )
        ready = [None] * len(read) if given is None else self._vectors(given)
        if plan["cursor"] and len(read) > 1:
            raise QueryError("a cursor is of one search; use search")
        if plan["mode"] == "lexical" and queries is None and not plan["like"]:
            raise QueryError(
                'mode "lexical" needs a query text; for a vector alone use mode "vector" or "hybrid"'
            )
        requests = [
            Request(_words(query), vector, query=query, typed=typed, **plan)
            for query, vector, typed in zip(read, ready, _typed(asked, read), strict=True)
        ]
        if plan["mode"] == "vector" and any(request.asks_anything for request in requests):
            raise QueryError(
                'mode "vector" needs words or a vector to compare with; the query only excludes'
            )
        if plan["passages"] and any(request.asks_anything for request in requests):
            raise QueryError("group_by=None ranks passages by words or a vector; the query only excludes")
        return requests

    def encoded(self, requests: Sequence[Request], encode: Encode | None) -> list[Request]:
        """The requests with their query vectors filled in. ``encode`` is None for an index without encoder,
        and returns None where there is nothing to compare with. Raises QueryError, EncoderError."""
        texts = [r.text for r in requests if r.asks_meaning and r.vector is None and r.text is not None]
        if texts and requests[0].mode == "vector" and encode is None:
            raise QueryError(
                'mode "vector" needs vector=…: this index has no encoder to make one from the query'
            )
        if not texts or encode is None or (made := encode(texts)) is None:
            return list(requests)
        vectors = iter(made)
        return [
            replace(r, encoded=self.unit(next(vectors))).adapted(self._adapter)
            if r.asks_meaning and r.vector is None
            else r
            for r in requests
        ]

    def selection(
        self, query: str | Query | None, filter: Mapping[str, Any] | None
    ) -> tuple[Query | None, Filter | None]:
        """What is counted or listed: documents that contain a term of ``query``, and what it demands, and
        pass ``filter``."""
        where = None if filter is None else filters.parse(filter)
        return None if query is None else _read(query, "auto").value, where

    def typing(
        self, text: str, filter: Mapping[str, Any] | None, limit: int = 1
    ) -> tuple[str, Filter | None, int]:
        """What is corrected or completed, for which documents, and how many completions are wanted."""
        where = None if filter is None else filters.parse(filter)
        return _text(text), where, check_whole("limit", limit, 1, MAX_HITS)

    def adapted(self, encoded: Scores) -> Scores:
        """A query's vector from the encoder as documents are compared with it. Raises EncoderFailed."""
        made = self.unit(encoded)
        return made if self._adapter is None else self._adapter(made)

    def unit(self, encoded: Scores) -> Scores:
        """A vector from the encoder, brought to the index's metric. Raises EncoderFailed."""
        made: Scores = check_encoded(encoded[None, :], self._metric)[0]
        return made

    def _vectors(self, given: list[Any]) -> Sequence[Scores]:
        alike = check_alike(given, self._metric, self._dim) if len(given) > 1 else None
        return [self._vector(vector) for vector in given] if alike is None else list(alike)

    def _vector(self, vector: Any) -> Scores:
        return check_vector(vector, self._metric, self._dim, "the query", query=True)

    def _plan(
        self,
        k: int = 10,
        offset: int = 0,
        mode: Mode = "hybrid",
        filter: Mapping[str, Any] | None = None,
        fusion: Fusion | None = None,
        depth: int | None = None,
        reranker: Reranker | None = None,
        min_score: float | None = None,
        sort: Sort | None = None,
        fields: Sequence[str] | None = None,
        cursor: bool = False,
        group_by: str | None = DOCUMENT,
        sentences: int = 0,
        syntax: Syntax = "auto",
        like: Sequence[str] = (),
        unlike: Sequence[str] = (),
    ) -> dict[str, Any]:
        del syntax  # which says how the queries are read
        if not isinstance(mode, str) or mode not in MODES:
            raise QueryError(f"mode {shown(mode)} is not known; it is one of {', '.join(map(repr, MODES))}")
        if not isinstance(cursor, bool):
            raise QueryError(f"cursor is {shown(cursor)}; it is True or False (next_page takes a cursor)")
        if group_by is None and (
            sort is not None or cursor or reranker is not None or min_score is not None
        ):
            raise QueryError(
                "group_by=None ranks passages; sort, cursor, reranker and min_score are of documents"
            )
        k, offset = check_whole("k", k, 1, MAX_HITS), check_whole("offset", offset, 0, MAX_HITS)
        served = mode == "hybrid"
        if offset + k > MAX_HITS:
            raise QueryError(
                f"offset {offset:,} and k {k:,} reach beyond {MAX_HITS:,} hits; ask for what lies before"
            )
        for name, value in (("fusion", fusion), ("reranker", reranker)):
            if value is not None and (not callable(value) or isinstance(value, type)):
                raise QueryError(
                    f"{name}={shown(value)} is not a value that can be called, such as hybrid.RRF(k=60)"
                )
        return {
            "like": _ids("like", like),
            "unlike": _ids("unlike", unlike),
            "k": k,
            "offset": offset,
            "mode": mode,
            "where": None if filter is None else filters.parse(filter),
            "fusion": fusion or self._profile.fuse(),
            "depths": self._profile.depths
            if depth is None
            else (check_whole("depth", depth, 1, MAX_HITS),) * 2,
            "title_boost": self._profile.title_boost,
            "effort": self._profile.effort,
            "reranker": self._reranker if reranker is None and fusion is None and served else reranker,
            "calibration": self._calibration,
            "voting": self._profile.voting if fusion is None and served and group_by else None,
            "min_score": None if min_score is None else self._least(min_score),
            "sort": sorting.parse(sort),
            "fields": Fields.of(fields),
            "cursor": cursor,
            "grouped": self._grouped(group_by),
            "passages": group_by is None,
            "sentences": check_whole("sentences", sentences, 0, MAX_SENTENCES),
        }

    def _grouped(self, given: Any) -> str | None:
        if given is not None and (not isinstance(given, str) or not given):
            raise QueryError(
                f'group_by is {shown(given)}; it is "document", a key of the metadata, or None for passages'
            )
        return None if given == DOCUMENT else given

    def _least(self, given: Any) -> float:
        least = check_share("min_score", given)
        if self._calibration is None:
            raise uncalibrated("min_score")
        return least


def _list(name: str, given: Any) -> list[Any]:
    try:
        return list(given)
    except TypeError as cause:
        raise QueryError(f"{name} is a {type(given).__name__}, not a list") from cause


def _ids(name: str, given: Any) -> tuple[str, ...]:
    if given is None or (isinstance(given, tuple) and not given):
        return ()
    ids = [given] if isinstance(given, (str, bytes)) else _list(name, given)
    if isinstance(given, (str, bytes)) or not all(isinstance(id, str) for id in ids):
        raise QueryError(f"{name} takes a list of ids, not {shown(given)}")
    if len(ids) > MAX_LIKE:
        raise QueryError(f"{name} has {len(ids):,} ids; the limit is {MAX_LIKE}")
    return tuple(map(check_lookup, ids))


_OF_PAGES: Final = {"sort": None, "fields": None, "cursor": False, "group_by": DOCUMENT}
"""Options of what is shown, which a run has not, and what they are otherwise."""


def check_queries(queries: object, options: Mapping[str, Any]) -> Mapping[str, str]:
    """Queries for a run; QueryError for what is no mapping of query id to text, and for options that a run
    cannot have, since it is judged by document and score."""
    if not isinstance(queries, Mapping):
        raise QueryError(f"run takes a mapping of query id to text, not {shown(queries)}")
    if unfit := [name for name, usual in _OF_PAGES.items() if not _same(options.get(name, usual), usual)]:
        raise QueryError(f"run ranks documents by score, without {unfit[0]}=; for that use search_many")
    return queries


def _same(value: Any, usual: Any) -> bool:
    """Whether they are equal, whatever ``value`` does when it is compared."""
    return value is usual or (isinstance(value, str) and str.__eq__(value, usual) is True)


def _read(query: Any, syntax: Syntax) -> Parsed:
    if not isinstance(query, (str, Query)):
        raise QueryError(
            f"a query is a str or a value of hybrid.query, not a {type(query).__name__}: {shown(query)}"
        )
    return read(_text(query), syntax) if isinstance(query, str) else read(query)


def _text(query: Any) -> str:
    if not isinstance(query, str):
        raise QueryError(f"a query is a str, not a {type(query).__name__}: {shown(query)}")
    text = clean(query)
    if len(text) > MAX_QUERY:
        raise QueryError(
            f"the query has {len(text):,} characters; the limit is {MAX_QUERY:,}: ask a part of it"
        )
    return text


def _typed(asked: Sequence[Any] | None, read: Sequence[Parsed | None]) -> list[str | None]:
    """The texts of queries; those of values are the texts that are read as them."""
    if asked is None:
        return [None] * len(read)
    both = zip(asked, read, strict=True)
    return [clean(one) if isinstance(one, str) else str(parsed) for one, parsed in both]


def _words(query: Parsed | None) -> str | None:
    """The text of a query for both legs; None where it only excludes."""
    if query is None:
        return None
    text = clean(plain(query.value))
    return text if text or isinstance(query.value, Words) else None


def _syntax(given: Any) -> Syntax:
    if given not in SYNTAXES:
        raise QueryError(
            f"syntax {shown(given)} is not known; it is one of {', '.join(map(repr, SYNTAXES))}"
        )
    return SYNTAXES[SYNTAXES.index(given)]
