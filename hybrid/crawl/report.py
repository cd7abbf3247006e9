"""What a crawl did, and what it could not do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hybrid.corpora import Assumed


@dataclass
class Report:
    """``indexed`` and ``removed`` count documents, ``unchanged`` files. ``failed``: why a file or a part of
    one was not read, or a folder not listed. ``gone``: how many documents of files that are gone stay,
    ``kept``: why, where they were to go.
    ``duplicates``: a new document, and another that has the same text; ``near_duplicates``: nearly the
    same, see `hybrid.crawl.likeness`. ``others``: how many files of other
    kinds were passed over, by the ends of their names. ``links`` were not followed."""

    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[str] = field(default_factory=list)
    gone: int = 0
    kept: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    near_duplicates: list[tuple[str, str]] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    links: int = 0
    assumed: list[Assumed] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all was done that was asked for."""
        return not self.failed and not self.kept

    @property
    def changed(self) -> bool:
        return bool(self.indexed or self.removed)

    def to_json(self) -> dict[str, Any]:
        return {
            "unchanged": self.unchanged,
            "removed": self.removed,
            "failed": self.failed,
            "gone": self.gone,
            "kept": self.kept,
            "duplicates": [list(pair) for pair in self.duplicates],
            "near_duplicates": [list(pair) for pair in self.near_duplicates],
            "others": dict(self.others.most_common()),
            "links": self.links,
        }
