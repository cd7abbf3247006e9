"""Analyzers: turn text in English, Chinese or a mix into terms for the keyword leg.

An analyzer is a value: frozen, comparable, hashable, picklable. Analyzers with equal ``id``s give equal
terms.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hybrid import plugins
from hybrid.analyzers.chinese import Chinese
from hybrid.analyzers.dictionary import as_user_words, read_user_dictionary
from hybrid.analyzers.english import English
from hybrid.analyzers.mixed import Mixed
from hybrid.analyzers.stopwords import DEFAULT, StopWords, read_stop_words
from hybrid.errors import PluginError, SettingsError
from hybrid.limits import shown
from hybrid.types import Analyzer

__all__ = [
    "Chinese",
    "English",
    "Mixed",
    "by_name",
    "former_id",
    "load",
    "options",
    "read_stop_words",
    "read_user_dictionary",
]

_WITH_DICTIONARY: dict[str, type[Chinese]] = {"chinese": Chinese, "mixed": Mixed}


def load(spec: str | Analyzer) -> Analyzer:
    """Return the analyzer that ``spec`` names or is. Raises SettingsError for anything else."""
    if isinstance(spec, str):
        return by_name(spec)
    if not isinstance(getattr(spec, "id", None), str) or not callable(getattr(spec, "terms", None)):
        raise SettingsError(
            f"{shown(spec)} is not an analyzer; choose english, chinese or mixed, or give an Analyzer"
        )
    return spec


def by_name(name: str, user_words: Iterable[str] = (), stop_words: StopWords = DEFAULT) -> Analyzer:
    """Make the analyzer called "english", "chinese" or "mixed". Raises SettingsError for any other name,
    for an invalid user word or stop word, and for user words with "english", which takes none."""
    words = as_user_words(user_words)
    if not isinstance(name, str) or name not in ("english", *_WITH_DICTIONARY):
        return _of_package(name, words, stop_words)
    if name in _WITH_DICTIONARY:
        return _WITH_DICTIONARY[name](words, stop_words)
    if words:
        raise SettingsError("analyzer 'english' takes no user dictionary; use 'mixed' or 'chinese'")
    return English(stop_words)


def _of_package(name: object, user_words: tuple[str, ...], stop_words: StopWords) -> Analyzer:
    """An analyzer of another package."""
    if (plugin := plugins.find("analyzers", name)) is None:
        known = ", ".join(plugins.names("analyzers"))
        more = f", or one of an installed package: {known}" if known else ""
        raise SettingsError(f"unknown analyzer {shown(name)}; choose english, chinese or mixed{more}")
    if user_words or stop_words != DEFAULT:
        raise SettingsError(f"analyzer {plugin.name!r} takes neither user words nor stop words")
    made = load(plugins.made(plugin))
    if made.id.partition("-")[0] != plugin.name:
        raise PluginError(f"{plugin} has the id {shown(made.id)}; it must be its name, '-' and a version")
    return made


def options(analyzer: Analyzer) -> dict[str, Any]:
    """Return the arguments, beside the name, from which `by_name` makes this analyzer again; empty for an
    analyzer from outside this package."""
    if not isinstance(analyzer, (Chinese, English)):
        return {}
    user_words = analyzer.user_words if isinstance(analyzer, Chinese) else ()
    return {"user_words": user_words, "stop_words": analyzer.stop_words or ()}


def former_id(analyzer: Analyzer) -> str | None:
    """The id that this analyzer had in the previous version of this package; None if it did not exist."""
    return analyzer.former_id if isinstance(analyzer, (Chinese, English)) else None
