"""What judges and learns is given one state of an index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from hybrid import Index
from hybrid.search.searcher import Searcher

_Options = ParamSpec("_Options")
_Answer = TypeVar("_Answer")


def of_now(
    index: Index,
    work: Callable[Concatenate[Searcher, _Options], _Answer],
    *arguments: _Options.args,
    **options: _Options.kwargs,
) -> _Answer:
    """What ``work`` makes of ``index`` as it is now."""
    with index.searcher() as searcher:
        return work(searcher, *arguments, **options)
