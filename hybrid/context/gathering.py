"""From the hits of a search to a context: passages in turn, while the budget lasts.

A document's best passage waits for those of the documents before it; its next passage, and a neighbour of a
passage, wait for three documents more. The first that does not fit is cut to whole sentences, and nothing
follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from hybrid.context.duplicates import Seen
from hybrid.context.edges import fitting, whole_sentences
from hybrid.context.plan import Plan
from hybrid.context.records import Context, NumberedPassage, render
from hybrid.context.tokens import Count
from hybrid.ledger.passages import Pieces, whole
from hybrid.sentences import Span, split
from hybrid.types import Analyzer, Hit

_WAIT: Final = 3
_CONSIDERED: Final = 1_000
"""Passages that are looked at."""
_LOOKED: Final = 20_000
"""Characters of a passage that are analysed, for near-duplicates and for the sentence that the query asks
for."""
_LONGEST: Final = 100
"""Characters of a token on average: a longer sentence is not counted to know that it does not fit."""


class Holder(Protocol):
    """A state of an index that the hits are from."""

    @property
    def analyzer(self) -> Analyzer: ...

    def found(self, ids: Iterable[str]) -> dict[str, int]: ...

    def pieces(self, ordinals: Sequence[int]) -> Mapping[int, Pieces]: ...


def gathered(
    holder: Holder, query: str | None, hits: Sequence[Hit], plan: Plan, count: Count, *, calibrated: bool
) -> Context:
    """The context of ``hits``, best first, which are the answer to ``query``."""
    least = plan.min_relevance
    enough = [hit for hit in hits if least is None or (hit.relevance or 0.0) >= least]
    passages = _Gathering(holder, query or "", enough, plan, count).passages() if enough else ()
    reason = None if calibrated else "it never abstains: without a calibration no relevance is known"
    if not hits:
        reason = "nothing was found"
    elif not enough:
        best = max((hit.relevance for hit in hits if hit.relevance is not None), default=0.0)
        reason = f"the most relevant hit has a relevance of {best:.2f}; min_relevance is {least:g}"
    elif not passages:
        reason = f"no sentence of the passages found fits into {plan.tokens:,} tokens"
    tokens = count(render(passages)) if passages else 0
    return Context(query, passages, tokens, least is not None and not enough, reason)


@dataclass(frozen=True, slots=True)
class _Turn:
    """Passage ``number`` of the hit at ``place``. ``joins``: the number of the passage that it is a
    neighbour of; None for one of the best."""

    wait: int
    place: int
    number: int
    joins: int | None


@dataclass(frozen=True, slots=True)
class _Part:
    """The stretch ``text[start:end]`` that is taken in a turn."""

    turn: _Turn
    start: int
    end: int


class _Gathering:
    def __init__(self, holder: Holder, query: str, hits: Sequence[Hit], plan: Plan, count: Count) -> None:
        self._hits, self._plan, self._count = hits, plan, count
        self._analyzer = holder.analyzer
        self._asked = frozenset(self._analyzer.terms(query))
        places = holder.found(hit.id for hit in hits)
        several = holder.pieces(list(places.values()))
        self._pieces = [several.get(places.get(hit.id, -1)) or whole(hit.document.text) for hit in hits]

    def passages(self) -> tuple[NumberedPassage, ...]:
        parts = self._taken()
        while parts:
            passages = self._numbered(parts)
            over = self._count(render(passages)) - self._plan.tokens
            if over <= 0:
                return passages
            last = parts.pop()  # tokens do not add up where texts are joined
            text = self._hits[last.turn.place].document.text
            less = self._cut(last, self._count(text[last.start : last.end]) - over)
            parts += [less] if less and less.end - less.start < last.end - last.start else []
        return ()

    # -- turns

    def _turns(self) -> list[_Turn]:
        turns: dict[tuple[int, int], _Turn] = {}
        for place, (hit, pieces) in enumerate(zip(self._hits, self._pieces, strict=True)):
            for rank, best in enumerate(_best(hit, pieces)[: self._plan.per_document]):
                for step in range(-self._plan.neighbours, self._plan.neighbours + 1):
                    number = best + step
                    joins = number - (step > 0) + (step < 0) if step else None
                    turn = _Turn(place + _WAIT * (rank + abs(step)), place, number, joins)
                    if 0 <= number < len(pieces) and turn.wait < turns.get((place, number), _LAST).wait:
                        turns[place, number] = turn
        return sorted(turns.values(), key=lambda turn: (turn.wait, turn.place, turn.number))[:_CONSIDERED]

    def _taken(self) -> list[_Part]:
        """The parts that fit, counted one by one."""
        taken: dict[tuple[int, int], _Part] = {}
        left, seen = self._plan.tokens, Seen(self._analyzer)
        for turn in self._turns():
            if turn.joins is not None and (turn.place, turn.joins) not in taken:
                continue
            text, piece = self._hits[turn.place].document.text, self._pieces[turn.place][turn.number]
            part = _Part(turn, *whole_sentences(text, piece.start, piece.end))
            looked = text[part.start : min(part.end, part.start + _LOOKED)]
            if not looked or seen.like(shingles := seen.shingles(looked)):
                continue
            room = left - (0 if turn.joins is not None else self._header(part))
            cost = self._cost(text, (part.start, part.end), room)
            if cost > room and (less := self._cut(part, room)) is not None:
                taken[turn.place, turn.number] = less
                break
            if cost <= room:
                taken[turn.place, turn.number], left = part, room - cost
                seen.add(shingles)
        return list(taken.values())

    def _header(self, part: _Part) -> int:
        return self._count(self._passage(len(self._hits), part).header + "\n\n\n")

    # -- parts

    def _cost(self, text: str, span: Span, room: int) -> int:
        start, end = span
        return room + 1 if end - start > _LONGEST * room else self._count(text[start:end])

    def _cut(self, part: _Part, room: int) -> _Part | None:
        """Whole sentences of a part that fit into ``room``; None where there are none."""
        if room <= 0:
            return None
        text, turn = self._hits[part.turn.place].document.text, part.turn
        parts = list(split(text, part.start, part.end))
        if turn.joins is None:
            anchor = self._asked_for(text, parts)
        else:
            anchor = len(parts) - 1 if turn.number < turn.joins else 0
        span = fitting(parts, anchor, room, lambda one: self._cost(text, one, room))
        return None if span is None else replace(part, start=span[0], end=span[1])

    def _asked_for(self, text: str, parts: Sequence[Span]) -> int:
        """The number of the sentence that has most of the query's terms, the first of equals."""
        end = parts[0][0] + _LOOKED
        near = [text[start : min(stop, end)] for start, stop in parts if start < end]
        shared = [len(self._asked.intersection(self._analyzer.terms(sentence))) for sentence in near]
        return shared.index(max(shared))

    # -- passages

    def _numbered(self, parts: Sequence[_Part]) -> tuple[NumberedPassage, ...]:
        merged: list[_Part] = []
        for part in sorted(parts, key=lambda part: (part.turn.place, part.start)):
            if merged and self._touch(merged[-1], part):
                first = merged[-1]
                turn = replace(first.turn, wait=min(first.turn.wait, part.turn.wait))
                merged[-1] = _Part(turn, first.start, max(first.end, part.end))
            else:
                merged.append(part)
        if self._plan.order == "score":
            merged.sort(key=lambda part: part.turn.wait)
        return tuple(self._passage(number, part) for number, part in enumerate(merged, start=1))

    def _touch(self, first: _Part, then: _Part) -> bool:
        """Whether nothing but blanks stands between two parts."""
        text = self._hits[first.turn.place].document.text
        return first.turn.place == then.turn.place and not text[first.end : then.start].strip()

    def _passage(self, number: int, part: _Part) -> NumberedPassage:
        hit = self._hits[part.turn.place]
        piece = self._pieces[part.turn.place][part.turn.number]
        return NumberedPassage(
            number=number,
            id=hit.id,
            title=hit.document.title,
            heading=piece.heading,
            page=piece.page,
            start=part.start,
            end=part.end,
            text=hit.document.text[part.start : part.end],
            relevance=hit.relevance,
        )


_LAST: Final = _Turn(1 << 62, 0, 0, None)


def _best(hit: Hit, pieces: Pieces) -> list[int]:
    """The numbers of a hit's best passages, best first."""
    numbers = {(piece.start, piece.end): number for number, piece in enumerate(pieces)}
    found = [numbers[passage.start, passage.end] for passage in hit.passages if passage in numbers]
    return found or [0]
