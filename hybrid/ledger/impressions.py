"""Impressions: the results that a user saw and clicked; the records of a click log."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from hybrid.errors import InputError
from hybrid.limits import MAX_ID
from hybrid.limits import shown as quoted

MAX_RANK: Final = 200
"""The deepest rank of an impression, twenty pages of ten: a longer list was exported, not seen."""
_LATEST: Final = 1e11  # the year 5138; a time in milliseconds would be larger since 1973


@dataclass(frozen=True, slots=True)
class Impression:
    """One page of results that a user saw, in the order of rank.

    ``query``: its text. ``shown``: the ids of the documents on the screen, the first of them at rank
    ``first`` (1, or 11 on a second page of ten). ``clicked``: those that were clicked. ``profile``: the
    number of the serving profile that ranked them. ``time``: in seconds since the epoch. ``user``: a name
    for the user, such as a pseudonym; "" if nobody knows. Raises InputError for values that are impossible.
    """

    query: str
    shown: tuple[str, ...]
    clicked: frozenset[str]
    profile: int
    time: float
    first: int = 1
    user: str = ""

    def __post_init__(self) -> None:
        if complaint := self._complaint():
            raise InputError(f"impression of {quoted(self.query)}: {complaint}")

    def to_json(self) -> str:
        """Write the impression as one line of a log."""
        record = {**asdict(self), "clicked": sorted(self.clicked)}
        if not self.user:  # as earlier versions read it
            del record["user"]
        return json.dumps(record, ensure_ascii=True)

    @classmethod
    def from_json(cls, record: str) -> Impression:
        """Read what ``to_json`` wrote. Raises InputError."""
        try:
            value = json.loads(record)
            shown, clicked = tuple(value.pop("shown")), frozenset(value.pop("clicked"))
            return cls(shown=shown, clicked=clicked, **value)
        except (ValueError, TypeError, KeyError, AttributeError) as cause:
            raise InputError(f"not the record of an impression: {cause}") from cause

    def _complaint(self) -> str | None:
        return self._wrong_type() or self._wrong_ranking() or self._wrong_clicks() or self._wrong_number()

    def _wrong_type(self) -> str | None:
        if not isinstance(self.query, str) or not self.query.strip():
            return "the query has no text, so no judgment can be keyed by it"
        if not isinstance(self.user, str) or len(self.user) > MAX_ID:
            return f"user is {quoted(self.user)}; it must be a text of at most {MAX_ID:,} characters"
        if not isinstance(self.shown, tuple) or not isinstance(self.clicked, frozenset):
            return "shown must be a tuple of document ids, clicked a frozenset of them"
        wrong = (
            id for ids in (self.shown, self.clicked) for id in ids if not isinstance(id, str) or not id
        )
        return next((f"{quoted(id)} is not a document id" for id in wrong), None)

    def _wrong_ranking(self) -> str | None:
        if not self.shown:
            return "nothing was shown; an answer without hits leaves no impression"
        if len(set(self.shown)) < len(self.shown):
            twice = next(id for id in self.shown if self.shown.count(id) > 1)
            return f"document {quoted(twice)} was shown twice"
        if not _is_count(self.first) or self.first < 1:
            return f"first is {quoted(self.first)}; it must be a rank, from 1"
        if self.first + len(self.shown) - 1 > MAX_RANK:
            return f"it goes below rank {MAX_RANK:,}; log what was on the screen"
        return None

    def _wrong_clicks(self) -> str | None:
        if strange := self.clicked.difference(self.shown):
            return f"document {quoted(min(strange))} was clicked but not shown"
        return None

    def _wrong_number(self) -> str | None:
        if not _is_count(self.profile) or self.profile < 0:
            return f"profile is {quoted(self.profile)}; it must be the number of a serving profile"
        if not is_time(self.time):
            return f"time is {quoted(self.time)}; it must be seconds since the epoch"
        return None


def is_time(value: object) -> bool:
    """Whether a value can be seconds since the epoch."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _LATEST


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
