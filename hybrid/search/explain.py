"""Why a document stands where it stands in an answer, or why it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid.limits import counted
from hybrid.metadata.unmet import unmet
from hybrid.okapi import TermScore
from hybrid.rerank import Features
from hybrid.rerank.lambdamart import LambdaMART
from hybrid.search.lanes import Lanes
from hybrid.search.request import Request
from hybrid.search.search import Search
from hybrid.search.source import Source
from hybrid.types import Candidates, Leg, Passage, printable

_ALONE: Final = "one leg alone"
FAR: Final = 10_000
"""How deep a leg is looked through for where a document stands."""


@dataclass(frozen=True)
class Standing:
    """A document's score in one list, and its rank, from 1."""

    score: float
    rank: int


@dataclass(frozen=True)
class Contribution:
    """A feature of a document, None where it is not known, and what it ``adds`` to the score."""

    value: float | None
    adds: float


@dataclass(frozen=True)
class SimilarQuery:
    """A past query that a document is an answer of: how similar it is, and its text where its answers were
    judged. Of clicks it is None: what users ask is theirs."""

    similarity: float
    text: str | None


@dataclass(frozen=True)
class Explanation:
    """How the document ``id`` came to its place in each list, None where it is not in it: ``lexical`` and
    ``vector`` (what the legs gave to the fusion), ``fused``, and ``final``, which is after a reranker, in
    the order asked for, and without what is below min_score.

    ``terms``: what each term of the query adds to the lexical score, which is that of the best passage,
    ``passage`` (None for a document that is one); ``missing``: terms that the passage lacks. ``window``:
    the part of the text whose vector is nearest. ``past``: the similar past queries that vote for it, most
    similar first. ``fusion``: what each leg (its normalised score, or what its rank is worth, times its
    weight), and what else the fusion counts, adds to the fused score; None for a fusion that does not say.
    ``notes``: what the fusion makes of the query, in words. ``contributions``: with a learned model what
    each feature, and the "bias" of the model, adds to the final score, largest first; they sum to it.
    ``ranking``: the fusion and the reranker. ``moved``: where an adapter moved the query's vector, its
    cosine with the encoder's own.

    Why not: ``absent`` says why it is not in the final list. ``deeper``: where it stands in a leg whose
    first candidates it is not among, up to 10,000. ``behind``: by how much its final score is below that of
    the last hit shown, for one that comes later. A document that does not pass the filter is explained to
    whoever names its id: which conditions it does not meet, and nothing more of it.
    """

    id: str
    lexical: Standing | None = None
    vector: Standing | None = None
    fused: Standing | None = None
    final: Standing | None = None
    contributions: dict[str, Contribution] | None = None
    absent: str | None = None
    terms: tuple[TermScore, ...] = ()
    missing: tuple[str, ...] = ()
    passage: Passage | None = None
    window: Passage | None = None
    fusion: dict[str, float] | None = None
    notes: tuple[str, ...] = ()
    past: tuple[SimilarQuery, ...] = ()
    deeper: Mapping[Leg, Standing] = field(default_factory=dict)
    behind: float | None = None
    ranking: tuple[str, ...] = ()
    moved: float | None = None

    def __str__(self) -> str:
        """For a terminal: some lines."""
        return "\n".join(map(printable, lines(self)))


def explain(source: Source, request: Request, lanes: Lanes, id: str) -> Explanation:
    """Why ``request`` ranks the document as it does."""
    ordinal = source.found([id]).get(id)
    if ordinal is None:
        return Explanation(id, absent="the index has no document of this id")
    search = Search.of(source, request, lanes)
    if search.allowed is not None and not search.allowed[ordinal]:
        return Explanation(id, absent=_unmet(source, request, ordinal))
    lexical, vector = (_standing(leg, ordinal) for leg in search.legs)
    listed = search.legs[request.mode == "vector"] if request.alone else search.pool.named(search.fused)
    fused, ranked = _standing(listed, ordinal), search.ranked
    relevance = search.relevance(ranked)
    enough = slice(None) if relevance is None else relevance >= (request.min_score or 0.0)
    final = _standing(ranked[enough], ordinal)
    absent = None
    if final is None:
        absent = _irrelevant(request, relevance, ranked, ordinal) or _absent(search, fused, ordinal)
    told = Explanation(id, lexical, vector, fused, final, _contributions(search, ordinal), absent)
    adds, notes = _fusion(search, ordinal)
    return replace(
        _with_words(told, search, ordinal),
        window=_window(search, ordinal),
        fusion=adds,
        notes=notes,
        past=_past(search, ordinal),
        moved=_moved(request),
        deeper=_deeper(search, told, ordinal),
        behind=_behind(request, ranked[enough], final),
        ranking=_ranking(request),
    )


