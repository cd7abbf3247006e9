"""Synonyms, which the keyword leg looks for beside the words of a query.

    notebook, laptop, 笔记本电脑        each finds the others
    tv => television, 电视             the left one finds the right ones, not the other way round
    # a comment

A line is a rule; an entry is a word or a phrase. The words of a query are recognised in all their forms,
the longest entry first. They stay themselves; the entries that they find count ``WEIGHT`` together with all
their words, and a phrase shares it among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from os import PathLike
from typing import Final, TypeAlias

from hybrid.analyzers.lists import read_lines
from hybrid.analyzers.literal import literal
from hybrid.errors import SettingsError
from hybrid.lexical.entries import Entry, recognised
from hybrid.lexical.terms import StopWord, Weighted, of_query
from hybrid.limits import MAX_SYNONYM, MAX_SYNONYM_RULES, MAX_SYNONYMS, shown
from hybrid.texts import clean
from hybrid.types import Analyzer

WEIGHT: Final = 0.5
"""Of a synonym, where the word itself counts 1."""
MOST: Final = 50
"""Synonyms that a query is given."""

Rule: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""Entries, and those that each of them finds."""


def read_synonyms(path: str | PathLike[str]) -> tuple[str, ...]:
    """The rules of a file in UTF-8, one a line, without comments. Raises CorpusError, which names file and
    line."""
    return read_lines(path, "synonym list", rule)


def check_rules(lines: Iterable[str]) -> list[str]:
    """Rules, one each. Raises SettingsError."""
    given = lines.splitlines() if isinstance(lines, str) else list(lines)
    kept = [clean(line).strip() for line in given if isinstance(line, str)]
    if len(kept) < len(given):
        raise SettingsError("a synonym rule is a str: a, b, c or a => b, c")
    kept = [line for line in kept if line and not line.startswith("#")]
    if len(kept) > MAX_SYNONYM_RULES:
        raise SettingsError(f"{len(kept):,} synonym rules; the limit is {MAX_SYNONYM_RULES:,}")
    for line in kept:
        rule(line)
    return kept


def rule(line: str) -> Rule:
    """Read one rule. Raises SettingsError."""
    left, arrow, right = line.partition("=>")
    entries, found = _entries(left), _entries(right) if arrow else ()
    if not entries or (not found if arrow else len(entries) < 2):
        raise SettingsError(f"{shown(line)} is no synonym rule; write a, b, c or a => b, c")
    return entries, found or entries


def _entries(text: str) -> tuple[str, ...]:
    entries = tuple(entry.strip() for entry in text.replace("，", ",").split(",") if entry.strip())
    if len(entries) > MAX_SYNONYMS:
        raise SettingsError(f"a synonym rule of {len(entries)} entries; the limit is {MAX_SYNONYMS}")
    for entry in entries:
        if len(entry) > MAX_SYNONYM or not literal(entry):
            raise SettingsError(
                f"the synonym {shown(entry)} must be a word or a phrase of at most {MAX_SYNONYM} characters"
            )
    return entries


class Synonyms:
    """Some rules, for queries that ``analyzer`` analyses."""

    def __init__(self, rules: Iterable[str], analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._form = lru_cache(1 << 14)(self._form_of)
        self._found: dict[Entry, dict[str, None]] = defaultdict(dict)
        for entries, found in map(rule, rules):
            for entry in entries:
                key = self._key(literal(entry))
                self._found[key] |= dict.fromkeys(other for other in found if other != entry)

    def terms(self, query: str) -> list[Weighted]:
        """The terms of the synonyms of a query's words."""
        made: list[Weighted] = []
        for entry in self._matched(query):
            terms = [term for term in of_query(self._analyzer, entry) if not isinstance(term, StopWord)]
            made += [Weighted(term, WEIGHT / len(terms)) for term in terms]
        return made

    def _matched(self, query: str) -> Iterator[str]:
        tokens = self._key(literal(query)) if self._found else ()
        found = (other for key in recognised(tokens, self._found) for other in self._found[key])
        return islice(dict.fromkeys(found), MOST)

    def _key(self, tokens: Sequence[str]) -> Entry:
        return tuple(map(self._form, tokens))

    def _form_of(self, token: str) -> str:
        """What all forms of a word have in common."""
        return " ".join(self._analyzer.terms(token)) or token
