"""The terms of documents and of queries.

Stop words are not among a text's terms, so they cost ordinary queries nothing. They have a field of their
own for queries that consist only of them ("to be or not to be", 你好): in the field of the other terms
their posting lists would be the longest, and they would change the length of every document.

Phrases, and the beginnings and spellings of words, are looked for in the text as it stands
(`hybrid.analyzers.literal`), whatever the analyzer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from hybrid.analyzers.literal import literal
from hybrid.ledger.passages import LONGEST_HEADING, WHOLE, Pieces
from hybrid.types import Analyzer, Document

Field: TypeAlias = Literal["terms", "titles", "stop_words", "exact", "exact_titles"]
FIELDS: Final[tuple[Field, ...]] = ("terms", "titles", "stop_words", "exact", "exact_titles")
"""Terms of title and text; the title's terms again, for a title boost; stop words; title and text token by
token, with positions; the title's tokens again."""

POSITIONS: Final[frozenset[Field]] = frozenset(("exact", "exact_titles"))
"""Fields in which phrases can be looked for."""

RUN_ON: Final = 32
"""Tokens of the following text that a passage holds, too: so far a phrase may run on into the next."""

_AHEAD: Final = 400  # characters in which to look for these
_GAP: Final = "¶"  # no token: stands between title and text, so that no phrase runs from one to the other
_OTHER: Final = "_"


class StopWord(str):
    """A term of a query that consists only of stop words; it is searched in their field."""

    __slots__ = ()


class Weighted(str):
    """A term of a query that counts ``weight`` times, in the field "terms" or another. In the field "exact"
    it may be several tokens with a space between (`side_by_side`)."""

    __slots__ = ("field", "weight")
    field: Field
    weight: float

    def __new__(cls, text: str, weight: float, field: Field = "terms") -> Self:
        made = super().__new__(cls, text)
        made.field, made.weight = field, weight
        return made


def side_by_side(tokens: Iterable[str]) -> Weighted:
    """The term of a query for tokens that stand side by side."""
    return Weighted(" ".join(tokens), 1, "exact")


def beside(field: Field, term: str) -> list[str]:
    """The tokens of such a term; none for a term that is one."""
    return term.split() if field in POSITIONS and " " in term else []


def field_of(term: str) -> Field:
    """Return the field to search for a term of a query."""
    if isinstance(term, Weighted):
        return term.field
    return "stop_words" if isinstance(term, StopWord) else "terms"


def weight_of(term: str) -> float:
    """Return how many times a term of a query counts."""
    return term.weight if isinstance(term, Weighted) else 1


def weighed(terms: Iterable[str]) -> list[tuple[str, float]]:
    """Return the different terms, by field and text, and how many times each counts together."""
    terms = list(terms)
    if all(type(term) is str for term in terms):  # as in most queries, in a fifth of the time
        return list(Counter(terms).items())
    found: dict[tuple[Field, str], tuple[str, float]] = {}
    for term in terms:
        key = field_of(term), term
        _, weight = found.get(key, (term, 0))
        found[key] = term, weight + weight_of(term)
    return list(found.values())


class Terms(NamedTuple):
    """The terms of one document or passage, its stop words, and its tokens and the title's, separated by
    spaces."""

    title: list[str]
    text: list[str]
    stop_words: Sequence[str] = ()
    exact: str = ""
    exact_title: str = ""

    def of(self, field: Field) -> list[str]:
        if field in POSITIONS:
            return self.line(field).split()
        if field == "stop_words":
            return self._stop_words()
        return self.title if field == "titles" else self.title + self.text

    def line(self, field: Field) -> str:
        """The same separated by spaces."""
        if field not in POSITIONS:
            return " ".join(self.of(field))
        if field == "exact_titles":
            return self.exact_title
        return f"{self.exact_title} {_GAP} {self.exact}" if self.exact_title else self.exact

    @property
    def size(self) -> int:
        """The number of terms and tokens."""
        return len(self.title) + len(self.text) + len(self.stop_words) + self.exact.count(" ")

    def _stop_words(self) -> list[str]:
        """Pad the stop words by the length of title and text, so that BM25 prefers shorter documents."""
        others = len(self.title) + len(self.text) if self.stop_words else 0
        return [*self.stop_words, *[_OTHER] * others]


def of_document(analyzer: Analyzer, title: str, text: str) -> Terms:
    """Analyse a document into its terms, stop words and tokens."""
    return _made(analyzer, title, text, literal(text), literal(title))


def of_passages(analyzer: Analyzer, document: Document, pieces: Pieces) -> list[Terms]:
    """The terms of each passage of a document, under which the keyword index finds it. Each has those
    of the title, and of the headings above it; the title's tokens only the first."""
    if len(pieces) == WHOLE:
        return [of_document(analyzer, document.title, document.text)]
    texts = ["\n".join((*one.above, document.text[one.start : one.end])) for one in pieces]
    exact = [_running_on(document.text, one.start, one.end) for one in pieces]
    title = document.title[:LONGEST_HEADING]
    first = _made(analyzer, document.title, texts[0], exact[0], literal(document.title))
    rest = zip(texts[1:], exact[1:], strict=True)
    return [first, *(_made(analyzer, title, text, tokens, ()) for text, tokens in rest)]


def _made(
    analyzer: Analyzer, title: str, text: str, exact: Sequence[str], exact_title: Sequence[str]
) -> Terms:
    (of_title, stopped), (of_text, more) = _analysed(analyzer, title), _analysed(analyzer, text)
    return Terms(of_title, of_text, stopped + more, " ".join(exact), " ".join(exact_title))


def _running_on(text: str, start: int, end: int) -> list[str]:
    """The tokens of ``text[start:end]`` and the next ``RUN_ON``."""
    last = min(end + _AHEAD, len(text))
    after = literal(text[end:last])
    if last < len(text):  # the last one may be cut
        after = after[:-1]
    return literal(text[start:end]) + after[:RUN_ON]


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
