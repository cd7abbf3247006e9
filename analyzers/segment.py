"""Cut a folded text into runs by script; the base class of all analyzers."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import cached_property
from itertools import chain
from typing import Any, Protocol, TypeAlias

from hybrid.analyzers.normalize import Span, fold

HAN = "\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Scripts written without spaces: kana, Thai, Lao, Myanmar, Khmer.
UNSPACED = (
    "\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf"
    "\u1000-\u103f\u1050-\u109f\u1780-\u17d3\u17dc\u17dd"
)
EMOJI = "\u231a\u231b\u23e9-\u23fa\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001f3fa\U0001f400-\U0001faff"
# Python's \w leaves out combining marks, without which Indic words fall apart. (The marks of historic
# scripts, beyond the basic plane, would make the pattern three times slower; the ranges skipped,
# ideographs, Hangul and private use, have none.)
_MARKED = chain(range(0x300, 0x3400), range(0xA000, 0xAC00), range(0xF900, 0x10000))
MARK = "".join(c for c in map(chr, _MARKED) if unicodedata.category(c)[0] == "M")
LETTER = rf"[^\W_{HAN}{UNSPACED}]"
LETTERS = rf"{LETTER}+(?:[{MARK}]+{LETTER}*)*"

BROKEN = r"(?<=[^\W\d])-\r?\n[ \t]*+(?=[^\W\d])"  # a hyphen at a line's end: the word goes on

# No possessive groups: up to Python 3.11.4 `re` loses what such a group has matched.
# "word" matches whole compounds: wh-1000xm5, at&t, jane@example.com, 1,000.5, c++, c#, .net
_runs = re.compile(
    rf"(?P<word>(?:{LETTERS}|\.net\b)"
    rf"(?:(?=[-_.'@&,+#])(?:(?:{BROKEN}|[-_.'@]|(?<=[^\W\d])&(?=[^\W\d])|(?<=\d),(?=\d\d\d(?!\d)))"
    rf"{LETTERS}){{0,8}}"
    rf"(?:\+\+(?!\+)|(?<![\w.'@&-].)\#)?)?)"
    rf"|(?P<han>[{HAN}]{{1,256}})"
    rf"|(?P<unspaced>[{UNSPACED}]+)"
    rf"|(?P<emoji>[\U0001f1e6-\U0001f1ff]{{2}}|[{EMOJI}])"
)
_MAX_TERM_BYTES = 255
_capitalized = re.compile("[A-Z][a-z]+")
_hashtag = re.compile("(?<=#)(?:[A-Z][a-z]+){2,}(?![A-Za-z0-9_])")
_NEAR = 4  # characters: a neighbour and the separators before it
_BETWEEN = " ()[]\"'“”/-"

# Letters that occur in English text: Latin, and Greek as in "the β subunit".
_LATIN = "a-z\u00aa-\u02af\u0370-\u03ff\u1d00-\u1dbf\u1e00-\u1fff\u2c60-\u2c7f\ua720-\ua7ff\uab30-\uab6f"
_CJK_PUNCTUATION = "\u3001-\u3003\u3008-\u3011\u3014-\u301f"

_all_han = re.compile(f"[{HAN}]+")
_unit = re.compile(rf".[{MARK}]*")
_latin = re.compile(f"[{_LATIN}]")
_other_letter = re.compile(rf"[{UNSPACED}]|[^\W\d_{_LATIN}]")
_other_script = re.compile(rf"[{UNSPACED}{_CJK_PUNCTUATION}]|[^\W\d_{_LATIN}]")


RunTerms: TypeAlias = tuple[Sequence[str], Sequence[str]]
"""The terms of a run, and the stop words in it."""


class Part(Protocol):
    """Turns a run of one script into terms. Terms may overlap (a compound and its parts); they are ordered
    by start, then the longer first."""

    def parts(self, run: str) -> Sequence[Span]:
        """Return the terms and their positions in the run."""
        ...

    def terms(self, run: str) -> RunTerms:
        """Return the terms, and the stop words that are not among them."""
        ...


class ScriptAnalyzer(ABC):
    """Folds a text, cuts it into runs by script and passes each run to the part for its script.

    Subclasses are dataclasses; their fields are the constructor's arguments.
    """

    @property
    @abstractmethod
    def words(self) -> Part:
        """The part for words and compounds of scripts that are written with spaces."""

    @property
    @abstractmethod
    def han(self) -> Part:
        """The part for runs of Chinese characters."""

    @property
    def foreign(self) -> Part | None:
        """The part for a stop word among letters of a script other than Latin; None: no special part."""
        return None

    def whole(self, text: str) -> Sequence[Span]:  # noqa: ARG002
        """Return terms that cutting into runs by script would break."""
        return ()

    def __reduce__(self) -> tuple[Any, ...]:
        made_with = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return type(self), tuple(made_with)  # without the cached properties

    def terms(self, text: str) -> list[str]:
        """The terms of ``text`` in order, repeats included."""
        return self.with_stop_words(text)[0]

    def with_stop_words(self, text: str) -> tuple[list[str], list[str]]:
        """Return ``terms``, and the stop words of ``text``, including those that count as terms there. For
        two stop words side by side their pair (to_be) is added, which says more than either."""
        folded = fold(text).text
        terms, stopped = self._terms(folded)
        if self.whole(folded) or ("#" in text and _hashtag.search(text)):
            terms = [term for term, _, _ in self.spans(text)]
        return terms, stopped

    def spans(self, text: str) -> list[Span]:
        """Return ``terms`` with the characters each came from: ``text[start:end]``."""
        folded = fold(text)
        spans = folded.originals(list(self._spans(folded.text)))
        if more := [*folded.originals([*self.whole(folded.text)]), *self._tagged(text)]:
            return sorted({*spans, *more}, key=lambda span: (span[1], -span[2]))
        return spans

    def _tagged(self, text: str) -> Iterator[Span]:
        """Yield the words of hashtags: #MachineLearning is also machine learning."""
        for tag in _hashtag.finditer(text):
            for word in _capitalized.finditer(tag.group()):
                at = tag.start() + word.start()
                for term, start, end in self.words.parts(word.group().lower()):
                    yield term, at + start, at + end

    def _terms(self, text: str) -> tuple[list[str], list[str]]:
        analyse, foreign = self._analyse, self._foreign(text)
        terms: list[str] = []
        stopped: list[str] = []
        last, before = "", -1  # the last stop word, and the number of terms before it
        for match in _runs.finditer(text):
            kept, stops = analyse[match.lastgroup](match.group())
            if stops:
                if before == len(terms):
                    stopped.append(pair(last, stops[0]))
                last, before = stops[-1], len(terms)
                stopped += stops
                if not kept and foreign and _among_others(text, match):
                    kept, _ = foreign.terms(match.group())
            terms += kept
        return terms, stopped

    def _spans(self, text: str) -> Iterator[Span]:
        foreign = self._foreign(text)
        for match in _runs.finditer(text):
            at, run = match.start(), match.group()
            found = self._parts[match.lastgroup].parts(run)
            if not found and foreign and _among_others(text, match):
                found = foreign.parts(run)
            for term, start, end in found:
                yield term, at + start, at + end

    def _foreign(self, text: str) -> Part | None:
        return None if text.isascii() or not _other_script.search(text) else self.foreign

    @cached_property
    def _parts(self) -> dict[str | None, Part]:
        return {"word": self.words, "han": self.han, "unspaced": Bigrams(), "emoji": Whole()}

    @cached_property
    def _analyse(self) -> dict[str | None, Callable[[str], RunTerms]]:
        return {kind: part.terms for kind, part in self._parts.items()}


