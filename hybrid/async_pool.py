"""AsyncPool: a Pool for asyncio. Each method is the one of `Pool`, awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from hybrid.async_index import Whole, opened, reading
from hybrid.encoders import EncoderSpec
from hybrid.index import Index
from hybrid.pool import Pool
from hybrid.types import Analyzer

_P = ParamSpec("_P")
_R = TypeVar("_R")


class AsyncPool(Whole[Pool]):
    """A `Pool` for asyncio: ``async with await hybrid.AsyncPool.open("shop", processes=4) as pool: …``. Its
    methods have the names, arguments, results and errors of those of ``Pool``, and are awaited.

    One thread for each process waits for its answers; calls beyond that wait without a thread, in their
    order, and one that is cancelled before its turn is not made. A result's ``suggestion`` and highlights
    are asked for when they are wanted, which blocks the event loop: have ``call`` work them out instead.
    ``profiles``, ``synonyms`` and ``user_words`` are awaited, and ``count()`` stands for ``len``.
    """

    def __init__(self, pool: Pool) -> None:
        """Takes ``pool`` over: it is closed with this."""
        super().__init__(pool, ThreadPoolExecutor(pool.processes, "hybrid-pool"))

    @classmethod
    async def open(
        cls,
        path: str | os.PathLike[str],
        *,
        processes: int | None = None,
        timeout: float | None = None,
        encoder: EncoderSpec | None = None,
        analyzer: Analyzer | None = None,
    ) -> Self:
        """As ``Pool``."""
        options: dict[str, Any] = {"processes": processes, "timeout": timeout, "encoder": encoder}
        return cls(await opened(partial(Pool, path, analyzer=analyzer, **options)))

    async def close(self) -> None:
        """As ``Pool.close``."""
        self._reads.shutdown(wait=False)
        await asyncio.shield(asyncio.to_thread(self._inner.close))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return repr(self._inner).replace("Pool", "AsyncPool", 1)

    @property
    def processes(self) -> int:
        """How many processes there are."""
        return self._inner.processes

    async def call(
        self, function: Callable[Concatenate[Index, _P], _R], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """As ``Pool.call``."""
        return await self._in(self._reads, partial(self._inner.call, function, *args, **kwargs))

    search = reading(Pool.search)
    search_many = reading(Pool.search_many)
    next_page = reading(Pool.next_page)
    context = reading(Pool.context)
    explain = reading(Pool.explain)
    run = reading(Pool.run)
    suggest = reading(Pool.suggest)
    autocomplete = reading(Pool.autocomplete)
    get = reading(Pool.get)
    absent = reading(Pool.absent)
    count = reading(Pool.count)
    facets = reading(Pool.facets)
    values = reading(Pool.values)
    range = reading(Pool.range)
    stats = reading(Pool.stats)
    verify = reading(Pool.verify)
