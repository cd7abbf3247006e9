"""Count the judged documents that an index lacks: they are misses whatever it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Protocol

from hybrid.errors import InputError
from hybrid.evaluate.native import plain
from hybrid.limits import shown
from hybrid.types import Qrels


class Holding(Protocol):
    """A holder of documents: an Index, a MemoryIndex."""

    def absent(self, ids: Iterable[str], /) -> set[str]:
        """The ``ids`` that no document has."""
        ...


@dataclass(frozen=True)
class Coverage:
    """Counts of the documents that are ``judged`` and of those that are ``relevant`` to a query, and of
    those that the index lacks (``absent``, ``absent_relevant``). ``example``: the id of one, None if it
    holds all."""

    judged: int
    relevant: int
    absent: int
    absent_relevant: int
    example: str | None

    @property
    def share(self) -> float:
        """The share of the judged documents that the index lacks."""
        return self.absent / self.judged

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    def __str__(self) -> str:
        """The missing documents in words; empty if there are none."""
        if not self.absent:
            return ""
        return (
            f"{self.absent:,} of {self.judged:,} judged documents ({self.share:.1%}) are not in the index, "
            f"{self.absent_relevant:,} of {self.relevant:,} relevant ones: {shown(self.example)}"
        )


def coverage(index: Holding, qrels: Qrels) -> Coverage:
    """Count the documents that ``qrels`` judge and ``index`` lacks. InputError if it lacks them all, which
    would make every figure 0, if no document is judged, and for an invalid grade."""
    counted = plain(qrels)
    judged = {id for grades in counted.values() for id in grades}
    relevant = {id for grades in counted.values() for id, grade in grades.items() if grade > 0}
    if not judged:
        raise InputError("the judgments (qrels) judge no document")
    absent = index.absent(judged)
    example = min(absent, default=None)
    if len(absent) == len(judged):
        raise InputError(
            f"none of the {len(judged):,} judged documents is in the index, such as {shown(example)}: are "
            "the ids of judgments and documents the same?"
        )
    return Coverage(len(judged), len(relevant), len(absent), len(absent & relevant), example)
