"""A folded text into runs by script, and the walk over them that every analyzer shares."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from hybrid.analyzers.normalize import Span, fold

HAN = "\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Scripts written without spaces: kana, Thai, Lao, Myanmar, Khmer.
UNSPACED = (
    "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf"
    "\u1000-\u103f\u1050-\u109f\u1780-\u17d3\u17dc\u17dd"
)
EMOJI = "\u231a\u231b\u23e9-\u23fa\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001f3fa\U0001f400-\U0001faff"
# Python's \w leaves out combining marks, without which no Indic word holds together. (Those beyond the
# basic plane, of historic scripts, would make the pattern three times slower; ideographs, Hangul and
# private use have none.)
_MARKED = chain(range(0x300, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x10000))
MARK = "".join(c for c in map(chr, _MARKED) if unicodedata.category(c)[0] == "M")
LETTER = rf"[^\W_{HAN}{UNSPACED}]"
LETTERS = rf"(?:{LETTER}++[{MARK}]*+)++"

# "word" takes whole compounds: wh-1000xm5, at&t, jane@example.com, 1,000.5, c++, c#, .net
_runs = re.compile(
    rf"(?P<word>(?:{LETTERS}|\.net\b)"
    rf"(?:(?=[-_.'@&,+#])(?:(?:[-_.'@]|(?<=[^\W\d])&(?=[^\W\d])|(?<=\d),(?=\d\d\d(?!\d))){LETTERS}){{0,8}}+"
    rf"(?:\+\+(?!\+)|(?<![\w.'@&-].)\#)?)?)"
    rf"|(?P<han>[{HAN}]{{1,256}})"
    rf"|(?P<unspaced>[{UNSPACED}]+)"
    rf"|(?P<emoji>[\U0001f1e6-\U0001f1ff]{{2}}|[{EMOJI}])"
)
_MAX_TERM_BYTES = 255

_all_han = re.compile(f"[{HAN}]+")
_unit = re.compile(rf".[{MARK}]*")


class ScriptAnalyzer(ABC):
    """Folds a text, cuts it into runs by script and lets a subclass turn each run into terms.

    Terms may overlap (a compound and its parts): they come by start, then the longer first.
    """

    @abstractmethod
    def word(self, run: str) -> Sequence[Span]:
        """The terms of a word or compound of a script that is written with spaces."""

    @abstractmethod
    def han(self, run: str) -> Sequence[Span]:
        """The terms of a run of Chinese characters."""

    def word_terms(self, run: str) -> Iterable[str]:
        """``word`` without the places."""
        return [term for term, _, _ in self.word(run)]

    def han_terms(self, run: str) -> Iterable[str]:
        """``han`` without the places."""
        return [term for term, _, _ in self.han(run)]

    def whole(self, text: str) -> Sequence[Span]:  # noqa: ARG002
        """Terms that runs by script would break."""
        return ()

    def terms(self, text: str) -> list[str]:
        """The terms of ``text`` in order, repeats included."""
        folded = fold(text).text
        if whole := self.whole(folded):
            return [term for term, _, _ in self._merged(folded, whole)]
        analyse = {"word": self.word_terms, "han": self.han_terms, "unspaced": _pairs, "emoji": _itself}
        terms: list[str] = []
        for match in _runs.finditer(folded):
            terms += analyse[match.lastgroup or ""](match.group())
        return terms

    def spans(self, text: str) -> list[Span]:
        """``terms`` with the characters that each came from: ``text[start:end]``."""
        folded = fold(text)
        if whole := self.whole(folded.text):
            return folded.originals(self._merged(folded.text, whole))
        return folded.originals(list(self._spans(folded.text)))

    def _merged(self, text: str, whole: Sequence[Span]) -> list[Span]:
        return sorted({*self._spans(text), *whole}, key=lambda span: (span[1], -span[2]))

    def _spans(self, text: str) -> Iterator[Span]:
        analyse: dict[str, Callable[[str], Sequence[Span]]]
        analyse = {"word": self.word, "han": self.han, "unspaced": bigrams, "emoji": single}
        for match in _runs.finditer(text):
            at = match.start()
            for term, start, end in analyse[match.lastgroup or ""](match.group()):
                yield term, at + start, at + end


def bigrams(run: str) -> list[Span]:
    """Overlapping pairs of characters with their marks; a lone one is a term of its own."""
    units = [match.span() for match in _unit.finditer(run)]
    pairs = zip(units, units[1:] or units, strict=False)
    return [(clip(run[start:end]), start, end) for (start, _), (_, end) in pairs]


def _pairs(run: str) -> list[str]:
    return [term for term, _, _ in bigrams(run)]


def _itself(run: str) -> list[str]:
    return [run]


def is_han(text: str) -> bool:
    """Whether ``text`` is Chinese characters only."""
    return _all_han.fullmatch(text) is not None


def single(run: str) -> list[Span]:
    return [(run, 0, len(run))]


def clip(term: str) -> str:
    """At most 255 bytes of UTF-8, cut between characters: a longer term is no word."""
    if len(term) * 4 <= _MAX_TERM_BYTES:
        return term
    return term.encode()[:_MAX_TERM_BYTES].decode(errors="ignore")
