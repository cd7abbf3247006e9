"""AsyncIndex: an Index for asyncio. Each method is the one of `Index`, awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial, wraps
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, Final, Generic, ParamSpec, Protocol, Self, TypeVar

from hybrid.errors import IndexClosed
from hybrid.index import Index
from hybrid.search.searcher import Searcher
from hybrid.settings import Profiles

_Inner = TypeVar("_Inner")
_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Closing(Protocol):
    def close(self) -> None: ...


class _Keeping(Protocol):
    @property
    def profiles(self) -> Profiles: ...

    @property
    def synonyms(self) -> list[str]: ...

    @property
    def user_words(self) -> list[str]: ...


_Closed = TypeVar("_Closed", bound=_Closing)
_Kept = TypeVar("_Kept", bound=_Keeping)

_AT_ONCE: Final = 100
"""Items of an iterator that are fetched together."""


class Asked(Generic[_Inner]):
    """Does what is asked of ``inner`` in the threads of ``reads``."""

    def __init__(self, inner: _Inner, reads: ThreadPoolExecutor) -> None:
        self._inner: _Inner = inner
        self._reads = reads

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], _R]) -> _R:
        try:
            done = pool.submit(work)
        except RuntimeError as cause:
            if "shutdown" not in str(cause):  # but that no thread can be started
                raise
            raise IndexClosed(f"{self!r} is closed; open it again") from cause
        return await asyncio.wrap_future(done)


def reading(
    method: Callable[Concatenate[_Inner, _P], _R],
) -> Callable[Concatenate[Asked[_Inner], _P], Coroutine[Any, Any, _R]]:
    """``method``, awaited, beside others."""

    @wraps(method)
    async def awaited(self: Asked[_Inner], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await self._in(self._reads, partial(method, self._inner, *args, **kwargs))

    return awaited


def _writing(
    method: Callable[Concatenate[Index, _P], _R],
) -> Callable[Concatenate[AsyncIndex, _P], Coroutine[Any, Any, _R]]:
    """``method``, awaited, after those that were called before it."""

    @wraps(method)
    async def awaited(self: AsyncIndex, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await self._in(self._writes, partial(method, self._inner, *args, **kwargs))

    return awaited


def _iterating(
    method: Callable[Concatenate[_Inner, _P], Iterator[_R]],
) -> Callable[Concatenate[Asked[_Inner], _P], AsyncGenerator[_R, None]]:
    """``method``, whose items are fetched a hundred at a time."""

    @wraps(method)
    async def iterated(
        self: Asked[_Inner], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> AsyncGenerator[_R, None]:
        async with _apart(lambda: _ended(method(self._inner, *args, **kwargs))) as (pool, items):
            while part := await self._in(pool, lambda: list(islice(items, _AT_ONCE))):
                for item in part:
                    yield item

    return iterated


@contextmanager
def _ended(items: Iterator[_R]) -> Iterator[Iterator[_R]]:
    """Close a generator at the end, and with it the snapshot that it reads."""
    try:
        yield items
    finally:
        getattr(items, "close", lambda: None)()


@asynccontextmanager
async def _apart(
    make: Callable[[], AbstractContextManager[_R]],
) -> AsyncIterator[tuple[ThreadPoolExecutor, _R]]:
    """Enter what ``make`` makes in a thread of its own, and leave it there: a snapshot is held and let go
    of by one thread."""
    pool, stack = ThreadPoolExecutor(1, "hybrid-apart"), ExitStack()
    try:
        yield pool, await asyncio.wrap_future(pool.submit(lambda: stack.enter_context(make())))
    finally:
        left = pool.submit(stack.close)  # also where the wait for the entering was cancelled
        pool.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(left))


def _opening(
    make: Callable[_P, Index],
) -> Callable[Concatenate[type[AsyncIndex], _P], Coroutine[Any, Any, AsyncIndex]]:
    """``make``, a class method of ``Index``, awaited."""

    @wraps(getattr(make, "__func__", make))
    async def made(cls: type[AsyncIndex], /, *args: _P.args, **kwargs: _P.kwargs) -> AsyncIndex:
        return cls(await opened(partial(make, *args, **kwargs)))

    return made


async def opened(make: Callable[[], _Closed]) -> _Closed:
    """What ``make`` makes, in a thread of its own. If nobody waits for it any more, it is closed."""
    pool = ThreadPoolExecutor(1, "hybrid-open")
    opening = pool.submit(make)
    pool.shutdown(wait=False)
    try:
        return await asyncio.wrap_future(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: Future[_Closed]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class Whole(Asked[_Kept]):
    """What is asked of all of an index."""

    @property
    def profiles(self) -> Coroutine[Any, Any, Profiles]:
        """The profiles that the index has served with, and the one that serves now; to be awaited."""
        return self._in(self._reads, lambda: self._inner.profiles)

    @property
    def synonyms(self) -> Coroutine[Any, Any, list[str]]:
        """The rules that ``Index.set_synonyms`` was given last; to be awaited."""
        return self._in(self._reads, lambda: self._inner.synonyms)

    @property
    def user_words(self) -> Coroutine[Any, Any, list[str]]:
        """The lines that ``Index.set_user_words`` was given last; to be awaited."""
        return self._in(self._reads, lambda: self._inner.user_words)


class AsyncIndex(Whole[Index]):
    """An `Index` for asyncio: ``async with await hybrid.AsyncIndex.open("shop") as index: …``. Its methods
    have the names, arguments, results and errors of those of ``Index``, and are awaited.

    What reads runs in as many threads as there are cores, what writes in one, in the order of the calls.
    Cancelling ends the wait alone: a commit that has begun goes on and is whole; a call that still waits
    for its turn is not made. ``documents``, ``impressions`` and ``past_queries`` are iterated by ``async
    for``, ``searcher`` is entered by ``async with``, ``profiles``, ``synonyms`` and ``user_words`` are
    awaited, and ``count()`` stands for ``len``. Functions that are passed (``progress``, ``count``, a
    reranker) are called in those threads.
    """

    def __init__(self, index: Index) -> None:
        """Takes ``index`` over: it is closed with this."""
        super().__init__(index, ThreadPoolExecutor(os.cpu_count(), "hybrid-read"))
        self._writes = ThreadPoolExecutor(1, "hybrid-write")
        self._closing: Future[None] | None = None

    create = classmethod(_opening(Index.create))
    open = classmethod(_opening(Index.open))

    async def close(self) -> None:
        """Wait for the calls that are under way, then close the index; later calls raise IndexClosed.
        Again is harmless."""
        await self._end(self._inner.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(partial(self._inner.__exit__, kind, error, trace))

    async def _end(self, close: Callable[[], None]) -> None:
        if self._closing is None:
            self._reads.shutdown(wait=False)
            self._closing = self._writes.submit(self._close, close)
            self._writes.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closing))

    def _close(self, close: Callable[[], None]) -> None:
        self._reads.shutdown()
        close()

    def __repr__(self) -> str:
        return repr(self._inner).replace("Index", "AsyncIndex", 1)

    # -- documents

    add = _writing(Index.add)
    load = _writing(Index.load)
    delete = _writing(Index.delete)
    update_metadata = _writing(Index.update_metadata)
    get = reading(Index.get)
    absent = reading(Index.absent)
    documents = _iterating(Index.documents)

    # -- counting and searching

    count = reading(Index.count)
    facets = reading(Index.facets)
    values = reading(Index.values)
    range = reading(Index.range)
    search = reading(Index.search)
    next_page = reading(Index.next_page)
    context = reading(Index.context)
    explain = reading(Index.explain)
    search_many = reading(Index.search_many)
    run = reading(Index.run)
    suggest = reading(Index.suggest)
    autocomplete = reading(Index.autocomplete)

    @asynccontextmanager
    async def searcher(self) -> AsyncIterator[AsyncSearcher]:
        """The index as it is now, to be asked any number of times while it may change, one call after the
        other: ``async with index.searcher() as searcher: …``."""
        async with _apart(self._inner.searcher) as (pool, searcher):
            yield AsyncSearcher(searcher, pool)

    # -- ranking

    install = _writing(Index.install)
    use = _writing(Index.use)
    keep_model = _writing(Index.keep_model)
    keep_calibration = _writing(Index.keep_calibration)
    keep_adapter = _writing(Index.keep_adapter)
    set_synonyms = _writing(Index.set_synonyms)
    set_user_words = _writing(Index.set_user_words)
    feedback = _writing(Index.feedback)
    log = _writing(Index.log)
    impressions = _iterating(Index.impressions)
    learn = _writing(Index.learn)
    keep_past_queries = _writing(Index.keep_past_queries)
    forget = _writing(Index.forget)
    past_queries = _iterating(Index.past_queries)

    # -- care

    flush = _writing(Index.flush)
    finish_graph = reading(Index.finish_graph)
    compact = _writing(Index.compact)
    backup = reading(Index.backup)
    verify = reading(Index.verify)
    repair = _writing(Index.repair)
    stats = reading(Index.stats)
    reindex = _writing(Index.reindex)


class AsyncSearcher(Asked[Searcher]):
    """One state of an index, made by ``AsyncIndex.searcher``. Its methods are those of `Searcher` that an
    index has, too."""

    get = reading(Searcher.get)
    absent = reading(Searcher.absent)
    documents = _iterating(Searcher.documents)
    count = reading(Searcher.count)
    facets = reading(Searcher.facets)
    values = reading(Searcher.values)
    range = reading(Searcher.range)
    search = reading(Searcher.search)
    next_page = reading(Searcher.next_page)
    context = reading(Searcher.context)
    explain = reading(Searcher.explain)
    search_many = reading(Searcher.search_many)
    run = reading(Searcher.run)
    suggest = reading(Searcher.suggest)
    autocomplete = reading(Searcher.autocomplete)

    @property
    def profiles(self) -> Coroutine[Any, Any, Profiles]:
        """The profiles that the index has served with, and the one that serves now; to be awaited."""
        return self._in(self._reads, lambda: self._inner.profiles)
