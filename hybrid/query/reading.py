"""Text read as a query: once through the characters, then once through the tokens; never an error.

What looks like an operator and is none (a quote or parenthesis without its partner, OR without something
on both sides) is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from hybrid.limits import MAX_QUERY_DEPTH, MAX_QUERY_EXPANSIONS, MAX_QUERY_PARTS
from hybrid.query.values import (
    QUOTES,
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
)

_TITLE: Final = "title:"
_DEEPEST: Final = MAX_QUERY_DEPTH // 5  # parentheses; each may have a sign, a field and a boost
_MOST: Final = MAX_QUERY_PARTS // 4  # operators
_WIDE: Final = "\u2e80"  # Chinese, Japanese and Korean, written without spaces, begin here
_ESCAPED: Final = re.compile(r'\\(?=["“「『＂()+\-*~^:]|OR(?!\S))')
_ESCAPABLE: Final = frozenset('"“「『＂()+-*~^:')
_SIGN: Final = re.compile(r'["“「『＂*~^\\]|(?<![^\s(])(?:[+-]|title:)|(?<!\S)OR(?!\S)')
"""Stands in every text that is more than words; parentheses alone change nothing."""
_BOOST: Final = re.compile(r"\^([0-9]{1,3}(?:\.[0-9]{1,3})?)(?=[\s)]|$)")
_PREFIX: Final = re.compile(r"[^\W_]+\*")
_FUZZY: Final = re.compile(r"[^\W\d_]{3,}~[12]?")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_WORDY: Final = re.compile(r"[^\W_]")
_BOOSTED: Final = re.compile(r"[^\W_][\w'-]+")

_Kind = Literal["word", "value", "sign", "open", "close", "or", "boost", "text"]


@dataclass(frozen=True, slots=True)
class Parsed:
    """How a text was read: as which ``value``, and whether an operator in it ``fell_back`` to text.
    ``str()`` is a text that is parsed to the same value."""

    value: Query
    fell_back: bool = False

    def __str__(self) -> str:
        return str(self.value)


Syntax: TypeAlias = Literal["auto", "plain"]


class _Token(NamedTuple):
    kind: _Kind
    start: int
    end: int
    value: Query | float | None = None


class _Item(NamedTuple):
    """A part of a sequence at ``text[start:end]``; ``bare``: mere text, which joins that beside it."""

    start: int
    end: int
    value: Query
    bare: bool


def parse(text: str) -> Parsed:
    """Read a text as a query."""
    return Parsed(Words(text)) if _SIGN.search(text) is None else _Parser(text).parsed()


def read(query: str | Query, syntax: Syntax = "auto") -> Parsed:
    """A query as a value: text is parsed, or with ``syntax="plain"`` taken as words; a value stays as it
    is. Raises QueryError for a value that is none."""
    if not isinstance(query, str):
        return Parsed(check(query))
    return parse(query) if syntax == "auto" else Parsed(Words(query))


class _Lexer:
    """Cuts a text into tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._closing = dict.fromkeys(QUOTES.values(), -1)  # the next of each, kept: all is linear
        self._wordy = -1  # the next letter or digit
        self._shouts = text.isupper() and len(_LETTERS.findall(text)) > 3
        self.fell_back = False

    def tokens(self) -> Iterator[_Token]:
        text, at, begins = self._text, 0, True
        while at < len(text):
            if text[at].isspace():
                at, begins = at + 1, True
                continue
            token = self._token(at, begins)
            yield token
            at, begins = token.end, token.kind in ("sign", "open")
            if token.kind != "or" and (found := _BOOST.match(text, at)) and float(found[1]):
                yield _Token("boost", at, found.end(), float(found[1]))
                at = found.end()

    def _token(self, at: int, begins: bool) -> _Token:
        text = self._text
        if (phrase := self._phrase(at, begins)) is not None:
            return phrase
        if text[at] == ")":
            return _Token("close", at, at + 1)
        if begins and text[at] == "(":
            return _Token("open", at, at + 1)
        if begins and text[at] in "+-" and self._signed(at + 1):
            return _Token("sign", at, at + 1)
        if begins and text.startswith(_TITLE, at) and self._titled(at + len(_TITLE)):
            return _Token("sign", at, at + len(_TITLE))
        if begins and text[at] in QUOTES:
            self.fell_back = True
        return self._word(at, begins)

    def _signed(self, at: int) -> bool:
        """Whether what stands here can be required or excluded: no number, no single letter of the Latin
        alphabet (ls -l), no further sign."""
        first, second = self._text[at : at + 1], self._text[at + 1 : at + 2]
        if first == "(" or self._phrase(at, True) is not None:
            return True
        return first.isalpha() and (first >= _WIDE or (second != "" and not second.isspace()))

    def _titled(self, at: int) -> bool:
        first = self._text[at : at + 1]
        return first == "(" or first.isalnum() or self._phrase(at, True) is not None

    def _phrase(self, at: int, begins: bool) -> _Token | None:
        text = self._text
        close = QUOTES.get(text[at : at + 1])
        if close is None or not (begins or text[at - 1] >= _WIDE):
            return None
        end = self._closed(at, close)
        if end < 0 or self._next_wordy(at) > end:
            return None
        inside = text[at + 1 : end].replace('\\"', '"').rstrip("\\")
        return _Token("value", at, end + 1, Phrase(inside))

    def _closed(self, at: int, close: str) -> int:
        """The place of the next closing quote after ``at``; -1 for none."""
        if self._closing[close] <= at:
            end = self._text.find(close, at + 1)
            while close == '"' and end > 0 and self._text[end - 1] == "\\":
                end = self._text.find(close, end + 1)
            self._closing[close] = len(self._text) if end < 0 else end
        return -1 if self._closing[close] == len(self._text) else self._closing[close]

    def _next_wordy(self, at: int) -> int:
        if self._wordy <= at:
            found = _WORDY.search(self._text, at + 1)
            self._wordy = len(self._text) if found is None else found.start()
        return self._wordy

    def _word(self, start: int, begins: bool) -> _Token:
        end = self._end(start)
        word = self._text[start:end]
        if not begins:
            return _Token("word", start, end)
        if word == "OR" and not self._shouts:
            return _Token("or", start, end)
        base, caret, _ = word.rpartition("^")
        if caret and _BOOST.fullmatch(word, len(base)):
            if (made := _expanded(base)) is not None:
                return _Token("value", start, start + len(base), made)
            if _BOOSTED.fullmatch(base) and any(map(str.isalpha, base)):
                return _Token("word", start, start + len(base))
        made = _expanded(word)
        return _Token("word", start, end) if made is None else _Token("value", start, end, made)

    def _end(self, at: int) -> int:
        """Where a word ends: at white space, a phrase, or a parenthesis that it has not opened."""
        text, opened = self._text, 0
        while True:
            if text[at] == "\\" and text[at + 1 : at + 2] in _ESCAPABLE:
                at += 1
            elif text[at] in "()":
                opened += 1 if text[at] == "(" else -1
            at += 1
            if at >= len(text) or text[at].isspace():
                return at
            if (text[at] == ")" and opened <= 0) or self._phrase(at, False) is not None:
                return at


