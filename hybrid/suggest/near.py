"""A word that may have been meant by another."""

from __future__ import annotations

from typing import NamedTuple


class Near(NamedTuple):
    """A word, how many edits or other characters it is away, and about how many documents hold it."""

    word: str
    edits: int
    documents: int
