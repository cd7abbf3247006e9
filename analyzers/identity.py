"""The id of an analyzer: its name, version and options in one short string."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from hybrid.analyzers.stopwords import DEFAULT, StopWords

_VERSION: Final = 2
"""Increase it whenever terms change. An index of the previous version is analysed again from its ledger."""


def identity(name: str, user_words: tuple[str, ...] = (), stop_words: StopWords = DEFAULT) -> str:
    """Return the name, the version and, for options other than the default, a short hash of them."""
    return _identity(name, _VERSION, user_words, stop_words)


def former_identity(
    name: str, user_words: tuple[str, ...] = (), stop_words: StopWords = DEFAULT
) -> str | None:
    """Return the ``identity`` that the previous version gave; None if it had no such analyzer."""
    return _identity(name, _VERSION - 1, user_words) if stop_words == DEFAULT else None


def _identity(name: str, version: int, user_words: tuple[str, ...], stop_words: StopWords = DEFAULT) -> str:
    lines = user_words if stop_words == DEFAULT else (*user_words, "\n", *(stop_words or ()))
    if not lines:
        return f"{name}-{version}"
    return f"{name}-{version}+{sha256(chr(10).join(lines).encode('utf-8', 'replace')).hexdigest()[:8]}"
