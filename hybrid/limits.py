"""Limits on the size of input, each with its reason.

Anything larger raises an error that names the limit and what to do; nothing is silently cut off. Below the
limits, time and memory are proportional to the input. The figures were measured on two cores, with an index
of 100,000 short documents.
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection
from typing import Any, Final

# --- queries

MAX_QUERY: Final = 100_000
"""Characters in a query: 50,000 distinct words take 1 s in the lexical leg, and at most 1 s to encode."""

MAX_QUERY_PARTS: Final = 400
"""Values in a query, each inside another counted: a hundred operators that are typed. Text with more is
read as words."""

MAX_QUERY_DEPTH: Final = 32
"""How deep the values of a query may nest; parentheses in a text half as deep."""

MAX_QUERY_EXPANSIONS: Final = 20
"""Prefixes and fuzzy words in a query: each looks through the words of one first letter, some 5 ms."""

MAX_LIKE: Final = 100
"""Documents that a search is to be like, or unlike: each is read and analysed, at most some 10 ms."""

MAX_HITS: Final = 100_000
"""offset + k, and depth: this many hits take 2 s; no measure looks deeper."""

MAX_SCAN: Final = 1 << 29
"""Bytes of vectors that a search scans if no library for the graph is installed: 350,000 rows of 384
numbers take 0.06 s, under "l2" 0.2 s. For more, the search raises an error that names the library to
install."""

MAX_PAST_QUERIES: Final = 100_000
"""Past queries that an index keeps, each with its vector: 150 MB of 384 numbers."""

MAX_PAST_ANSWERS: Final = 10_000
"""Answers of a past query: each has one vote by the root of their number, so more say next to nothing."""

MAX_ADAPTED: Final = 2_048
"""Numbers in a vector that an adapter moves: the optimiser that learns one keeps 17 square matrices of as
many rows, in float64."""

# --- contexts

MAX_CONTEXT: Final = 1_000_000
"""Tokens of a context: as much as the longest windows of language models."""

MAX_ANSWER: Final = 50_000
"""Characters in an answer whose citations are checked, more than language models write at once."""

# --- cursors

MAX_CURSOR_HITS: Final = 10_000
"""Hits that a cursor goes through."""

MAX_CURSORS: Final = 1_000
"""Cursors that an index keeps; the least recently used go first."""

MAX_CURSOR_BYTES: Final = 1 << 26
"""Bytes of an index's cursors: some 50 of 10,000 hits with short ids; the newest stays, whatever it has."""

CURSOR_SECONDS: Final = 600
"""How long after its last use a cursor is kept."""

# --- pools

MAX_PROCESSES: Final = 1_024
"""Processes of a pool: more than a machine has cores, and each takes three descriptors and its memory."""

# --- filters

MAX_FILTER_DEPTH: Final = 32
"""How deep ``and``, ``or`` and ``not`` may nest."""

MAX_CONDITIONS: Final = 1_000
"""Conditions in a filter: over a million documents each costs 1 ms, or 12 ms if the values are lists."""

MAX_FILTER_VALUES: Final = 100_000
"""Values in all lists of a filter together: 0.3 s over a million documents."""

MAX_SENTENCES: Final = 64
"""Sentences of a hit that may be encoded for its highlights; each costs about as much as a query."""

# --- sorting and fields

MAX_FIELDS: Final = 100
"""Fields that documents are returned with; each is held against each key of the metadata."""

MAX_SORT_KEYS: Final = 10
"""Keys to sort by: a million documents take 0.2 s each, 3 s where all values are different strings."""

# --- facets

MAX_FACETS: Final = 100
"""Facets of one call: over a million documents each takes 0.1 s, 2 s where all values differ."""

MAX_LISTED: Final = 10_000
"""Values of a facet or a list of values, and edges of its ranges: nobody reads more."""

# --- documents

MAX_ID: Final = 4_096
"""Characters in an id: the longest path on Linux."""

MAX_TITLE: Final = 10_000
"""Characters in a title, which is put before each window of the text and cut to fit each time."""