def _standing(ranked: Candidates, ordinal: int) -> Standing | None:
    place = np.flatnonzero(ranked.ordinals == ordinal)
    return Standing(float(ranked.scores[place[0]]), int(place[0]) + 1) if len(place) else None


# --- the parts ---------------------------------------------------------------------------------------


def _with_words(told: Explanation, search: Search, ordinal: int) -> Explanation:
    """With what the lexical leg knows of the document."""
    source, boost, words = search.source, search.request.title_boost, search.words
    terms = source.lexical.explained(words, ordinal, boost)
    has = {term.term for term in terms}
    pieces = source.pieces([ordinal]).get(ordinal)
    rows = source.lexical.scored(words, [ordinal], boost)[ordinal] if pieces else []
    return replace(
        told,
        terms=tuple(sorted(terms, key=lambda term: -term.adds)),
        missing=tuple(dict.fromkeys(word for word in words if word not in has)),
        passage=pieces[rows[0][0]].passage if pieces and rows else None,
    )


def _window(search: Search, ordinal: int) -> Passage | None:
    if search.near is None or search.request.vector is None:
        return None
    return search.source.vectors.passages(search.request.vector, np.array([ordinal]))[0]


def _moved(request: Request) -> float | None:
    if request.adapter is None or request.vector is None or request.encoded is None:
        return None
    return float(request.vector @ request.encoded)


def _fusion(search: Search, ordinal: int) -> tuple[dict[str, float] | None, tuple[str, ...]]:
    """What is added up to the fused score, and what the fusion makes of the query."""
    parts = getattr(search.request.fusion, "parts", None)
    number = np.flatnonzero(search.pool.ordinals == ordinal)
    if search.request.mode != "hybrid" or parts is None or not len(number):
        return None, ()
    made = parts(search.completed, search.evidence)
    if (voting := search.request.voting) is not None:
        made = voting.parts(made, search.votes.of(search.pool.ordinals[made.ordinals]))
    ordinals, adds, notes = made
    place = np.flatnonzero(ordinals == number[0])
    if not len(place):
        return None, notes
    return {name: float(part[place[0]]) for name, part in adds.items()}, notes


def _past(search: Search, ordinal: int) -> tuple[SimilarQuery, ...]:
    """The past queries that vote for a document."""
    asked, voting = search.past, search.request.voting
    if asked is None or voting is None or not search.votes.of(np.array([ordinal]))[0]:
        return ()
    judged, clicked = (
        asked.for_one(near, ordinal, voting.threshold) for near in (asked.judged, asked.clicked)
    )
    texts = search.source.asked(asked.voters.numbers[judged.places].tolist())
    found = [
        *map(SimilarQuery, judged.similarities.tolist(), texts),
        *(SimilarQuery(similarity, None) for similarity in clicked.similarities.tolist()),
    ]
    return tuple(sorted(found, key=lambda one: -one.similarity))


def _contributions(search: Search, ordinal: int) -> dict[str, Contribution] | None:
    reranker = search.request.reranker
    if not isinstance(reranker, LambdaMART):
        return None
    place = np.flatnonzero(search.pool.ordinals[search.head.ordinals] == ordinal)
    if not len(place):
        return None
    row, features = int(place[0]), search.features
    parts = {name: float(column[row]) for name, column in reranker.contributions(features).items()}
    order = sorted(parts, key=lambda name: -abs(parts[name]))
    return {name: Contribution(_value(features, name, row), parts[name]) for name in order}


def _value(features: Features, name: str, row: int) -> float | None:
    value = float(features[name][row]) if name in features else np.nan
    return None if np.isnan(value) else value


def _ranking(request: Request) -> tuple[str, ...]:
    how = [repr(request.fusion) if request.mode == "hybrid" else _ALONE]
    if request.reranker is not None:
        how.append(getattr(request.reranker, "__name__", None) or repr(request.reranker)[:80])
    return tuple(how)


# --- why not -----------------------------------------------------------------------------------------


def _unmet(source: Source, request: Request, ordinal: int) -> str:
    """Why a document may not be an answer: a condition of the filter, or of the query."""
    document = source.documents([ordinal])[0]
    if document.id in request.like + request.unlike:
        return "the search names it, as what answers are to be like or unlike"
    conditions = [] if request.where is None else [*unmet(request.where, document.metadata, document.id)]
    if conditions:
        return f"the filter leaves it out: {'; '.join(conditions)}"
    if document.id in request.lacking:
        return "it is excluded"
    return "the query's phrases, signs and fields leave it out"


def _irrelevant(
    request: Request, relevance: NDArray[np.float64] | None, ranked: Candidates, ordinal: int
) -> str | None:
    place = np.flatnonzero(ranked.ordinals == ordinal)
    if relevance is None or not len(place):
        return None
    return f"its relevance {relevance[place[0]]:.4f} is below min_score {request.min_score:g}"


