"""Pool: an index that is read in several processes. Each method is the one of `Index`."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import update_wrapper, wraps
from types import TracebackType
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar, Unpack, cast

from numpy.typing import ArrayLike

from hybrid import threads
from hybrid.encoders import EncoderSpec
from hybrid.errors import IndexClosed, QueryError
from hybrid.index import Index
from hybrid.limits import MAX_CURSORS, MAX_PROCESSES, shown
from hybrid.numbers import check_whole
from hybrid.pool import found, wire
from hybrid.pool.found import Asked
from hybrid.pool.process import Worker
from hybrid.query import Query
from hybrid.search.request import Options
from hybrid.settings import Profiles
from hybrid.types import Analyzer, Results

PATIENCE: Final = 5.0
"""Seconds that ``close`` waits for calls under way."""

_LOOK: Final = 0.05  # seconds between two looks at what is overdue

_P = ParamSpec("_P")
_R = TypeVar("_R")
_F = TypeVar("_F", bound=Callable[..., Any])


def _asking(method: Callable[Concatenate[Index, _P], _R]) -> Callable[Concatenate[Pool, _P], _R]:
    """``method``, called in a worker."""

    @wraps(method)
    def asked(self: Pool, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return self.call(method, *args, **kwargs)

    return asked


def _as(method: Callable[..., Any]) -> Callable[[_F], _F]:
    """Has a method the name, signature and text of ``method``; its type stays its own."""

    def named(own: _F) -> _F:
        return cast(_F, update_wrapper(own, method))

    return named


class Pool:
    """The index at ``path``, read in ``processes`` (default: one for each core) at once:
    ``with hybrid.Pool("shop") as pool: pool.search("mug")``. Its methods have the names, arguments, results
    and errors of those of ``Index`` that read; threads may share it, and each call is answered from one
    snapshot, the newest. Whoever writes is an ``Index``, in this process or another.

    Each process opens the index and loads its encoder, which takes memory; what they map is shared.
    Arguments and answers are pickled: of a custom ``encoder``, ``analyzer``, fusion or reranker the class
    must be in a module. ``timeout``: the seconds that a worker may take for a call, else WorkerTimeout.
    A worker that dies is started again and asked once more; if that dies, too, the call raises WorkerDied.

    A result's ``suggestion`` and highlights are asked for when they are wanted, of the index as it is then.
    A cursor is kept by the worker that made it. ``call`` runs a function of your own beside the index.
    Raises what ``Index.open`` raises.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        processes: int | None = None,
        timeout: float | None = None,
        encoder: EncoderSpec | None = None,
        analyzer: Analyzer | None = None,
    ) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        number = check_whole("processes", cores if processes is None else processes, 1, MAX_PROCESSES)
        if timeout is not None and not timeout > 0:
            raise QueryError(f"timeout is {shown(timeout)}; it must be a number of seconds above 0")
        self._path, self._pid = os.path.abspath(path), os.getpid()
        opening = wire.packed((self._path, encoder, analyzer), "encoder or analyzer")
        self._workers = [
            Worker(self._path, opening, max(1, cores // number), timeout) for _ in range(number)
        ]
        self._free = list(self._workers)  # the last one first: it has cached the most
        self._freed = threading.Condition()
        self._particular = 0  # callers that wait for one worker
        self._cursors: OrderedDict[str, tuple[Worker, Asked]] = OrderedDict()
        self._closed = threading.Event()
        threads.enlist(self)
        threads.start(threading.Thread(target=self._look, name="hybrid-pool", daemon=True))
        try:
            for worker in self._workers:
                worker.start()
            for worker in self._workers:
                worker.ask(wire.packed((_nothing, (), {}), ""))
        except BaseException:
            self.leave()
            raise

    @property
    def processes(self) -> int:
        """How many there are."""
        return len(self._workers)

    # -- calling

    def call(
        self, function: Callable[Concatenate[Index, _P], _R], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> _R:
        """``function(index, *args, **kwargs)`` in a worker, where ``index`` is open for reading: what takes
        several methods, or all of a result, goes through the pipe once. The function must be one that a
        module defines."""
        answer: _R = self._call(function, args, kwargs, None)[0]
        return answer

    def _call(self, function: Callable[..., Any], args: Any, kwargs: Any, by: Worker | None) -> Any:
        """The answer, and who gave it: ``by`` or any worker."""
        what = getattr(function, "__name__", shown(function))
        question = wire.packed((function, args, kwargs), f"{what}: an argument")
        with self._leased(by) as worker:
            frame = worker.ask(question)
        return wire.answer(frame, f"{what}: the answer"), worker

    @contextmanager
    def _leased(self, by: Worker | None) -> Iterator[Worker]:
        """``by``, or any worker, for this thread alone."""
        self._check_open()
        with self._freed:
            self._particular += by is not None
            while not self._free or not (by is None or by in self._free):
                self._freed.wait()
            self._particular -= by is not None
            worker = self._free.pop(-1 if by is None else self._free.index(by))
        try:
            self._check_open()
            yield worker
        finally:
            with self._freed:
                self._free.append(worker)
                if self._particular:
                    self._freed.notify_all()
                else:
                    self._freed.notify()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise IndexClosed(f"{self._path}: this pool is closed; make a new one")
        if os.getpid() != self._pid:
            raise IndexClosed(
                f"{self._path}: opened in another process, before a fork; open it in this one"
            )

    # -- searching

    @_as(Index.search)
    def search(
        self,
        query: str | Query | None = None,
        *,
        vector: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> Results:
        results, worker = self._call(Index.search, (query,), {"vector": vector, **options}, None)
        return self._completed(results, Asked(query, vector, options), worker)

    @_as(Index.search_many)
    def search_many(
        self,
        queries: Sequence[str | Query] | None = None,
        *,
        vectors: ArrayLike | None = None,
        **options: Unpack[Options],
    ) -> list[Results]:
        every: list[Results] = self.call(Index.search_many, queries, vectors=vectors, **options)
        texts: Sequence[Any] = [None] * len(every) if queries is None else list(queries)
        ready: Any = [None] * len(every) if vectors is None else vectors
        return [
            Asked(text, vector, options).completed(one, self.call)
            for one, text, vector in zip(every, texts, ready, strict=True)
        ]

    @_as(Index.next_page)
    def next_page(self, cursor: str) -> Results:
        with self._freed:
            name = cursor.rpartition(".")[0] if isinstance(cursor, str) else ""
            worker, asked = self._cursors.get(name, (None, Asked(None, None, {})))
        results, worker = self._call(Index.next_page, (cursor,), {}, worker)
        return self._completed(results, asked, worker)

    def _completed(self, results: Results, asked: Asked, worker: Worker) -> Results:
        if results.cursor is not None:
            with self._freed:
                name = results.cursor.rpartition(".")[0]
                self._cursors[name] = worker, asked
                self._cursors.move_to_end(name)
                while len(self._cursors) > MAX_CURSORS * len(self._workers):
                    self._cursors.popitem(last=False)
        return asked.completed(results, self.call)

    context = _asking(Index.context)
    explain = _asking(Index.explain)
    run = _asking(Index.run)
    suggest = _asking(Index.suggest)
    autocomplete = _asking(Index.autocomplete)

    # -- documents and counting

    get = _asking(Index.get)
    absent = _asking(Index.absent)
    count = _asking(Index.count)
    facets = _asking(Index.facets)
    values = _asking(Index.values)
    range = _asking(Index.range)

    def __len__(self) -> int:
        return self.call(Index.__len__)

    # -- the index

    stats = _asking(Index.stats)
    verify = _asking(Index.verify)

    @property
    def profiles(self) -> Profiles:
        """The profiles that the index has served with, and the one that serves now."""
        return self.call(found.profiles)

    @property
    def synonyms(self) -> list[str]:
        """The rules that ``Index.set_synonyms`` was given last."""
        return self.call(found.synonyms)

    @property
    def user_words(self) -> list[str]:
        """The lines that ``Index.set_user_words`` was given last."""
        return self.call(found.user_words)

    # -- leaving

    def close(self) -> None:
        """End the processes; calls under way have five seconds, then they raise IndexClosed, as all later
        ones do. Again is harmless."""
        self._closed.set()
        if os.getpid() == self._pid:
            with self._freed:
                self._freed.wait_for(lambda: len(self._free) == len(self._workers), PATIENCE)
            self.leave()

    def leave(self) -> None:
        """End the processes now."""
        self._closed.set()
        if os.getpid() != self._pid:  # they are not this process's
            return
        for worker in self._workers:
            worker.shut()
        with self._freed:
            free = list(self._free)
            self._freed.notify_all()  # whoever waits for a worker learns that it is closed
        for worker in free:
            worker.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hybrid.Pool {self._path!r}{' closed' if self._closed.is_set() else ''}>"

    def _look(self) -> None:
        """In the background: end what is overdue."""
        while not self._closed.wait(_LOOK):
            for worker in self._workers:
                worker.look(time.monotonic())


def _nothing(_: Index) -> None:
    """What a worker is asked when it starts."""
