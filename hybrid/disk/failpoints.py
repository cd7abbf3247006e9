"""Named places on the path of a commit where a test can make the process die, fail or wait.

Nothing is armed in normal use, and ``reach`` then costs a look into an empty dictionary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, get_args

FailPoint: TypeAlias = Literal[
    "ledger.vectors",  # vectors are written and synced
    "ledger.inside",  # inside the SQLite transaction
    "ledger.committed",  # after its COMMIT: the batch is durable
    "lexical.added",  # terms are handed to tantivy
    "lexical.committed",  # tantivy has committed
    "lexical.listed",  # and the manifest says so
    "graph.written",  # a checkpoint of the graph lies beside the last one
    "graph.renamed",  # it has its name, and the manifest still names the last one
    "graph.listed",  # the manifest names it
    "rebuild.batch",  # a compaction or re-index has written some documents
    "rebuild.filled",  # all of them; the old generation still counts
    "rebuild.switched",  # the new one counts; the old one is still there
    "backup.legs",  # a copy has the legs, not yet the ledger
]

POINTS: Final[tuple[FailPoint, ...]] = get_args(FailPoint)

_armed: dict[FailPoint, Callable[[], object]] = {}


def reach(point: FailPoint) -> None:
    """Do what is armed at ``point``."""
    if action := _armed.get(point):
        action()


def arm(point: FailPoint, action: Callable[[], object]) -> None:
    """Have ``action`` called whenever ``point`` is reached in this process."""
    _armed[point] = action


def disarm() -> None:
    _armed.clear()
