"""A query's value put to a source: the terms that score, and the documents that it demands.

Conditions hold for documents, whichever of their passages fulfils them, and become a mask over ordinals
that binds both legs as a filter does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import regex

from hybrid import okapi
from hybrid.analyzers.literal import literal
from hybrid.lexical.terms import StopWord, Weighted, field_of, weight_of
from hybrid.query import All, Any, Boost, Fuzzy, Not, Phrase, Prefix, Query, Required, Title, Words, plain
from hybrid.search.source import Words as Leg
from hybrid.search.steps import step
from hybrid.suggest.edits import within
from hybrid.types import Mask, Ordinals

EXPANSIONS: Final = 50
"""Words that a prefix or a fuzzy word stands for."""
_LESS: Final = 0.5
"""Such a word counts at most half of what the word itself counts."""
_LOOKED_AT: Final = (
    50_000  # words of one first letter, the most frequent, that a fuzzy word is compared with
)
_HAN: Final = regex.compile(r"\p{Han}++")


Leaf: TypeAlias = Words | Phrase | Prefix | Fuzzy


class Marks(NamedTuple):
    """What is marked of a query: its words in all forms, its phrases whole, words as they are spelt, and
    the terms of synonyms."""

    text: str
    phrases: list[str]
    words: list[Weighted]
    terms: list[str]


class Asked(Protocol):
    """What of a `hybrid.search.source.Source` is needed."""

    @property
    def live(self) -> Mask: ...

    @property
    def lexical(self) -> Leg: ...

    def terms(self, query: str) -> list[str]: ...

    def also(self, query: str) -> list[str]: ...


class Compiled:
    """A ``query`` on a ``source``."""

    def __init__(self, source: Asked, query: Query) -> None:
        self._source, self._query = source, query
        self._words: dict[Prefix | Fuzzy, list[Weighted]] = {}

    # -- what scores

    @step
    def terms(self) -> list[str]:
        """The terms that the lexical leg is asked for; stop words only where there is nothing else."""
        found = [
            _times(term, factor)
            for leaf, factor, binding in _leaves(self._query, self._binds)
            for term in self._scoring(leaf, binding)
        ]
        return [term for term in found if field_of(term) != "stop_words"] or found

    def _scoring(self, leaf: Leaf, binding: bool) -> list[str]:
        """Terms of which any document has one that contains the leaf."""
        phrases, rest = _parted(leaf, binding)
        tokens = [Weighted(token, 1, "exact") for phrase in phrases for token in literal(phrase)]
        others = self._others(leaf) if isinstance(leaf, (Prefix, Fuzzy)) else []
        return [*self._source.terms(rest), *self._source.also(rest), *tokens, *others]

    @step
    def marks(self) -> Marks:
        """What is marked in the documents."""
        _ = self.terms  # or mode "vector" would not know the words
        phrases: list[str] = []
        rest: list[str] = []
        for leaf, _, binding in _leaves(self._query, self._binds):
            own, other = _parted(leaf, binding)
            phrases += own
            rest.append(other)
        spelt = [word for words in self._words.values() for word in words]
        text = " ".join(filter(None, rest))
        return Marks(text, phrases, spelt, self._source.also(text))

    def _binds(self, query: Any) -> bool:
        return self._demanded(query) is not None

    def _others(self, query: Prefix | Fuzzy) -> list[Weighted]:
        """The words that a prefix or a fuzzy word stands for, without itself."""
        if query not in self._words:
            self._words[query] = list(self._expanded(query))
        return self._words[query]

    def _expanded(self, query: Prefix | Fuzzy) -> Iterator[Weighted]:
        """Each counts less than the word itself would, however rare it is."""
        word, leg = _token(query.text), self._source.lexical
        if word is None:
            return
        own = Weighted(word, 1, "exact")
        most = okapi.idf(leg.frequencies([own])[0], leg.documents)
        for other, frequency in self._similar(query, word):
            if other != word:
                rarity = okapi.idf(frequency, leg.documents)
                yield Weighted(
                    other, _LESS * min(1.0, max(most, 0.0) / rarity if rarity > 0 else 1.0), "exact"
                )

    def _similar(self, query: Prefix | Fuzzy, word: str) -> Sequence[tuple[str, int]]:
        leg = self._source.lexical
        if isinstance(query, Prefix):
            return leg.words(word, EXPANSIONS + 1)
        near = within(word, leg.words(word[0], _LOOKED_AT), query.edits)
        return near[: EXPANSIONS + 1]

    # -- what is demanded

    @step
    def demanded(self) -> Mask | None:
        """The documents that may be answered, bool (n,) over ordinals; None for all."""
        return self._demanded(self._query)

    @step
    def matching(self) -> Mask:
        """The documents that contain one of the ``terms``, and what is demanded; where the query only
        excludes, all others."""
        scores = isinstance(self._query, Words) or plain(self._query)
        scored = self._matching(self.terms, False) if scores else None
        both = _both([scored, self.demanded])
        return self._source.live if both is None else both

    def _demanded(self, query: Query) -> Mask | None:
        if isinstance(query, (Words, Prefix, Fuzzy)):
            return None
        if isinstance(query, All):
            return _both(map(self._demanded, query.parts))
        if isinstance(query, Any) and all(self._demanded(part) is None for part in query.parts):
            return None
        return self._demanded(query.query) if isinstance(query, Boost) else self._held(query)

    def _held(self, query: Query, title: bool = False) -> Mask | None:
        """The documents that contain all of ``query``; None where it says nothing."""
        if isinstance(query, Words):
            return self._worded(query.text, title)
        if isinstance(query, Phrase):
            return self._phrased(literal(query.text), title)
        if isinstance(query, (Prefix, Fuzzy)):
            return self._spelt(query, title)
        if isinstance(query, Not):
            held = self._held(query.query, title)
            return None if held is None else ~held
        if isinstance(query, (Title, Required, Boost)):
            return self._held(query.query, title or isinstance(query, Title))
        parts = (self._held(part, title) for part in query.parts)
        return _both(parts) if isinstance(query, All) else _either(parts)

    def _worded(self, text: str, title: bool) -> Mask | None:
        """All words of a text, in any form. Chinese between spaces is taken as it stands, since what words
        it is cut into depends on what is beside it."""
        stretches, rest = _stretches(text)
        terms = self._source.terms(rest)
        if title and terms and isinstance(terms[0], StopWord):
            terms = [Weighted(token, 1, "exact") for token in literal(rest)]
        parts = [self._phrased(literal(stretch), title) for stretch in stretches]
        return _both([*parts, *(self._matching([term], title) for term in dict.fromkeys(terms))])

    def _phrased(self, tokens: Sequence[str], title: bool) -> Mask | None:
        return self._mask(self._source.lexical.phrase(tokens, title)) if tokens else None

    def _spelt(self, query: Prefix | Fuzzy, title: bool) -> Mask | None:
        if (word := _token(query.text)) is None:
            return self._phrased(literal(query.text), title)
        own = self._source.terms(query.text) if isinstance(query, Fuzzy) else []
        return self._matching([*own, Weighted(word, 1, "exact"), *self._others(query)], title)

    def _matching(self, terms: Sequence[str], title: bool) -> Mask:
        return self._mask(self._source.lexical.matches(terms, title))

    def _mask(self, found: Ordinals) -> Mask:
        mask = np.zeros(len(self._source.live), np.bool_)
        mask[found[found < len(mask)]] = True  # a writer's index may know more by now
        return mask


def _leaves(
    query: Query, binds: Callable[[Any], bool], factor: float = 1.0, binding: bool = False
) -> Iterator[tuple[Leaf, float, bool]]:
    """The words of a query that are not excluded, how many times each counts, and whether a condition
    rests on it."""
    if isinstance(query, (Words, Phrase, Prefix, Fuzzy)):
        yield query, factor, binding
        return
    if isinstance(query, Not):
        return
    factor *= query.factor if isinstance(query, Boost) else 1.0
    binding |= isinstance(query, (Required, Title)) or (isinstance(query, Any) and binds(query))
    for part in query.parts if isinstance(query, (All, Any)) else (query.query,):
        yield from _leaves(part, binds, factor, binding)


def _parted(leaf: Leaf, binding: bool) -> tuple[list[str], str]:
    """The phrases of a leaf, and the rest of its words."""
    if isinstance(leaf, Phrase):
        return [leaf.text], ""
    if binding and isinstance(leaf, Words):
        return _stretches(leaf.text)
    return ([leaf.text], "") if binding and _token(leaf.text) is None else ([], leaf.text)


def _stretches(text: str) -> tuple[list[str], str]:
    """The Chinese between spaces, and the rest."""
    chunks = text.split()
    han = [chunk for chunk in chunks if _HAN.fullmatch(chunk)]
    return han, " ".join(chunk for chunk in chunks if not _HAN.fullmatch(chunk))


def _times(term: str, factor: float) -> str:
    return term if factor == 1 else Weighted(term, factor * weight_of(term), field_of(term))


def _token(text: str) -> str | None:
    """The one token that a text is; None for more or less."""
    tokens = literal(text)
    return tokens[0] if len(tokens) == 1 else None


def _both(masks: Iterable[Mask | None]) -> Mask | None:
    known = [mask for mask in masks if mask is not None]
    return reduce(np.logical_and, known) if known else None


def _either(masks: Iterable[Mask | None]) -> Mask | None:
    known = [mask for mask in masks if mask is not None]
    return reduce(np.logical_or, known) if known else None
