"""The terms of documents and of queries.

Stop words are not among a text's terms, so they cost ordinary queries nothing. They have a field of their
own for queries that consist only of them ("to be or not to be", 你好): in the field of the other terms
their posting lists would be the longest, and they would change the length of every document.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from hybrid.ledger.passages import LONGEST_HEADING, WHOLE, Pieces
from hybrid.types import Analyzer, Document

Field: TypeAlias = Literal["terms", "titles", "stop_words"]
FIELDS: Final[tuple[Field, ...]] = ("terms", "titles", "stop_words")
"""Terms of title and text; the title's terms again, for a title boost; stop words."""

_OTHER: Final = "_"


class StopWord(str):
    """A term of a query that consists only of stop words; it is searched in their field."""

    __slots__ = ()


def field_of(terms: Sequence[str]) -> Field:
    """Return the field to search for a query's terms, which are either all stop words or none."""
    return "stop_words" if terms and isinstance(terms[0], StopWord) else "terms"


class Terms(NamedTuple):
    """The terms of one document or passage, and its stop words."""

    title: list[str]
    text: list[str]
    stop_words: Sequence[str] = ()

    def of(self, field: Field) -> list[str]:
        if field == "stop_words":
            return self._stop_words()
        return self.title if field == "titles" else self.title + self.text

    def _stop_words(self) -> list[str]:
        """Pad the stop words by the length of title and text, so that BM25 prefers shorter documents."""
        others = len(self.title) + len(self.text) if self.stop_words else 0
        return [*self.stop_words, *[_OTHER] * others]


def of_document(analyzer: Analyzer, title: str, text: str) -> Terms:
    """Analyse a document into its terms and stop words."""
    (of_title, stopped), (of_text, more) = _analysed(analyzer, title), _analysed(analyzer, text)
    return Terms(of_title, of_text, stopped + more)


def of_passages(analyzer: Analyzer, document: Document, pieces: Pieces) -> list[Terms]:
    """The terms of each passage of a document, under which the keyword index finds it. Each has those
    of the title, and of the headings above it."""
    if len(pieces) == WHOLE:
        return [of_document(analyzer, document.title, document.text)]
    texts = ["\n".join((*one.above, document.text[one.start : one.end])) for one in pieces]
    title = document.title[:LONGEST_HEADING]
    first = of_document(analyzer, document.title, texts[0])
    return [first, *(of_document(analyzer, title, text) for text in texts[1:])]


def joined(passages: Sequence[Terms]) -> Terms:
    """The terms of a document from those of its passages."""
    if len(passages) == 1:
        return passages[0]
    text = [term for passage in passages for term in passage.text]
    return Terms(passages[0].title, text, [word for passage in passages for word in passage.stop_words])


def of_query(analyzer: Analyzer, text: str) -> list[str]:
    """Analyse a query into its terms, or into its stop words if it has no other terms."""
    terms, stopped = _analysed(analyzer, text)
    return terms or [StopWord(word) for word in stopped]


def _analysed(analyzer: Analyzer, text: str) -> tuple[list[str], list[str]]:
    apart = getattr(analyzer, "with_stop_words", None)
    return (analyzer.terms(text), []) if apart is None else apart(text)
