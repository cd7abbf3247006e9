"""How plausible bytes are as text in an encoding: as the characters that they would be, in some language.

The likelihood of a text is that of its characters, drawn one by one (naive Bayes), the letters of a
language by their rank in it (Zipf); shapes that words do not have cost extra: a capital within a word, a
sign between letters. All readings are of the same bytes, so their likelihoods compare. Distributions of
characters were first used so by Li and Momoi, A Composite Approach to Language/Encoding Detection, 2001.

Costs are in nats, the natural logarithm of how improbable something is.
"""

from __future__ import annotations

import codecs
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import regex

from hybrid.corpora.languages import ENCODINGS, Language

SURE: Final = 5.0
"""Nats between two readings, from which on the better one is no longer a guess: 150 to 1."""

DEAR: Final = 8.0
"""Nats of a character beyond ASCII on average, above which a text is looked at again: most take 5 to 6."""

STRANGE: Final = 11.0
"""The same, from which on it resembles no language that is known here; random characters take 13."""

# Chosen by hand, and tried on translations of programs into thirty languages, in all encodings they have.
_ASCII: Final = 3.5  # any character of it
_CONTROL: Final = 14.0
_SHAPE: Final = 5.0  # that words do not have
_CAPITAL: Final = 2.5  # or a run of capitals: a capital is else as frequent as its small letter
_PAIR: Final = 2.0  # of letters beyond ASCII, in a Latin alphabet
_FLATTEN: Final = 5  # added to ranks: the first letters are not that much more frequent
_SIGNS: Final = 0.1  # of the characters beyond ASCII; the rest are letters
_DAMAGE: Final = 20.0  # a place where the bytes are not valid
_OTHER: Final = {"C": 18.0, "L": 13.0, "M": 13.0}  # by category; private use and unassigned are in C

_LETTER: Final = regex.compile(r"[A-Za-z]")
_STRANGE: Final = regex.compile(
    r"\p{Ll}\p{Lu}|(?<=\p{L})[^\p{L}\p{M}\p{N}\p{Z}\x00-\x7f’‘·\u3000-\u303f\uff00-\uffef](?=\p{L})"
)
_RUN: Final = regex.compile(r"(?<!\p{Lu})[^\x00-\x7f\P{Lu}]")
_BESIDE: Final = regex.compile(r"(?<=[A-Za-z])[^\x00-\x7f\P{L}]|[^\x00-\x7f\P{L}](?=[A-Za-z])")
_STRETCH: Final = regex.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f]")
_PAIRED: Final = regex.compile(r"[^\x00-\x7f\P{L}](?=[^\x00-\x7f\P{L}])")


class Reading(NamedTuple):
    """A text that some bytes may be, and what it costs them to be that: the less, the likelier. Where they
    are not ``valid`` in the encoding, U+FFFD stands for what is wrong."""

    encoding: str
    text: str
    cost: float
    valid: bool

    @property
    def average(self) -> float:
        """What a character beyond ASCII costs."""
        beyond = sum(not character.isascii() for character in self.text)
        return (self.cost - _ascii(Counter(self.text))) / max(beyond, 1)


def readings(lines: Sequence[bytes], encodings: Iterable[str]) -> list[Reading]:
    """What some ``lines`` may be in ``encodings``, the likeliest first."""
    return sorted((read(lines, encoding) for encoding in encodings), key=lambda reading: reading.cost)


def read(lines: Sequence[bytes], encoding: str) -> Reading:
    rare, languages = ENCODINGS[encoding]
    try:
        text, valid = decoded(lines, encoding), True
    except UnicodeDecodeError:
        text, valid = b"".join(lines).decode(encoding, "replace"), False
    return Reading(encoding, text, cost(text, languages) + rare, valid)


def decoded(lines: Iterable[bytes], encoding: str) -> str:
    """Lines as text. One without a line break may be cut: what is left of its last character is dropped."""
    decoder = codecs.getincrementaldecoder(encoding)
    return "".join(decoder().decode(line, final=line.endswith(b"\n")) for line in lines)


def cost(text: str, languages: Iterable[Language]) -> float:
    """What ``text`` costs in the likeliest of ``languages``."""
    looks = _Looks.of(text)
    return min(map(looks.cost, languages))


@dataclass(frozen=True)
class _Looks:
    """What counts of a text, whatever its language."""

    beyond: dict[str, int]
    """Characters beyond ASCII, each with its frequency."""
    plain: float
    letters: int
    beside: int
    stretches: int
    pairs: int

    @classmethod
    def of(cls, text: str) -> _Looks:
        counts = Counter(text)
        return cls(
            beyond={character: count for character, count in counts.items() if not character.isascii()},
            plain=_ascii(counts)
            + _SHAPE * len(_STRANGE.findall(text))
            + _CAPITAL * len(_RUN.findall(text)),
            letters=len(_LETTER.findall(text)),
            beside=len(_BESIDE.findall(text)),
            stretches=len(_STRETCH.findall(text)),
            pairs=len(_PAIRED.findall(text)),
        )

    def cost(self, language: Language) -> float:
        known = _costs(language)
        characters = sum(count * (known.get(c) or _other(c)) for c, count in self.beyond.items())
        shape = self.beside * language.beside_ascii + self.stretches * language.stretch
        if language.share is not None:  # half, since what stands around a text is often English
            shape += _PAIR * self.pairs - 0.5 * self.letters * math.log(1 - language.share)
        return self.plain + characters + shape


def _ascii(counts: Mapping[str, int]) -> float:
    characters = ((c, count) for c, count in counts.items() if c.isascii())
    return sum(count * (_ASCII if c.isprintable() or c.isspace() else _CONTROL) for c, count in characters)


@cache
def _costs(language: Language) -> dict[str, float]:
    """Of each character that the language uses beyond ASCII."""
    letters = [letter for letter in language.letters if letter.encode(language.charset, "ignore")]
    whole = sum(1 / (_FLATTEN + rank) for rank in range(len(letters)))
    rare = 0.0 if language.share is None else -0.6 * math.log(language.share)
    found = dict.fromkeys(language.signs, math.log(len(language.signs) / _SIGNS))
    for rank, letter in enumerate(letters):
        found[letter] = found[letter.upper()] = math.log((_FLATTEN + rank) * whole / (1 - _SIGNS)) + rare
    return found


@cache
def _other(character: str) -> float:
    """The cost of a character that a language does not use."""
    return _DAMAGE if character == "\ufffd" else _OTHER.get(unicodedata.category(character)[0], 11.0)
