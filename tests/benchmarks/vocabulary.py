"""Words to make texts of: pronounceable English-like ones, and frequent Chinese ones.

The most frequent words are the analyzers' own stop words, as in any text. All else in English is invented,
with common words shorter than rare ones; the Chinese words are the most frequent of jieba's dictionary, so
that cutting the texts costs what cutting Chinese costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hybrid.analyzers.stopwords import stop_words

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
WORDS: Final = 40_000
FUNCTION_WORDS: Final = 60
_EXPONENT: Final = 1.05
_OFFSET: Final = 2.7

_ONSETS: Final = (
    *"bcdfghlmnprstvw",
    *("br", "cr", "dr", "fl", "gr", "pl", "pr", "sl", "sp", "st", "str", "th", "tr", "sh", "ch"),
)
_NUCLEI: Final = (*"aeiouaeio", "ai", "ea", "ee", "ou")
_CODAS: Final = ("", "", "", *"nrstlmdk", "nd", "nt", "rt", "st", "ng", "ck")


@dataclass(frozen=True)
class Vocabulary:
    """The words of one language, most frequent first. Zipf and Mandelbrot: the frequency of rank r is
    proportional to 1 / (r + 2.7)^1.05."""

    words: tuple[str, ...]
    functional: int
    """So many of the first are function words."""

    @property
    def cumulative(self) -> NDArray[np.float64]:
        """float64 (n,): how likely a word is one of the first 1, 2, ... n."""
        return zipf(len(self.words))


@cache
def zipf(n: int) -> NDArray[np.float64]:
    frequencies = 1.0 / (np.arange(1, n + 1) + _OFFSET) ** _EXPONENT
    return np.asarray(np.cumsum(frequencies) / frequencies.sum())


@cache
def vocabulary(language: Language, size: int = WORDS) -> Vocabulary:
    functional = sorted(stop_words(language))[:FUNCTION_WORDS]
    content = _english(size) if language == "en" else _chinese(size)
    known = set(functional)
    words = [*functional, *(word for word in content if word not in known)]
    return Vocabulary(tuple(words[:size]), len(functional))


def _english(size: int) -> list[str]:
    """Invented words; those of two syllables first, then of three, then of four."""
    rng = np.random.default_rng(7)
    shares = {1: 0.02, 2: 0.18, 3: 0.5, 4: 0.6}
    found: dict[str, None] = {}
    for syllables, share in shares.items():
        wanted = min(size, len(found) + int(share * size) + 1)
        while len(found) < wanted:
            found.update(dict.fromkeys(_invented(rng, syllables, wanted - len(found))))
    return list(found)[:size]


def _invented(rng: np.random.Generator, syllables: int, count: int) -> list[str]:
    parts = []
    for _ in range(syllables):
        parts += [rng.choice(_ONSETS, count), rng.choice(_NUCLEI, count)]
    parts.append(rng.choice(_CODAS, count))
    return ["".join(letters) for letters in zip(*(part.tolist() for part in parts), strict=True)]


def _chinese(size: int) -> list[str]:
    """The most frequent words of two to four characters."""
    entries = []
    with files("jieba").joinpath("dict.txt").open(encoding="utf-8") as lines:
        for line in lines:
            word, frequency, *_ = line.split()
            if 2 <= len(word) <= 4 and all("\u4e00" <= sign <= "\u9fff" for sign in word):
                entries.append((-int(frequency), word))
    return [word for _, word in sorted(entries)[:size]]
