"""User words that the documents of an index were not analysed with.

No document has them as terms before the index is built again. Until then a query that holds one also asks
for its tokens side by side, which score as a term does: by how many passages they occur in so, and how
often.
"""

from __future__ import annotations

from collections.abc import Iterable

from hybrid.analyzers.dictionary import folded_words
from hybrid.analyzers.literal import literal
from hybrid.lexical.entries import Entry, recognised
from hybrid.lexical.terms import Weighted, side_by_side
from hybrid.types import Analyzer


def new_words(former: Iterable[str], lines: Iterable[str]) -> list[str]:
    """The words of a dictionary's ``lines`` that are not among those of the ``former`` lines."""
    return list(dict.fromkeys(folded_words(lines)).keys() - set(folded_words(former)))


class NewWords:
    """Some words, for queries whose other terms ``analyzer`` makes."""

    def __init__(self, words: Iterable[str], analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._known: dict[Entry, str] = {tuple(literal(word)): word for word in words}
        self._known.pop((), None)

    def terms(self, query: str) -> list[Weighted]:
        """Those that stand in a query, and that are no terms of it anyway."""
        tokens = tuple(literal(query)) if self._known else ()
        return [
            side_by_side(entry)
            for entry in recognised(tokens, self._known)
            if self._analyzer.terms(self._known[entry]) != [self._known[entry]]
        ]
