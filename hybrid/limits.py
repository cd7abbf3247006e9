"""How large may be what comes from outside, each with its reason.

Whoever passes something larger gets an error that names the limit and the way out; nothing is cut off in
silence. Below the limits time and memory grow in proportion to what is passed. The figures: two cores, an
index of 100,000 short documents.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection
from typing import Any, Final

# --- queries

MAX_QUERY: Final = 100_000
"""Characters of a query: 50,000 distinct words take 1 s in the lexical leg, an encoder 1 s at most."""

MAX_HITS: Final = 100_000
"""offset + k, and depth: so many hits take 2 s; no measure looks deeper."""

MAX_SCAN: Final = 1 << 29
"""Bytes of vectors that a search scans where the library of the graph is not installed: 350,000 rows of
384 numbers take 0.06 s, under "l2" 0.2 s. Above that the search names what is to be installed."""

# --- filters

MAX_FILTER_DEPTH: Final = 32
"""How deep ``and``, ``or`` and ``not`` may nest."""

MAX_CONDITIONS: Final = 1_000
"""Conditions of a filter: over a million documents each costs 1 ms, 12 ms where they hold lists."""

MAX_FILTER_VALUES: Final = 100_000
"""Values in all lists of a filter together: 0.3 s over a million documents."""

# --- documents

MAX_ID: Final = 4_096
"""Characters of an id: the longest path that Linux takes."""

MAX_TITLE: Final = 10_000
"""Characters of a title, which stands before each window of the text and is cut to fit each time."""

MAX_TEXT: Final = 5_000_000
"""Characters of a text, more than the Bible: to analyse takes 2 s in English and 20 s in Chinese."""

MAX_METADATA: Final = 1_000_000
"""Characters of all keys and strings in a document's metadata: every opened index holds them in memory."""

MAX_METADATA_VALUES: Final = 10_000
"""Values in a document's metadata, empty lists and objects included: each is an entry in a column."""

MAX_METADATA_DEPTH: Final = 64
"""How deep metadata may nest: Python's own JSON takes some hundreds."""

MAX_PATH: Final = 1_024
"""Characters of a key with those above it (``author.name``): each value is filed under its whole path."""

MAX_INTEGER_BITS: Final = 1_024
"""An integer in metadata; larger than any float, and reading decimal digits is quadratic."""

MAX_DIM: Final = 65_536
"""Numbers of a vector: five times those of the largest models."""

MAX_LENGTH: Final = 2.0**62
"""Euclidean length of a vector under "ip" and "l2", documents' and queries': no product of any two, and no
squared distance (at most 2**126), is beyond float32."""

# --- files

MAX_JSON_LINE: Final = 1 << 28
"""Bytes: the longest text with its vectors. A file without line breaks is not read into memory whole."""

MAX_TEXT_LINE: Final = 1 << 24
"""Characters of a line of text, or of all lines of a table's row: three of the longest texts."""

MAX_EXPANSION: Final = 100
"""Times its size that a packed file (``.gz``) may unpack to: collections take 2 to 4, a bomb 1,000."""

MIN_EXPANDED: Final = 1 << 27
"""Bytes that any packed file may unpack to, however small: less than a second."""

MAX_FILE: Final = 1 << 28
"""Bytes of a file that is read whole. Only tables, JSON lines and mailboxes may be larger."""

MAX_READING_SECONDS: Final = 60.0
"""Of the processor's time, for each document that is extracted from a file."""

MAX_READING_MEMORY: Final = 1 << 31
"""Bytes of the process that extracts: a PDF that unpacks to 1 GB takes 1.9 GB."""

MAX_DICTIONARY_BYTES: Final = 1 << 24
"""A user dictionary; jieba's own has 5 MB."""

MAX_USER_WORDS: Final = 100_000
"""Words of a user dictionary: 4 s to load, at each opening."""

MAX_USER_WORD: Final = 100
"""Characters of a user word, once folded."""

# --- messages

_SHOWN: Final = 80


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _SHOWN
        self.maxlevel = 2

    def repr_int(self, value: int, _: int) -> str:
        # More than 4,300 digits and Python refuses to print it.
        return (
            repr(value) if value.bit_length() < 4 * _SHOWN else f"an integer of {value.bit_length()} bits"
        )

    def repr_instance(self, value: Any, _: int) -> str:
        # Of an object that holds others even the repr can be without end.
        plain = not isinstance(value, Collection) or isinstance(value, (str, bytes))
        return repr(value)[:_SHOWN] if plain else type(value).__name__


_short: Final = _Short()


def shown(value: object) -> str:
    """``value`` as a message quotes it: one line of some 80 characters, whatever it is."""
    try:
        text = _short.repr(value)
    except Exception:  # a repr of the user's own
        text = type(value).__name__
    return " ".join(text.split())[: 2 * _SHOWN]


def named(value: object) -> str:
    """A name or path as a message names it: as it is, or ``shown`` where that would not be one line."""
    name = str(value)
    return name if name.isprintable() else shown(name)
