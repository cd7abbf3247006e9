"""Did you mean: words of a query that no document holds, and the words that were probably meant.

A word is corrected where no document holds it in any form, or a hundred times as many hold the other one.
Words of letters: one edit from five letters on, two from nine, a change of the first letter counts as two
(`hybrid.suggest.spelling`); not beside a digit (part numbers), and not in capitals among other words (names
of genes, tickers). Chinese: a stretch that is read like a word (`hybrid.suggest.homophones`), and either is
a word itself or mostly has its characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from hybrid.analyzers.literal import literal_spans
from hybrid.analyzers.normalize import Span
from hybrid.analyzers.segment import is_han
from hybrid.suggest import homophones
from hybrid.suggest.held import Held
from hybrid.suggest.lookups import Lookups
from hybrid.suggest.near import Near
from hybrid.types import Correction, Suggestion

FAR: Final = 100
"""A word that some documents hold is corrected where this many times as many hold the other."""

_MANY: Final = 1_000
"""Documents from which on what only one of them holds may be as wrong as the query."""

_LOOKED_AT: Final = 64  # words and Chinese characters of a query
_chunk: Final = re.compile(r"\S+")
_digit: Final = re.compile(r"\d")


def suggest(query: str, lookups: Lookups, held: Held) -> Suggestion | None:
    """The query with its misspelt words corrected; None where there is nothing to correct. Every word in it
    that the query does not have is in a document that ``held`` knows."""
    tokens = literal_spans(query)[:_LOOKED_AT]
    found = [*_misspelt(query, tokens, lookups, held), *_misread(tokens, lookups, held)]
    return Suggestion.of(query, sorted(found, key=lambda one: one.start)) if found else None


# --- words of letters


def _misspelt(query: str, tokens: Sequence[Span], lookups: Lookups, held: Held) -> Iterator[Correction]:
    for word, start, end in tokens:
        if is_han(word) or _is_a_name(query, start, end):
            continue
        if FAR * lookups.vocabulary.count(word) >= lookups.vocabulary.largest:
            continue  # known too well
        near = lookups.spelling.near(word)
        if near and (better := _better(near, held.finding(word), held)):
            yield Correction(start, end, _cased(better[0], query[start:end]), *better[1:])


def _is_a_name(query: str, start: int, end: int) -> bool:
    """Whether a word is part of what has a digit, or has capitals within while the query has others; or is
    the pattern of an operator, as in protei* and protien~."""
    around = next(chunk for chunk in _chunk.finditer(query) if chunk.end() >= end)
    inner = query[start + 1 : end]
    if _digit.search(around.group()) or query[end : end + 1] in ("*", "~"):
        return True
    return inner != inner.lower() and query != query.upper()


def _cased(word: str, as_written: str) -> str:
    if as_written.isupper():
        return word.upper()
    return word.capitalize() if as_written[:1].isupper() else word


def _better(near: Iterable[Near], before: int, held: Held) -> tuple[str, int, int] | None:
    """The nearest word that enough documents hold, how many do, and how many held the word ``before``."""
    for word, _, _ in near:
        documents = held.holding(word)
        if documents > FAR * before and (documents > 1 or len(held) < _MANY):
            return word, documents, before
    return None


# --- Chinese


def _misread(tokens: Sequence[Span], lookups: Lookups, held: Held) -> Iterator[Correction]:
    for run in _runs(tokens):
        text = "".join(token for token, _, _ in run)
        taken = [False] * len(run)
        for start, end, word in _stretches(text, held):
            if any(taken[start:end]) or not (near := _read_alike(text[start:end], word, lookups)):
                continue
            before = held.holding(text[start:end])
            if better := _better(near, max(before, word), held):
                taken[start:end] = [True] * (end - start)
                yield Correction(run[start][1], run[end - 1][2], better[0], better[1], before)


def _runs(tokens: Sequence[Span]) -> Iterator[list[Span]]:
    """Chinese characters that stand side by side."""
    run: list[Span] = []
    for token in tokens:
        if run and not (is_han(token[0]) and run[-1][2] == token[1]):
            yield run
            run = []
        if is_han(token[0]):
            run.append(token)
    if run:
        yield run


def _stretches(text: str, held: Held) -> list[tuple[int, int, bool]]:
    """Where a misread word may stand in ``text``, the longest first, and whether it is a word as it is: on
    whole words, none of them a stop word unless it is all of the text."""
    words = _words(text, held)
    found = {(0, len(text)): False} if len(text) <= homophones.LONGEST else {}
    for first in range(len(words)):
        for last in range(first, len(words)):
            if last > first and words[last][0] != words[last - 1][1]:  # a stop word is between
                break
            found[words[first][0], words[last][1]] = first == last
    places = [(start, end, word) for (start, end), word in found.items()]
    likely = [place for place in places if 2 <= place[1] - place[0] <= homophones.LONGEST]
    return sorted(likely, key=lambda place: (place[0] - place[1], place[0]))


def _words(text: str, held: Held) -> list[tuple[int, int]]:
    """The words of ``text``, the longest of those that overlap the first; stop words are none."""
    words: list[tuple[int, int]] = []
    for start, end in sorted(held.words(text), key=lambda word: (word[0], -word[1])):
        if not words or start >= words[-1][1]:
            words.append((start, end))
    return words


def _read_alike(stretch: str, word: bool, lookups: Lookups) -> list[Near]:
    """The words that are read like a stretch; at least half of its characters are right if it is not a
    word."""
    near = lookups.homophones.near(stretch)
    return near if word else [one for one in near if 2 * one.edits <= len(stretch)]
