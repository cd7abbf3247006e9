"""The words of the newest state of an index, kept from one question to the next.

They are read from the keyword index, so nothing is stored, and nothing can be left over after a crash, a
deletion or a compaction. Of a state with many words reading and sorting takes up to a second: the words of
the state before serve until another thread has done it. What is chosen among them is held against the
documents of the state that was asked.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import Final, Protocol

from hybrid import threads
from hybrid.suggest.lookups import Lookups
from hybrid.suggest.vocabulary import Vocabulary

SMALL: Final = 10_000
"""Words that are read at once: takes some hundredths of a second."""

_REST: Final = 10  # times as long as reading took, at least, between two readings


class Words(Protocol):
    """A state of a keyword index."""

    def written(self) -> dict[str, int]:
        """Every word as it is written, with about how many documents hold it."""
        ...


class KeptLookups:
    """Hands out lookups; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._lookups: Lookups | None = None
        self._state: weakref.ref[Words] | None = None
        self._due = 0.0  # on the monotonic clock, in seconds

    def of(self, words: Words) -> Lookups:
        """The lookups of a state, or of one before it."""
        with self._lock:
            known = self._lookups
            if known is None or (len(known.vocabulary) <= SMALL and not self._is_of(words)):
                return self._read(words)
            if not self._is_of(words) and time.monotonic() > self._due and self._reading.acquire(False):
                reader = threading.Thread(target=self._follow, args=(words,), name="hybrid-words")
                reader.daemon = True
                if not threads.start(reader):
                    self._reading.release()
            return known

    def _is_of(self, words: Words) -> bool:
        return self._state is not None and self._state() is words

    def _follow(self, words: Words) -> None:
        try:
            self._read(words)
        finally:
            self._reading.release()

    def _read(self, words: Words) -> Lookups:
        begun = time.monotonic()
        with threads.inside:
            counts = words.written()
        made = Lookups(Vocabulary(counts))
        if self._lookups is not None:
            made.prepare(self._lookups)
        self._lookups, self._state = made, weakref.ref(words)
        self._due = time.monotonic() + _REST * (time.monotonic() - begun)
        return made
