"""The engine with one part broken on purpose: a harness that then finds nothing proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Literal, TypeAlias, get_args

from hybrid import Index
from hybrid.ledger.changes import Counter
from hybrid.store.projection import Projection

Part: TypeAlias = Literal["replay", "commit", "count"]
_PARTS: Final[tuple[Part, ...]] = get_args(Part)


def part(name: str) -> Part | None:
    """The part of this name; None for no name."""
    return next(part for part in _PARTS if part == name) if name else None


def sabotage(part: Part | None) -> None:
    """Break ``part`` in this process: "replay", so that a leg keeps what a crash left in it; "commit", so
    that batches are acknowledged before they are written; "count", so that readers are not told of
    changes."""
    if part == "replay":
        Projection.catch_up = lambda self: None  # type: ignore[method-assign]
    elif part == "commit":
        _acknowledge_first()
    elif part == "count":
        Counter.changing = _uncounted  # type: ignore[method-assign, assignment]


@contextmanager
def _uncounted(_: Counter) -> Iterator[None]:
    yield


def _acknowledge_first() -> None:
    behind = ThreadPoolExecutor(1)
    add, delete = Index.add, Index.delete

    def added(self: Index, *given: object, **options: object) -> int:
        behind.submit(add, self, *given, **options)  # type: ignore[arg-type]
        return 0

    def deleted(self: Index, *given: object, **options: object) -> int:
        behind.submit(delete, self, *given, **options)  # type: ignore[arg-type]
        return 0

    Index.add, Index.delete = added, deleted  # type: ignore[method-assign]
