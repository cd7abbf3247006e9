"""Rate how plausible bytes are as text in an encoding.

The likelihood of a text is the product of its characters' (naive Bayes); that of a letter follows from its
frequency rank in the language (Zipf). Shapes that words do not have cost extra: a capital inside a word, a
sign between letters. All readings are of the same bytes, so their likelihoods are comparable. Character
distributions were first used for this by Li and Momoi, A Composite Approach to Language/Encoding Detection,
2001.

Costs are negative log likelihoods, in nats.
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
"""Difference in nats between two readings from which the better one is no longer a guess: 150 to 1."""

DEAR: Final = 8.0
"""Average cost per character outside ASCII above which a text is examined again; most texts have 5 to 6."""

STRANGE: Final = 11.0
"""Average cost above which a text resembles no language listed here; random characters cost 13."""

# Chosen by hand and checked on translations of programs into thirty languages, in all their encodings.
_ASCII: Final = 3.5  # any ASCII character
_CONTROL: Final = 14.0
_SHAPE: Final = 5.0  # a shape that words do not have
_CAPITAL: Final = 2.5  # a capital or a run of them: letters have one cost for both cases
_PAIR: Final = 2.0  # two adjacent letters outside ASCII, in a Latin alphabet
_FLATTEN: Final = 5  # added to ranks: the first letters are less frequent than Zipf's law says
_SIGNS: Final = 0.1  # share of signs among the characters outside ASCII; the rest are letters
_DAMAGE: Final = 20.0  # a place where the bytes are not valid
_OTHER: Final = {"C": 18.0, "L": 13.0, "M": 13.0}  # by category; C includes private use and unassigned

_LETTER: Final = regex.compile(r"[A-Za-z]")
_STRANGE: Final = regex.compile(
    r"\p{Ll}\p{Lu}|(?<=\p{L})[^\p{L}\p{M}\p{N}\p{Z}\x00-\x7f’‘·\u3000-\u303f\uff00-\uffef](?=\p{L})"
)
_RUN: Final = regex.compile(r"(?<!\p{Lu})[^\x00-\x7f\P{Lu}]")
_BESIDE: Final = regex.compile(r"(?<=[A-Za-z])[^\x00-\x7f\P{L}]|[^\x00-\x7f\P{L}](?=[A-Za-z])")
_STRETCH: Final = regex.compile(r"(?<![^\x00-\x7f])[^\x00-\x7f]")
_PAIRED: Final = regex.compile(r"[^\x00-\x7f\P{L}](?=[^\x00-\x7f\P{L}])")


class Reading(NamedTuple):
    """The text of some bytes in an encoding, and its cost: the lower, the likelier. If they are not
    ``valid`` in the encoding, U+FFFD replaces the invalid ones."""

    encoding: str
    text: str
    cost: float
    valid: bool

    @property
    def average(self) -> float:
        """The average cost of a character outside ASCII."""
        beyond = sum(not character.isascii() for character in self.text)
        return (self.cost - _ascii(Counter(self.text))) / max(beyond, 1)


def readings(lines: Sequence[bytes], encodings: Iterable[str]) -> list[Reading]:
    """Read ``lines`` in each of ``encodings``; the likeliest reading first."""
    return sorted((read(lines, encoding) for encoding in encodings), key=lambda reading: reading.cost)


def read(lines: Sequence[bytes], encoding: str) -> Reading:
    rare, languages = ENCODINGS[encoding]
    try:
        text, valid = decoded(lines, encoding), True
    except UnicodeDecodeError:
        text, valid = b"".join(lines).decode(encoding, "replace"), False
    return Reading(encoding, text, cost(text, languages) + rare, valid)


def decoded(lines: Iterable[bytes], encoding: str) -> str:
    """Decode lines. One without a line break may have been cut: an incomplete last character is dropped."""
    decoder = codecs.getincrementaldecoder(encoding)
    return "".join(decoder().decode(line, final=line.endswith(b"\n")) for line in lines)


def cost(text: str, languages: Iterable[Language]) -> float:
    """Return the cost of ``text`` in the likeliest of ``languages``."""
    looks = _Looks.of(text)
    return min(map(looks.cost, languages))


@dataclass(frozen=True)
class _Looks:
    """The counts of a text that do not depend on the language."""

    beyond: dict[str, int]
    """Characters outside ASCII, each with its frequency."""
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
        if language.share is not None:  # half, since text is often surrounded by English
            shape += _PAIR * self.pairs - 0.5 * self.letters * math.log(1 - language.share)
        return self.plain + characters + shape


def _ascii(counts: Mapping[str, int]) -> float:
    characters = ((c, count) for c, count in counts.items() if c.isascii())
    return sum(count * (_ASCII if c.isprintable() or c.isspace() else _CONTROL) for c, count in characters)


@cache
def _costs(language: Language) -> dict[str, float]:
    """Return the cost of each character outside ASCII that the language uses."""
    letters = [letter for letter in language.letters if letter.encode(language.charset, "ignore")]
    whole = sum(1 / (_FLATTEN + rank) for rank in range(len(letters)))
    rare = 0.0 if language.share is None else -0.6 * math.log(language.share)
    found = dict.fromkeys(language.signs, math.log(len(language.signs) / _SIGNS))
    for rank, letter in enumerate(letters):
        found[letter] = found[letter.upper()] = math.log((_FLATTEN + rank) * whole / (1 - _SIGNS)) + rare
    return found


@cache
def _other(character: str) -> float:
    """Return the cost of a character that a language does not use."""
    return _DAMAGE if character == "\ufffd" else _OTHER.get(unicodedata.category(character)[0], 11.0)
