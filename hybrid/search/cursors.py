"""Cursors: rankings that are kept, to be read page by page while documents come and go.

A cursor keeps the ids of the ranking, not a state of the index: nothing comes twice and nothing is passed
over, whatever is written meanwhile. Documents that were deleted since, or no longer pass the search's
filter, are left out; others are shown as they are now. It is kept in this process alone.
"""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

from hybrid.errors import CursorExpired, QueryError
from hybrid.limits import CURSOR_SECONDS, MAX_CURSOR_BYTES, MAX_CURSOR_HITS, MAX_CURSORS, shown
from hybrid.search.lanes import Lanes
from hybrid.search.request import Request
from hybrid.search.search import Page, Search, results
from hybrid.search.source import Source
from hybrid.types import Results

_LOOK: Final = 100  # ids that are looked up at once, at least
_DIGITS: Final = len(str(MAX_CURSOR_HITS))
_ROW: Final = 64  # bytes that a hit takes beside its id


@dataclass(frozen=True)
class Kept:
    """What a search has ranked: the ``ids`` of its hits, best first, and their ``page``."""

    request: Request
    ids: Sequence[str]
    page: Page

    @cached_property
    def nbytes(self) -> int:
        return sum(map(sys.getsizeof, self.ids)) + _ROW * len(self.ids)


class _Entry(NamedTuple):
    kept: Kept
    expires: float


class Cursors:
    """Those of one index: a bounded number, of which the least recently used go first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def __reduce__(self) -> tuple[type[Cursors], tuple[()]]:
        """A copy of an index keeps no cursors."""
        return Cursors, ()

    def first(self, source: Source, request: Request, lanes: Lanes) -> Results:
        """Search, keep the ranking and return its first page."""
        begun = time.perf_counter()
        search = Search.of(source, replace(request, k=MAX_CURSOR_HITS), lanes)
        # The documents that it is to be like may be deleted before the next page.
        request = replace(search.request, k=request.k, like=(), unlike=())
        kept = Kept(request, source.ids(search.page.ranked.ordinals), search.page)
        name = self._keep(kept) if len(kept.ids) > request.k else ""
        return _page(source, kept, name, 0, lanes, begun)

    def next(self, source: Source, cursor: str, lanes: Lanes) -> Results:
        """The page at ``cursor``. Raises CursorExpired, QueryError."""
        begun = time.perf_counter()
        if not isinstance(cursor, str):
            raise QueryError(f"a cursor is what results.cursor says, a str, not {shown(cursor)}")
        name, _, place = cursor.rpartition(".")
        kept = self._find(name)
        if kept is None or not (place.isascii() and place.isdecimal() and len(place) <= _DIGITS):
            raise CursorExpired(
                "this cursor is not kept, or no longer; search again (a cursor is kept by the process that "
                f"made it, for {CURSOR_SECONDS // 60} minutes after its last use)"
            )
        return _page(source, kept, name, int(place), lanes, begun)

    def _keep(self, kept: Kept) -> str:
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._entries[name] = _Entry(kept, self._clock() + CURSOR_SECONDS)
            self._trim()
        return name

    def _find(self, name: str) -> Kept | None:
        with self._lock:
            self._trim()
            if (entry := self._entries.get(name)) is None:
                return None
            self._entries[name] = entry._replace(expires=self._clock() + CURSOR_SECONDS)
            self._entries.move_to_end(name)
            return entry.kept

    def _trim(self) -> None:
        """Let go of what has expired, and of the least recently used of too many; the newest stays."""
        total, now = sum(entry.kept.nbytes for entry in self._entries.values()), self._clock()
        while self._entries:
            entry = next(iter(self._entries.values()))
            many = len(self._entries) > MAX_CURSORS or total > MAX_CURSOR_BYTES
            if entry.expires > now and not (many and len(self._entries) > 1):
                return
            self._entries.popitem(last=False)
            total -= entry.kept.nbytes


def _page(source: Source, kept: Kept, name: str, at: int, lanes: Lanes, begun: float) -> Results:
    """The page from place ``at`` on."""
    request, dim = kept.request, source.vectors.dim
    if request.vector is not None and len(request.vector) != dim:  # re-indexed with another encoder
        request = replace(request, vector=None)
    search = Search.of(source, request, lanes)
    places, ordinals, end = _there(search, kept, at)
    page = kept.page.of(places, ordinals)
    found = results(source, [search], [page], begun)[0]
    return replace(found, cursor=f"{name}.{end}" if name and end < len(kept.ids) else None)


def _there(search: Search, kept: Kept, at: int) -> tuple[list[int], list[int], int]:
    """The next places whose documents may be shown, their ordinals, and the place after the last."""
    places, ordinals, k = list[int](), list[int](), kept.request.k
    while at < len(kept.ids) and len(places) < k:
        ids = kept.ids[at : at + max(k, _LOOK)]
        found = search.source.found(ids)
        for id in ids:
            if len(places) == k:
                break
            ordinal = found.get(id)
            if ordinal is not None and (search.allowed is None or search.allowed[ordinal]):
                places.append(at)
                ordinals.append(ordinal)
            at += 1
    return places, ordinals, at
