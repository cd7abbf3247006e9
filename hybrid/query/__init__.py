"""What a query asks for, as values, and how text is read as them.

    noise cancelling            words; any of them counts
    "noise cancelling"          a phrase, in “ ”, 「 」 and 『 』, too: the document must contain it
    -kettle  -"for cars"        the document must not contain it
    +wireless  +(a b)           the document must contain it, all of it
    title:headphones            the title must contain it
    wire*                       words that begin so
    recieve~  recieve~2         words with up to 1 or 2 edits, and the same first letter
    "in ear" OR earbuds         one of the two
    wireless^2  "in ear"^0.5    counts twice, half
    (a OR "b c") -d             parentheses
    \\" \\( \\+ \\- \\* \\~ \\^ \\: \\OR  the characters themselves

An operator counts where it can be meant: ``-`` and ``+`` before a word, not inside one (e-mail, C++) and
not before a digit (-5); a quote where a word begins or after a Chinese character (5" is five inches).
Everything else is words, so no text is an error.

Imports limits and errors.
"""

from hybrid.query.reading import Parsed, Syntax, parse, read
from hybrid.query.values import (
    All,
    Any,
    Boost,
    Fuzzy,
    Not,
    Phrase,
    Prefix,
    Query,
    Required,
    Title,
    Words,
    check,
    plain,
)

__all__ = [
    "All",
    "Any",
    "Boost",
    "Fuzzy",
    "Not",
    "Parsed",
    "Phrase",
    "Prefix",
    "Query",
    "Required",
    "Syntax",
    "Title",
    "Words",
    "check",
    "parse",
    "plain",
    "read",
]
