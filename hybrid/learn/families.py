"""Group judged queries that belong together, so that no query is judged by a choice that its twin made.

Claims and their negations, paraphrases, follow-ups: judged collections hold many queries that ask for one
document. Trees remember such a document from one query and find it for the other, which looks like skill
as long as nobody asks for anything new. And what is luck with one of them is luck with the other, so a
family is one piece of evidence, however many queries it has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.learn.clicks.exposures import same
from hybrid.learn.nearcopies import near_copies
from hybrid.types import Qrels

Rows: TypeAlias = NDArray[np.int64]

FOLDS: Final = 5


def families(texts: Mapping[str, str], qrels: Qrels) -> dict[str, str]:
    """Query id -> the name of its family: queries that share a text or a relevant document, or are
    near-copies.

    A document that very many queries share would make all of them one family, and nothing could be held
    out. So documents tie in the order of how few queries share them, as long as no family has more than
    one in `FOLDS` of the queries; and so near-copies do, before them.
    """
    spelt = {query: same(text) for query, text in texts.items()}
    most = len(texts) / FOLDS
    ties = _Ties(Counter(spelt.values()))
    for one, other in near_copies(spelt.values()):
        ties.tie((one, other), most)
    found = ties.families(spelt)
    sharing: dict[int, list[set[str]]] = defaultdict(list)
    for asking in _asking(found, qrels).values():
        sharing[len(asking)].append(asking)
    for number in sorted(sharing.keys() - {1}):
        for asking in sharing[number]:
            ties.tie(asking)
        if ties.largest > most:
            break
        found = ties.families(spelt)
    return found


def into_folds(families: Sequence[str], seed: int) -> list[Rows]:
    """The rows of ``families``, one a query, each in one of the folds: whole families, large ones first,
    each in the fold that has the fewest."""
    members: dict[str, list[int]] = defaultdict(list)
    for row in np.random.default_rng(seed).permutation(len(families)).tolist():
        members[families[row]].append(row)
    folds: list[list[int]] = [[] for _ in range(FOLDS)]
    for family in sorted(members.values(), key=len, reverse=True):
        min(folds, key=len).extend(family)
    return [np.array(sorted(fold), np.int64) for fold in folds]


def _asking(family: Mapping[str, str], qrels: Qrels) -> dict[str, set[str]]:
    """Document -> the families to which it is relevant."""
    found: dict[str, set[str]] = defaultdict(set)
    for query, name in family.items():
        for document, grade in qrels[query].items():
            if grade > 0:
                found[document].add(name)
    return found


class _Ties:
    """Names that are tied to others: disjoint sets, each called by its first name. ``sizes``: name -> the
    number of its queries."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._above: dict[str, str] = {}
        self._sizes = dict(sizes)
        self.largest = max(sizes.values(), default=0)

    def tie(self, names: Iterable[str], most: float = float("inf")) -> None:
        """Make one family of those that ``names`` are in, unless it had more than ``most`` queries."""
        first, *others = sorted({self._head(name) for name in names})
        size = sum(self._sizes[name] for name in (first, *others))
        if others and size <= most:
            self._above.update(dict.fromkeys(others, first))
            self._sizes[first] = size
            self.largest = max(self.largest, size)

    def families(self, names: Mapping[str, str]) -> dict[str, str]:
        """The family of each of ``names``, under its key."""
        return {key: self._head(name) for key, name in names.items()}

    def _head(self, name: str) -> str:
        above = self._above
        while name in above:
            above[name] = name = above.get(above[name], above[name])
        return name
