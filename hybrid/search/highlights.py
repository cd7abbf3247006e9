"""Where the words of a query stand in a document, and the fragments of its text that show most of them.

Text is analysed as it was when it was indexed, so forms, stems and compounds are found as the keyword index
finds them. Up to MOST characters a document are: of a longer text the blocks in which the query's words, or
their beginnings, stand literally, and the passage that the vector leg found.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby, islice
from typing import Final, NamedTuple

import numpy as np

from hybrid.analyzers.literal import literal, literal_spans
from hybrid.lexical.entries import standing
from hybrid.lexical.terms import StopWord, of_query
from hybrid.norms import unit
from hybrid.sentences import split
from hybrid.types import Analyzer, Document, Fragment, Highlights, Hit, Matrix, Passage, Scores

MOST: Final = 20_000
"""Characters that are analysed."""

SIZE: Final = 160
"""Characters of a fragment."""

_FRAGMENTS: Final = 3
_LEAD: Final = 60  # characters before the first word, for the beginning of its sentence
_BLOCK: Final = 1_000
_LONGEST: Final = 100  # characters of a word
_FORMS: Final = 32  # literal forms that a long text is looked through for
_MATCHES: Final = 2_000  # considered for fragments
_SENTENCE: Final = re.compile(r"[。！？；…\n]+[”’」』）》]*|[.!?]+[”’\"')\]]*\s+")
_SPACE: Final = re.compile(r"\s")


class Match(NamedTuple):
    """A term of the query at ``text[start:end]``."""

    start: int
    end: int
    term: str


class Highlighter:
    """Marks the words of one query."""

    def __init__(
        self,
        analyzer: Analyzer,
        query: str,
        phrases: Sequence[str] = (),
        words: Iterable[str] = (),
        terms: Iterable[str] = (),
        *,
        within: bool = False,
        weights: Callable[[], Mapping[str, float]] = dict,
        nearest: NearestSentence | None = None,
    ) -> None:
        """``phrases`` are marked where they stand whole; ``words``, which are folded, as they are spelt;
        ``terms`` beside those of the query. ``within``: only fragments of the passage. ``weights``: how
        much each term counts, by default alike. ``nearest``: which sentence is shown where no term stands;
        None for the first."""
        self._analyzer, self._query, self._within = analyzer, query, within
        self._phrases = [tokens for phrase in phrases if (tokens := literal(phrase))]
        self._literal, self._words, self._more = list(phrases), frozenset(words), frozenset(terms)
        self._weights, self._nearest = weights, nearest

    @cached_property
    def _worth(self) -> dict[str, int]:
        """The terms' weights, in thousandths: sums of whole numbers do not depend on the order."""
        known = self._weights()
        worth = {term: round(1000 * known.get(term, 1.0)) + 1 for term in self._terms}
        return defaultdict(lambda: 1001, worth)

    @cached_property
    def _terms(self) -> frozenset[str]:
        return frozenset(of_query(self._analyzer, self._query)) | self._more

    @cached_property
    def _forms(self) -> list[str]:
        """What to look for literally: the query's own words, and beginnings of the terms, since forms of a
        word differ at the end."""
        words = {self._query[start:end].lower() for _, start, end in self._analyzer.spans(self._query)}
        stems = {term[: max(4, len(term) - 2)] if term.isascii() else term for term in self._terms}
        asked = {form.lower() for form in (*self._literal, *self._words)}
        return sorted(words | stems | asked, key=len, reverse=True)[:_FORMS]

    def __call__(self, document: Document, passage: Passage | None) -> Highlights:
        title = _fragment(document.title, 0, len(document.title), self.matches(document.title))
        start, end = passage if passage and self._within else (0, len(document.text))
        text = document.text[start:end]
        passage = None if passage is None else Passage(passage.start - start, passage.end - start)
        found = self.matches(text, passage)
        fragments = _fragments(text, found, passage, self._worth) if found else self._plain(text, passage)
        own = (_moved(fragment, start, document.text) for fragment in fragments)
        return Highlights(title, tuple(own))

    def _plain(self, text: str, passage: Passage | None) -> Iterator[Fragment]:
        """Without any match: the sentence of the passage that is nearest, or its beginning."""
        start, end = passage or (0, len(text))
        if self._nearest is not None:
            start = self._nearest(text, start, end)
        if text:
            yield _fragment(text, start, _end(text, start), [])

    def matches(self, text: str, passage: Passage | None = None) -> list[Match]:
        """The terms of the query in ``text``, by place; of a long text in its likeliest blocks."""
        found: list[Match] = []
        if any(isinstance(term, StopWord) for term in self._terms):
            found += _literal(text[:MOST], self._terms)
        for at, last in self._blocks(text, passage):
            part = text[at:last]
            spans = self._analyzer.spans(part) if self._terms else []
            found += [
                Match(at + start, at + end, term) for term, start, end in spans if term in self._terms
            ]
            found += [Match(at + start, at + end, term) for start, end, term in self._spelt(part)]
        return sorted(found)

    def _spelt(self, text: str) -> Iterator[Match]:
        """The phrases and words that are looked for as they are spelt."""
        if not self._phrases and not self._words:
            return
        spans = literal_spans(text)
        tokens = [token for token, _, _ in spans]
        for token, start, end in spans:
            if token in self._words:
                yield Match(start, end, token)
        for phrase in self._phrases:
            for place in standing(phrase, tokens):
                yield Match(spans[place][1], spans[place + len(phrase) - 1][2], " ".join(phrase))

    def _blocks(self, text: str, passage: Passage | None) -> Iterator[tuple[int, int]]:
        """The stretches to analyse, in their order; all of a text that is not long."""
        if len(text) <= MOST:
            yield 0, len(text)
            return
        counts = dict.fromkeys(range(-(-len(text) // _BLOCK)), 0)
        lowered = text.lower()
        for form in self._forms:
            for block in {at // _BLOCK for at in _places(lowered, form)} & counts.keys():
                counts[block] += 1
        if passage is not None:
            for block in range(
                passage.start // _BLOCK, min(passage.end, passage.start + MOST // 2) // _BLOCK + 1
            ):
                counts[block] = counts.get(block, 0) + 1
        best = sorted(counts, key=lambda block: (-counts[block], block))[: MOST // _BLOCK]
        for _, run in groupby(enumerate(sorted(best)), key=lambda pair: pair[1] - pair[0]):
            blocks = [block for _, block in run]
            yield _uncut(text, blocks[0] * _BLOCK, -1), _uncut(text, (blocks[-1] + 1) * _BLOCK, 1)


class NearestSentence:
    """Finds the sentence that is nearest to a query."""

    def __init__(self, encode: Callable[[Sequence[str]], Matrix], query: Scores, most: int) -> None:
        """``query``: its vector (dim,). ``most``: how many sentences may be encoded."""
        self._encode, self._query, self._most = encode, query, most

    def __call__(self, text: str, start: int, end: int) -> int:
        """Where the nearest of the first sentences of ``text[start:end]`` begins. Raises EncoderError."""
        worded = (span for span in split(text, start, end) if any(map(str.isalnum, text[slice(*span)])))
        found = list(islice(worded, self._most))
        if len(found) < 2:
            return found[0][0] if found else start
        directions = unit(self._encode([text[first:last] for first, last in found]))
        return found[int(np.argmax(directions @ self._query))][0]


def lit(hits: Sequence[Hit], highlighter: Highlighter) -> tuple[Hit, ...]:
    """The hits, whose ``highlights`` can be asked for."""
    for hit in hits:
        hit.light(highlighter)
    return tuple(hits)


def _places(text: str, form: str) -> Iterator[int]:
    at = text.find(form) if form else -1
    while at >= 0:
        yield at
        at = text.find(form, at // _BLOCK * _BLOCK + _BLOCK)  # one a block will do


def _uncut(text: str, place: int, step: int) -> int:
    """``place``, or the nearest one in the direction of ``step`` at which no word is cut."""
    for _ in range(_LONGEST):
        if not (0 < place < len(text) and text[place - 1].isalnum() and text[place].isalnum()):
            break
        place += step
    return min(place, len(text))


def _literal(text: str, words: Iterable[str]) -> Iterator[Match]:
    """Stop words, which are no terms of a text, as they stand there; pairs of them are left out."""
    lowered = text.lower()
    for word in words if len(lowered) == len(text) else ():
        at = lowered.find(word)
        while at >= 0:
            end = at + len(word)
            around = lowered[at - 1 : at] + lowered[end : end + 1]
            if not word.isascii() or not any(c.isascii() and c.isalnum() for c in around):
                yield Match(at, end, word)
            at = lowered.find(word, end)


# --- fragments ---------------------------------------------------------------------------------------


def _fragments(
    text: str, found: Sequence[Match], passage: Passage | None, worth: Mapping[str, int]
) -> Iterator[Fragment]:
    """Those that show most of the query, best first."""
    left = list(found)
    for _ in range(_FRAGMENTS):
        if not left:
            break
        start, end = _around(text, _best(left[:_MATCHES], passage, worth))
        yield _fragment(text, start, end, found)
        left = [match for match in left if match.end <= start or match.start >= end]


def _best(found: Sequence[Match], passage: Passage | None, worth: Mapping[str, int]) -> Match:
    """The first match of the window whose different terms weigh most; among these one that lies in the
    passage, then one with most matches."""
    best, place, last = (0, False, 0), 0, 0
    for first, match in enumerate(found):
        while last < len(found) and found[last].end - match.start <= SIZE - _LEAD:
            last += 1
        inside = passage is not None and passage.start <= match.start < passage.end
        window = found[first : max(last, first + 1)]
        terms = {one.term for one in window}
        value = sum(worth[term] for term in terms), inside, len(window)
        if value > best:
            best, place = value, first
    return found[place]


def _around(text: str, match: Match) -> tuple[int, int]:
    """From the beginning of the sentence if it is near, or of a word."""
    earliest = max(0, match.start - _LEAD)
    before = text[earliest : match.start]
    ends = [one.end() for one in _SENTENCE.finditer(before)]
    start = earliest
    if ends:
        start += ends[-1]
    elif earliest and (space := _SPACE.search(before)):
        start += space.end()
    return start, max(_end(text, start), match.end)


def _end(text: str, start: int) -> int:
    """Where a fragment from ``start`` on ends: before a word that it would cut."""
    end = start + SIZE
    if end >= len(text):
        return len(text)
    spaces = [space.start() for space in _SPACE.finditer(text, start + SIZE // 2, end + 1)]
    cuts = text[end].isascii() and text[end].isalnum()
    return spaces[-1] if spaces and cuts else end


def _moved(fragment: Fragment, by: int, text: str) -> Fragment:
    """The fragment of a part of ``text`` that starts at ``by``, as one of all of it."""
    start = fragment.start + by
    end = start + len(fragment.text)
    return replace(fragment, start=start, before=start > 0, after=end < len(text))


def _fragment(text: str, start: int, end: int, found: Iterable[Match]) -> Fragment:
    marks: list[Passage] = []
    for match in found:
        if match.start < start or match.end > end:
            continue
        at, last = match.start - start, match.end - start
        if marks and at <= marks[-1].end:  # a compound and its parts, neighbours
            marks[-1] = Passage(marks[-1].start, max(marks[-1].end, last))
        else:
            marks.append(Passage(at, last))
    return Fragment(text[start:end], tuple(marks), start, start > 0, end < len(text))
