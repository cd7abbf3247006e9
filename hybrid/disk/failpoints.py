"""Named points on the path of a commit where a test can make the process die, fail or wait.

In normal use no point is armed, and ``reach`` costs a look-up in an empty dictionary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, get_args

FailPoint: TypeAlias = Literal[
    "ledger.vectors",  # vectors are written and synced
    "ledger.inside",  # inside the SQLite transaction
    "ledger.committed",  # after its COMMIT: the batch is durable
    "lexical.added",  # tantivy has the terms
    "lexical.committed",  # tantivy has committed
    "lexical.listed",  # the manifest lists its files
    "graph.written",  # a checkpoint of the graph is written beside the previous one
    "graph.renamed",  # it has its final name; the manifest still names the previous one
    "graph.listed",  # the manifest names it
    "rebuild.batch",  # a compaction or re-index has written some documents
    "rebuild.filled",  # it has written all of them; the old generation is still current
    "rebuild.switched",  # the new generation is current; the old one still exists
    "backup.legs",  # a copy has the legs, but not yet the ledger
]

POINTS: Final[tuple[FailPoint, ...]] = get_args(FailPoint)

_armed: dict[FailPoint, Callable[[], object]] = {}


def reach(point: FailPoint) -> None:
    """Run the action armed at ``point``, if any."""
    if action := _armed.get(point):
        action()


def arm(point: FailPoint, action: Callable[[], object]) -> None:
    """Call ``action`` whenever this process reaches ``point``."""
    _armed[point] = action


def disarm() -> None:
    _armed.clear()