def _absent(search: Search, fused: Standing | None, ordinal: int) -> str:
    request = search.request
    if request.listed and ordinal in search.found.ordinals:
        return f"another document of the same {request.grouped} stands for it"
    if fused is not None:
        return "the reranker leaves it out"
    lexical, vector = request.reach
    if request.mode == "lexical" and not search.source.lexical.scores(search.words, [ordinal])[0]:
        return "it contains no term of the query"
    if request.mode != "hybrid":
        return f"it is not among the first {lexical if request.mode == 'lexical' else vector}"
    asked = []
    if request.text is not None:
        asked.append(f"the first {lexical} of the lexical leg")
    if request.vector is not None:
        asked.append(f"the first {vector} of the vector leg")
    return f"it is not among {' nor '.join(asked)}"


def _deeper(search: Search, told: Explanation, ordinal: int) -> dict[Leg, Standing]:
    """Where the document stands in the legs that it was not found in."""
    lacking: list[Leg] = []
    if told.lexical is None and search.words:
        lacking.append("lexical")
    if told.vector is None and search.near is not None:
        lacking.append("vector")
    if not lacking:
        return {}
    further = search.asking(replace(search.request, k=FAR, offset=0, depths=(FAR, FAR)))
    places = {leg: _standing(further.legs[leg == "vector"], ordinal) for leg in lacking}
    return {leg: place for leg, place in places.items() if place is not None}


def _behind(request: Request, ranked: Candidates, final: Standing | None) -> float | None:
    if final is None or final.rank <= request.end or request.sort:
        return None
    return float(ranked.scores[request.end - 1]) - final.score


# --- for a terminal ----------------------------------------------------------------------------------


def lines(told: Explanation) -> list[str]:
    """An explanation as lines: each list, and below it what its score is the sum of."""
    found = [f"{told.id}: {_verdict(told)}"]
    asked = told.lexical or told.vector or told.deeper or told.terms or told.missing
    if not asked:
        return found
    found.append(_line("lexical", told.lexical, told.deeper.get("lexical"), told.passage))
    found += [_term(term) for term in told.terms]
    found += [f"    {word}: not in it" for word in told.missing]
    if told.vector or told.window or "vector" in told.deeper:
        found.append(_line("vector", told.vector, told.deeper.get("vector"), told.window))
        if told.moved is not None:
            found.append(f"    the query's vector was moved by an adapter, to cosine {told.moved:.2f}")
    if told.fused is not None and told.ranking[0] != _ALONE:
        found.append(_line(f"fused by {told.ranking[0]}", told.fused))
        found += [f"    {adds:+.4f}  {name}" for name, adds in (told.fusion or {}).items()]
        found += [f"    {note}" for note in told.notes]
        found += _similar(told.past)
    if len(told.ranking) > 1:
        found.append(_line(f"reranked by {told.ranking[1]}", told.final))
        found += [_feature(name, part) for name, part in (told.contributions or {}).items()]
    return found


def _similar(past: Sequence[SimilarQuery]) -> list[str]:
    """Why past queries add to the score: the texts of judged ones, the number of clicked ones."""
    named = [f"        {one.similarity:.2f}  {one.text}" for one in past if one.text is not None]
    clicks = sum(one.text is None for one in past)
    others = [f"        {counted(clicks, 'similar query', 'similar queries')} of users who clicked it"]
    return ["      because of similar past queries:", *named, *(others if clicks else [])] if past else []


def _verdict(told: Explanation) -> str:
    if told.final is None:
        return told.absent or "not shown"
    behind = "" if told.behind is None else f", {told.behind:.4f} behind the last hit shown"
    return f"rank {told.final.rank}, score {told.final.score:.4f}{behind}"


def _line(
    name: str, place: Standing | None, deeper: Standing | None = None, passage: Passage | None = None
) -> str:
    where = "" if passage is None else f", characters {passage.start:,} to {passage.end:,}"
    if passage is not None and passage.heading:
        where += f" ({' > '.join(passage.heading)})"
    if place is not None:
        return f"  {name}: rank {place.rank}, score {place.score:.4f}{where}"
    if deeper is not None:
        return f"  {name}: not deep enough, rank {deeper.rank:,}, score {deeper.score:.4f}{where}"
    return f"  {name}: not found"


def _term(one: TermScore) -> str:
    weight = "" if one.weight == 1 else f"{one.weight:g} x "
    return (
        f"    {one.adds:+.4f}  {one.term} in {one.field}: {weight}idf {one.idf:.3f} "
        f"({one.frequency:,} have it), tf {one.tf}, length {one.length:,} ({one.average:.1f} on average)"
    )


def _feature(name: str, part: Contribution) -> str:
    value = "" if part.value is None else f" = {part.value:.4g}"
    return f"    {part.adds:+.4f}  {name}{value}"