def _among_others(text: str, word: re.Match[str]) -> bool:
    """Whether a word belongs to text in a script other than Latin, as in 维生素A, "IT 行业" and 《A》: it
    touches a letter of that script; or only spaces, brackets and quotes separate it from one or from
    Chinese punctuation, and it is not next to a Latin letter."""
    if word.lastgroup != "word":
        return False
    before, after = text[max(0, word.start() - _NEAR) : word.start()], text[word.end() : word.end() + _NEAR]
    if _other_letter.match(before[-1:]) or _other_letter.match(after):
        return True
    beside = before.rstrip(_BETWEEN)[-1:] + after.lstrip(_BETWEEN)[:1]
    return _other_script.search(beside) is not None and not _latin.search(beside)


def pair(first: str, second: str) -> str:
    """Join two stop words that stand side by side into one."""
    return f"{first}_{second}"


class Bigrams:
    """Cuts a run into overlapping pairs of characters, with their marks; a single character is a term."""

    def parts(self, run: str) -> list[Span]:
        units = [match.span() for match in _unit.finditer(run)]
        pairs = zip(units, units[1:] or units, strict=False)
        return [(clip(run[start:end]), start, end) for (start, _), (_, end) in pairs]

    def terms(self, run: str) -> RunTerms:
        return [term for term, _, _ in self.parts(run)], ()


class Whole:
    """Takes the run as one term."""

    def parts(self, run: str) -> list[Span]:
        return [(run, 0, len(run))]

    def terms(self, run: str) -> RunTerms:
        return (run,), ()


def is_han(text: str) -> bool:
    """Whether ``text`` consists of Chinese characters only."""
    return _all_han.fullmatch(text) is not None


def clip(term: str) -> str:
    """Cut a term to at most 255 bytes of UTF-8, between characters: no word is longer."""
    if len(term) * 4 <= _MAX_TERM_BYTES:
        return term
    return term.encode()[:_MAX_TERM_BYTES].decode(errors="ignore")
