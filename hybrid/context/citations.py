"""Which passages of a context an answer cites, and how many of its words stand in them.

That words stand in a passage is overlap, not entailment: "The lamp is not safe" has all words of "The lamp
is safe", numbers in words are not those in digits, and a sentence in other words, or in another language,
has few. Low overlap is a reason to look, high overlap is no proof.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from hybrid import analyzers
from hybrid.context.records import Context
from hybrid.errors import QueryError
from hybrid.limits import MAX_ANSWER, shown
from hybrid.sentences import Span, split
from hybrid.types import Analyzer

SUPPORT: Final = 0.5
"""The share of a sentence's terms that must stand in what it cites for it to count as supported."""
_RANGE: Final = 100
"""The widest range that counts whole; of a wider one the two ends do."""
_CITATION: Final = regex.compile(
    r"[\[【［] \s*+ (\d{1,4}+ (?: \s*+ [,，、;；\-–—－~～] \s*+ \d{1,4}+ )*+) \s*+ [\]】］]", regex.VERBOSE
)
_FROM_TO: Final = regex.compile(r"(\d++)(?:\s*+[\-–—－~～]\s*+(\d++))?+")
_NUMBER: Final = regex.compile(r"(?<![A-Za-z])[A-Za-z]*+\d++(?:[.,]\d++)*+")
"""Or a name that ends with one: K2, v1.2."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of an answer, ``answer[start:end]``, and its citations: ``cites`` are numbers of passages,
    ``missing`` numbers that no passage has. ``overlap``: the share of its terms that stand in the passages
    that it cites, title and headings included; None where it cites none or has no terms. ``unfound``: its
    numbers that do not stand there."""

    text: str
    start: int
    end: int
    cites: tuple[int, ...]
    missing: tuple[int, ...]
    overlap: float | None
    unfound: tuple[str, ...]

    @property
    def supported(self) -> bool:
        """Whether it cites passages that have half of its terms and all of its numbers."""
        return bool(self.cites) and not self.unfound and (self.overlap is None or self.overlap >= SUPPORT)


@dataclass(frozen=True, slots=True)
class Citations:
    """The sentences of an answer, as ``claims``, and what is to be said of all."""

    claims: tuple[Claim, ...]

    @property
    def cited(self) -> tuple[int, ...]:
        """The numbers of the passages that are cited, ascending."""
        return tuple(sorted({number for claim in self.claims for number in claim.cites}))

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers that are cited and that no passage has, ascending."""
        return tuple(sorted({number for claim in self.claims for number in claim.missing}))

    @property
    def uncited(self) -> tuple[Claim, ...]:
        """The sentences that cite nothing that there is."""
        return tuple(claim for claim in self.claims if not claim.cites)

    @property
    def unsupported(self) -> tuple[Claim, ...]:
        """The sentences that cite passages without their words or numbers."""
        return tuple(claim for claim in self.claims if claim.cites and not claim.supported)


def check_citations(answer: str, context: Context, *, analyzer: Analyzer | None = None) -> Citations:
    """Check the citations in an ``answer`` that was made from ``context``.

    They are written [1], [1][2], [1, 2], [1-3], 【1】 or ［1］. One that follows a sentence, or stands in
    it, is that sentence's; one that begins a line is the following one's. ``analyzer``: the index's, if it
    is not "mixed". Raises QueryError for an answer that is no str, or is longer than
    `hybrid.limits.MAX_ANSWER`.
    """
    if not isinstance(answer, str) or len(answer) > MAX_ANSWER:
        raise QueryError(f"an answer is a str of up to {MAX_ANSWER:,} characters, not {shown(answer)}")
    words = analyzers.load("mixed" if analyzer is None else analyzer)
    found = list(_CITATION.finditer(answer))
    plain = _CITATION.sub(lambda citation: " " * len(citation[0]), answer)
    spans = [span for span in split(plain, 0, len(plain)) if any(map(str.isalpha, plain[slice(*span)]))]
    cited: list[list[int]] = [[] for _ in spans]
    for citation in found:
        if spans:
            cited[_owner(plain, spans, citation.start())] += _numbers(citation[1])
    having = {passage.number: (passage.header.partition(" ")[2], passage.text) for passage in context}
    passages = {number: _Words.of("\n".join(parts), words) for number, parts in having.items()}
    return Citations(
        tuple(
            _claim(answer, span, plain[slice(*span)], numbers, passages, words)
            for span, numbers in zip(spans, cited, strict=True)
        )
    )


@dataclass(frozen=True, slots=True)
class _Words:
    terms: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, text: str, analyzer: Analyzer) -> _Words:
        folded = unicodedata.normalize("NFKC", text)
        numbers = (found[0].replace(",", "") for found in _NUMBER.finditer(folded))
        return cls(frozenset(analyzer.terms(text)), frozenset(n for n in numbers if n[0].isdecimal()))


def _claim(
    answer: str,
    span: Span,
    plain: str,
    numbers: Sequence[int],
    passages: dict[int, _Words],
    analyzer: Analyzer,
) -> Claim:
    cites = tuple(sorted(passages.keys() & set(numbers)))
    said = _Words.of(plain, analyzer)
    terms = frozenset[str]().union(*(passages[number].terms for number in cites))
    figures = frozenset[str]().union(*(passages[number].numbers for number in cites))
    return Claim(
        text=answer[slice(*span)],
        start=span[0],
        end=span[1],
        cites=cites,
        missing=tuple(sorted(set(numbers) - passages.keys())),
        overlap=len(said.terms & terms) / len(said.terms) if cites and said.terms else None,
        unfound=tuple(sorted(said.numbers - figures)) if cites else (),
    )


def _owner(plain: str, spans: Sequence[Span], at: int) -> int:
    """The number of the sentence that a citation at ``at`` belongs to."""
    following = bisect(spans, (at, at))
    line = plain.rfind("\n", 0, at)
    begins = following == 0 or spans[following - 1][1] <= line
    if begins and following < len(spans) and plain.find("\n", at, spans[following][0]) < 0:
        return following
    return max(0, following - 1)


def _numbers(inside: str) -> Iterator[int]:
    """The numbers that a citation names."""
    for found in _FROM_TO.finditer(inside):
        first, last = sorted((int(found[1]), int(found[2] or found[1])))
        yield from range(first, last + 1) if last - first < _RANGE else (first, last)
