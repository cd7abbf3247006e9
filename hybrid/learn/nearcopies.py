"""Find near-copies among queries: texts that share most of what they say, such as a claim and its
negation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from math import log
from typing import Final

from hybrid import analyzers

ALIKE: Final = 0.6
"""The least resemblance. On scifact's training claims it finds 97 % of the pairs with a cosine above .95
(MiniLM) and 59 % of those from .9 on, and all that it finds share a relevant document; without the weights
of terms, medical questions in Chinese ("... how to treat?") form families of hundreds."""
_RAREST: Final = 8  # terms of a text
_COMPARED: Final = 32  # texts a term
_ROUNDING: Final = 1e-9


def near_copies(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of different texts that resemble each other by `ALIKE` or more: the Jaccard index of
    their sets of terms, a term that n of N texts have weighing log(1 + N / n).

    Such texts share one of their rarest terms (Bayardo, Ma and Srikant, "Scaling Up All Pairs Similarity
    Search", WWW 2007), so each is compared only with those that do: of a term that many share, the last few
    before it in alphabetical order, and of a long text, its few rarest terms. So time grows with the number
    of texts, not with its square. The order of ``texts`` does not matter.
    """
    analyzer = analyzers.load("mixed")
    terms = {text: set(analyzer.terms(text)) for text in sorted(set(texts))}
    frequency = Counter(term for own in terms.values() for term in own)
    weights = {term: log(1 + len(terms) / many) for term, many in frequency.items()}
    having: dict[str, list[str]] = defaultdict(list)
    for text, own in terms.items():
        rarest = _rarest(own, weights)
        for other in sorted({other for term in rarest for other in having[term][-_COMPARED:]}):
            if _resemble(own, terms[other], weights):
                yield other, text
        for term in rarest:
            having[term].append(text)


def _rarest(own: set[str], weights: Mapping[str, float]) -> list[str]:
    """The rarest terms, as many as it takes: near-copies cannot be made of the others alone."""
    left = _weight(own, weights)
    least, found = ALIKE * left - _ROUNDING, list[str]()
    for term in sorted(own, key=lambda term: (-weights[term], term))[:_RAREST]:
        if left < least:
            break
        found.append(term)
        left -= weights[term]
    return found


def _resemble(one: set[str], other: set[str], weights: Mapping[str, float]) -> bool:
    return _weight(one & other, weights) >= ALIKE * _weight(one | other, weights) - _ROUNDING


def _weight(terms: set[str], weights: Mapping[str, float]) -> float:
    return sum(map(weights.__getitem__, terms))