MAX_TEXT: Final = 5_000_000
"""Characters in a text, more than the Bible; analysing it takes 2 s in English and 20 s in Chinese."""

MAX_METADATA: Final = 1_000_000
"""Characters in all keys and strings of a document's metadata: an open index holds them in memory."""

MAX_METADATA_VALUES: Final = 10_000
"""Values in a document's metadata, including empty lists and objects: each is an entry in a column."""

MAX_METADATA_DEPTH: Final = 64
"""How deep metadata may nest: Python's own JSON module handles some hundreds."""

MAX_PATH: Final = 1_024
"""Characters in a key including its parents (``author.name``): each value is stored under its full path."""

MAX_INTEGER_BITS: Final = 1_024
"""Bits of an integer in metadata: larger than any float; parsing decimal digits takes quadratic time."""

MAX_DIM: Final = 65_536
"""Dimensions of a vector: five times those of the largest models."""

MAX_LENGTH: Final = 2.0**62
"""Euclidean length of a vector under "ip" and "l2", for documents and queries, so that every inner product
and squared distance (at most 2**126) fits into float32."""

# --- files

MAX_JSON_LINE: Final = 1 << 28
"""Bytes in a line of JSON: the longest text with its vectors. A file without line breaks is not read into
memory as a whole."""

MAX_TEXT_LINE: Final = 1 << 24
"""Characters in a line of text, or in all lines of a table's row: three of the longest texts."""

MAX_EXPANSION: Final = 100
"""How many times its size a packed file (``.gz``) may unpack to: collections have 2 to 4, a zip bomb
1,000."""

MIN_EXPANDED: Final = 1 << 27
"""Bytes that any packed file may unpack to, however small it is: takes less than a second."""

MAX_FILE: Final = 1 << 28
"""Bytes of a file that is read whole. Only tables, JSON lines and mailboxes may be larger."""

MAX_READING_SECONDS: Final = 60.0
"""Of the processor's time, for each document that is extracted from a file."""

MAX_READING_MEMORY: Final = 1 << 31
"""Bytes of the process that extracts: a PDF that unpacks to 1 GB takes 1.9 GB."""

MAX_DICTIONARY_BYTES: Final = 1 << 24
"""Bytes in a user dictionary; jieba's own has 5 MB."""

MAX_USER_WORDS: Final = 100_000
"""Words in a user dictionary: take 4 s to load whenever the index is opened."""

MAX_USER_WORD: Final = 100
"""Characters in a user word, after folding."""

MAX_SYNONYM_RULES: Final = 20_000
"""Lines of synonyms: analysed when the first query needs them, in half a second."""

MAX_SYNONYMS: Final = 100
"""Entries on one side of a rule."""

MAX_SYNONYM: Final = 100
"""Characters in an entry."""

# --- messages

_SHOWN: Final = 80


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _SHOWN
        self.maxlevel = 2

    def repr_int(self, value: int, _: int) -> str:
        # Python refuses to print more than 4,300 digits.
        return (
            repr(value) if value.bit_length() < 4 * _SHOWN else f"an integer of {value.bit_length()} bits"
        )

    def repr_instance(self, value: Any, _: int) -> str:
        # The repr of an object that contains others may be endless.
        plain = not isinstance(value, Collection) or isinstance(value, (str, bytes))
        return repr(value)[:_SHOWN] if plain else type(value).__name__


_short: Final = _Short()


def shown(value: object) -> str:
    """Quote any ``value`` for a message: one line of some 80 characters."""
    try:
        text = _short.repr(value)
    except Exception:  # in the caller's own __repr__
        text = type(value).__name__
    return " ".join(text.split())[: 2 * _SHOWN]


def brief(error: BaseException) -> str:
    """Return the first line of an error's message, or its class."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def named(value: object) -> str:
    """Write a name or path for a message: as it is, or ``shown`` if it has unprintable characters."""
    name = str(value)
    return name if name.isprintable() else shown(name)


def counted(number: int, one: str = "document", many: str | None = None) -> str:
    """Write a number of things: 1 document, 2,000 documents."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