def _expanded(word: str) -> Prefix | Fuzzy | None:
    """A word with an operator at its end."""
    if _PREFIX.fullmatch(word) and any(map(str.isalpha, word)) and (len(word) > 2 or word >= _WIDE):
        return Prefix(word[:-1])
    if _FUZZY.fullmatch(word) and all(letter < _WIDE for letter in word):
        text, _, edits = word.partition("~")
        return Fuzzy(text, int(edits or 1))
    return None


class _Parser:
    """Puts the tokens of a text together."""

    def __init__(self, text: str) -> None:
        self._text = text
        lexer = _Lexer(text)
        self._tokens = list(lexer.tokens())
        self._fell_back = lexer.fell_back
        self._closes = self._paired()

    def _paired(self) -> dict[int, int]:
        """The number of each opening parenthesis' token and that of its partner; others become text."""
        pairs: dict[int, int] = {}
        opened: list[int] = []
        for number, token in enumerate(self._tokens):
            if token.kind == "open":
                opened.append(number)
            elif token.kind == "close" and opened:
                first = opened.pop()
                if len(opened) < _DEEPEST:
                    pairs[first] = number
        kept = {*pairs, *pairs.values()}
        for number, token in enumerate(self._tokens):
            if token.kind in ("open", "close") and number not in kept:
                self._tokens[number] = token._replace(kind="text")
                self._fell_back |= token.kind == "open"
        return pairs

    def parsed(self) -> Parsed:
        expanded = sum(isinstance(token.value, (Prefix, Fuzzy)) for token in self._tokens)
        parts = sum(token.kind not in ("word", "text") for token in self._tokens)
        if parts > _MOST or expanded > MAX_QUERY_EXPANSIONS:
            return Parsed(Words(self._text), True)
        items = self._items(0, len(self._tokens))
        if all(item.bare for item in items):
            return Parsed(Words(_unescaped(self._text)), self._fell_back)
        return Parsed(self._joined(items), self._fell_back)

    def _items(self, at: int, end: int) -> list[_Item]:
        """The parts that the tokens from ``at`` to ``end`` make."""
        items: list[_Item] = []
        alternative = False  # whether an OR stands before
        while at < end:
            if self._tokens[at].kind == "or":
                between = bool(items) and not alternative and at + 1 < end
                if between and self._tokens[at + 1].kind not in ("or", "text"):
                    alternative, at = True, at + 1
                    continue
                self._fell_back = True
            item, at = self._clause(at)
            if alternative:
                before = items.pop()
                parts = before.value.parts if isinstance(before.value, Any) and not before.bare else None
                item = _Item(before.start, item.end, Any(*(parts or (before.value,)), item.value), False)
                alternative = False
            items.append(item)
        return items

    def _clause(self, at: int) -> tuple[_Item, int]:
        """The part that begins with a token, and the number of the token after it."""
        token = self._tokens[at]
        if token.kind == "sign":
            if self._tokens[at + 1].kind == "text":
                return _Item(token.start, token.end, Words(""), True), at + 1
            operand, after = self._clause(at + 1)
            return _Item(
                token.start, operand.end, _signed(self._text[token.start], operand.value), False
            ), after
        if token.kind == "open":
            after = self._closes[at]
            inside = self._items(at + 1, after)
            end, bare = self._tokens[after].end, all(item.bare for item in inside)
            item = _Item(token.start, end, self._joined(inside), bare)
        elif token.kind == "value" and isinstance(token.value, Query):
            item, after = _Item(token.start, token.end, token.value, False), at
        else:
            words = Words(_unescaped(self._text[token.start : token.end]))
            item, after = _Item(token.start, token.end, words, True), at
        return self._boosted(item, after + 1)

    def _boosted(self, item: _Item, at: int) -> tuple[_Item, int]:
        following = self._tokens[at] if at < len(self._tokens) else None
        if following is None or following.kind != "boost" or not isinstance(following.value, float):
            return item, at
        return _Item(item.start, following.end, Boost(item.value, following.value), False), at + 1

    def _joined(self, items: Sequence[_Item]) -> Query:
        """One query of some parts, of which mere text that stands side by side is one."""
        parts: list[Query] = []
        first: _Item | None = None
        last: _Item | None = None
        for item in [*items, None]:
            if item is not None and item.bare:
                first, last = first or item, item
                continue
            if first is not None and last is not None:
                parts.append(Words(_unescaped(self._text[first.start : last.end])))
                first = None
            if item is not None:
                parts.append(item.value)
        return parts[0] if len(parts) == 1 else All(*parts) if parts else Words("")


def _signed(sign: str, query: Query) -> Query:
    return Required(query) if sign == "+" else Not(query) if sign == "-" else Title(query)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub("", text)
