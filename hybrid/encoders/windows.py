"""Cut long texts into windows that fit an encoder, and compose the text to encode for each window.

A document's title is put before each of its windows, so that every vector reflects the subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybrid import sentences
from hybrid.types import Encoder, Passage, Windowed

_SPARE = 2
"""Tokens to spare: where texts are joined or cut, a tokenizer may produce one or two more."""


def cut(text: str, title: str, encoder: Encoder) -> list[Passage]:
    """Cut ``text`` into windows that fit ``encoder`` with the title before each; (0, len) if all fits.

    A window ends at the end of a sentence if there is one in its second half, and begins with the last
    sentence of the previous window, or with its last eighth if that sentence is long. Together the windows
    cover the text; starts and ends strictly increase. An encoder that is not ``Windowed`` gets the whole
    text.
    """
    whole = [Passage(0, len(text))]
    if not text or not isinstance(encoder, Windowed):
        return whole
    tokens = _Tokens.of(text, encoder)
    title_tokens = len(encoder.token_offsets(title)) if title else 0
    if not tokens.total or tokens.total + title_tokens + _SPARE <= encoder.max_tokens:
        return whole
    room = max(1, encoder.max_tokens - min(title_tokens, _title_room(encoder)) - _SPARE)
    return list(tokens.windows(room))


def compose(title: str, piece: str, encoder: Encoder | None = None) -> str:
    """Compose the text to encode for a window: the title, a line break, the piece.

    With an ``encoder``, a title longer than a quarter of its window is cut to that, unless all fits.
    """
    if not title or not piece:
        return title or piece
    if isinstance(encoder, Windowed):
        title = _fit_title(title, piece, encoder)
    return f"{title}\n{piece}"


def _title_room(encoder: Windowed) -> int:
    return encoder.max_tokens // 4


def _fit_title(title: str, piece: str, encoder: Windowed) -> str:
    offsets = encoder.token_offsets(title)
    room = _title_room(encoder)
    if len(offsets) <= room:
        return title
    if len(offsets) + len(encoder.token_offsets(piece)) + _SPARE <= encoder.max_tokens:
        return title
    return title[: offsets[room, 0]]


@dataclass(frozen=True)
class _Tokens:
    """The positions at which a text may be cut. ``at[i]`` is a character where a token begins,
    ``before[i]`` the number of tokens before it; the last entries stand for the end of the text. One
    character (a ligature) may give several tokens, so there may be fewer positions than tokens.

    ``stops`` are the positions, as indices into ``at``, where a sentence has just ended.
    """

    at: NDArray[np.int64]
    before: NDArray[np.int64]
    stops: NDArray[np.int64]

    @classmethod
    def of(cls, text: str, encoder: Windowed) -> _Tokens:
        starts = np.maximum.accumulate(encoder.token_offsets(text)[:, 0])
        at, before = np.unique(starts, return_index=True)
        at[:1] = 0
        ends = [found.end() for found in sentences.END.finditer(text)]
        stops = np.unique(np.searchsorted(at, np.array(ends, np.int64)))
        return cls(np.append(at, len(text)), np.append(before, len(starts)), stops)

    @property
    def total(self) -> int:
        return int(self.before[-1])

    def windows(self, room: int) -> Iterator[Passage]:
        begin, last = 0, len(self.at) - 1
        while (end := self._reach(begin, room)) < last:
            end = self._stop_between(self._reach(begin, room // 2), end) or end
            yield Passage(int(self.at[begin]), int(self.at[end]))
            begin = max(begin + 1, self._resume(end, room))
        yield Passage(int(self.at[begin]), int(self.at[last]))

    def _reach(self, begin: int, room: int) -> int:
        """Return the furthest position at most ``room`` tokens after ``begin``, but at least the next
        one."""
        limit = int(np.searchsorted(self.before, self.before[begin] + room, "right")) - 1
        return max(begin + 1, limit)

    def _stop_between(self, low: int, high: int) -> int | None:
        """Return the last sentence end in ``low`` < position <= ``high``."""
        i = int(np.searchsorted(self.stops, high, "right")) - 1
        return int(self.stops[i]) if i >= 0 and self.stops[i] > low else None

    def _resume(self, end: int, room: int) -> int:
        """Return the beginning of the window that follows one that ends at ``end``."""
        quarter = int(np.searchsorted(self.before, self.before[end] - room // 4))
        eighth = int(np.searchsorted(self.before, self.before[end] - room // 8))
        return self._stop_between(quarter - 1, end - 1) or eighth
