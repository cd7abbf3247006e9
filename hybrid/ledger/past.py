"""Past queries: queries whose answers are known, and the table of a ledger that keeps them.

Each has a sequence number with which it was ``born`` and perhaps a later one with which it died, like a
document, so the past queries as of any state can be read. What died stays in the file until compaction.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import orjson

from hybrid.errors import IndexCorrupt, InputError
from hybrid.ledger import database
from hybrid.ledger.checksums import checksum
from hybrid.ledger.database import Action
from hybrid.ledger.impressions import is_time
from hybrid.ledger.ledger import Ledger
from hybrid.limits import MAX_ID, MAX_PAST_ANSWERS, MAX_PAST_QUERIES, MAX_QUERY, shown
from hybrid.texts import clean
from hybrid.types import Qrels, Scores

Origin: TypeAlias = Literal["judged", "clicked"]

_PARTS: Final = ("past", "past_keys", "past_births", "past_deaths")
COLUMNS: Final = "number, query, user, origin, time, answers, vector, crc"
"""The columns that ``read`` takes."""
_MANY: Final = 500  # rows asked for at a time
_LARGEST: Final = 1_000  # grade


@dataclass(frozen=True, slots=True)
class PastQuery:
    """A ``query``, by its text, and its ``answers``: the grade, above 0, of each document's id.

    ``origin``: how they are known. ``user``: whose clicks they are; "" for judgments, or if nobody knows.
    ``time``: in seconds since the epoch. One origin has one past query for each text and user: the last.
    Raises InputError for values that are impossible.
    """

    query: str
    answers: Mapping[str, int]
    origin: Origin = "judged"
    user: str = ""
    time: float = 0.0

    def __post_init__(self) -> None:
        if complaint := self._complaint():
            raise InputError(f"past query {shown(self.query)}: {complaint}")

    def _complaint(self) -> str | None:
        if not _is_text(self.query, MAX_QUERY) or not self.query.strip():
            return f"a past query is a text of at most {MAX_QUERY:,} characters, and not blank"
        if not _is_text(self.user, MAX_ID):
            return f"user is {shown(self.user)}; it must be a text of at most {MAX_ID:,} characters"
        if self.origin not in get_args(Origin):
            return f"origin is {shown(self.origin)}; it must be one of {', '.join(get_args(Origin))}"
        if not is_time(self.time):
            return f"time is {shown(self.time)}; it must be seconds since the epoch"
        return self._wrong_answers()

    def _wrong_answers(self) -> str | None:
        if not isinstance(self.answers, Mapping) or not 0 < len(self.answers) <= MAX_PAST_ANSWERS:
            return f"it must have 1 to {MAX_PAST_ANSWERS:,} answers"
        for id, grade in self.answers.items():
            if not id or not _is_text(id, MAX_ID):
                return f"{shown(id)} is not a document id"
            if not isinstance(grade, int) or isinstance(grade, bool) or not 0 < grade <= _LARGEST:
                return f"the grade of {shown(id)} is {shown(grade)}; it must be 1 to {_LARGEST:,}"
        return None


def judged(queries: Mapping[str, str], qrels: Qrels, time: float) -> list[PastQuery]:
    """Make past queries of those ``queries`` (query id -> text) that have a relevant document; of those
    with the same text, the answers of all. Raises InputError."""
    answers: dict[str, dict[str, int]] = {}
    for id, text in queries.items():
        relevant = {document: grade for document, grade in qrels.get(id, {}).items() if grade > 0}
        if relevant:
            answers[text] = answers.get(text, {}) | relevant
    return [PastQuery(text, own, time=time) for text, own in answers.items()]


class Kept(NamedTuple):
    """A past query in the table: the row's ``number``, which grows with time, and its unit ``vector``,
    float32 (dim,), or None if it was not encoded by the index's encoder."""

    number: int
    past: PastQuery
    vector: Scores | None


class Row(NamedTuple):
    """A row of the table: its ``number``, the sequence number with which it was ``born``, the ids that are
    its ``answers``, and the rest as in ``Kept``."""

    number: int
    born: int
    query: str
    user: str
    origin: str
    answers: tuple[str, ...]
    vector: Scores | None


class PastQueries:
    """The past queries of one ledger. The actions belong into the transaction of a commit."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    # -- reading

    def at(self, seq: int) -> Iterator[Kept]:
        """Yield the past queries as of sequence number ``seq``, oldest first. Raises IndexCorrupt."""
        alive = "born <= ? AND (dead IS NULL OR dead > ?)"
        for row in self._rows(COLUMNS, alive, (seq, seq)):
            yield self._read(*row)

    def count(self, seq: int) -> int:
        """Return the number of past queries as of sequence number ``seq``."""
        if not self._there():
            return 0
        sql = "SELECT COUNT(*) FROM past WHERE born <= ? AND (dead IS NULL OR dead > ?)"
        return int(self._ledger.query(sql, (seq, seq))[0][0])

    def rows(self, after: int, seq: int) -> Iterator[list[Row]]:
        """Yield, some at a time, the rows with a number above ``after`` that were born up to sequence
        number ``seq``, dead or not. Raises IndexCorrupt."""
        for part in _batches(self._rows(f"{COLUMNS}, born", "born <= ?", (seq,), after)):
            yield [self._row(*row) for row in part]

    def deaths(self, after: int, seq: int) -> dict[int, int]:
        """Return the numbers of the rows that died above sequence number ``after``, up to ``seq``, each
        with that of its death."""
        sql = "SELECT number, dead FROM past WHERE dead > ? AND dead <= ?"
        return dict(self._ledger.query(sql, (after, seq))) if self._there() else {}

    def asking(self, query: str) -> list[int]:
        """Return the numbers of the living past queries of this text."""
        sql = "SELECT number FROM past WHERE dead IS NULL AND query = ?"
        return [number for (number,) in self._ledger.query(sql, (query,))] if self._there() else []

    def named(self, numbers: Sequence[int]) -> list[PastQuery]:
        """Return the past queries in the rows with these numbers, in their order. Raises IndexCorrupt."""
        marks = ", ".join("?" * len(numbers))
        rows = self._ledger.query(f"SELECT {COLUMNS} FROM past WHERE number IN ({marks})", numbers)
        found = {row[0]: self._read(*row).past for row in rows}
        return [found[number] for number in numbers]

    def check(self) -> Iterator[str]:
        """Read every past query; yield a line for each that is damaged."""
        for row in self._rows(COLUMNS, "TRUE", ()):
            try:
                self._read(*row)
            except IndexCorrupt as error:
                yield str(error)

    def _there(self) -> bool:
        sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'past'"
        return bool(self._ledger.query(sql))

    def _rows(
        self, columns: str, condition: str, parameters: Sequence[object], last: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the rows above ``last`` that meet a ``condition``, by ascending number, which comes first
        in each."""
        while self._there():
            sql = f"SELECT {columns} FROM past WHERE number > ? AND {condition} ORDER BY number LIMIT ?"
            part = self._ledger.query(sql, (last, *parameters, _MANY))
            if not part:
                return
            yield from part
            last = part[-1][0]

    def _read(self, *row: Any) -> Kept:
        with self._damaged():
            return read(*row)

    def _row(self, number: int, *row: Any) -> Row:
        *rest, born = row
        with self._damaged(), _checked(number, rest):
            query, user, origin, _, answers, vector, _ = rest
            ids = tuple(orjson.loads(answers).keys())
            return Row(number, born, query, user, origin, ids, _vector(vector))

    @contextmanager
    def _damaged(self) -> Iterator[None]:
        """Say in an IndexCorrupt that is raised in the block which ledger it is."""
        try:
            yield
        except IndexCorrupt as error:
            raise self._ledger.damaged(error) from error

    # -- writing

    def learns(
        self,
        queries: Sequence[PastQuery],
        vectors: Sequence[Scores | None],
        *,
        since: float = 0.0,
        most: int = MAX_PAST_QUERIES,
    ) -> Action:
        """Return an action that keeps ``queries`` with their ``vectors``, float32 (dim,), and lets go of
        those from before ``since`` and of more than ``most``: clicked before judged ones, the oldest
        first."""

        def write(connection: sqlite3.Connection) -> None:
            born = self._ledger.seq + 1
            database.ensure(connection, *_PARTS)
            for past, vector in zip(queries, vectors, strict=True):
                _replace(connection, _row(past, vector), born)
            _kill(connection, born, "time < ?", (since,))
            if (excess := _living(connection) - most) > 0:
                order = (
                    "SELECT number FROM past WHERE dead IS NULL ORDER BY origin = 'judged', time, number"
                )
                _kill(connection, born, f"number IN ({order} LIMIT ?)", (excess,))

        return write

    def forgets(
        self, *, query: str | None = None, user: str | None = None, before: float | None = None
    ) -> Action:
        """Return an action that lets go of the past queries that meet every condition given: of this text,
        of this user, from before this time. Impressions that meet them leave the log. Raises InputError
        without a condition, and for a user without a name."""
        asked = [("query", "= ?", query), ("user", "= ?", user), ("time", "< ?", before)]
        given = [(name, test) for name, test, value in asked if value is not None]
        values = [value for _, _, value in asked if value is not None]
        if not given:
            raise InputError("forget: name a query, a user or a time")
        if user == "":
            raise InputError("forget: a user has a name; judgments and unknown users have none")

        def write(connection: sqlite3.Connection) -> None:
            there = database.extras(connection)
            if "past" in there:
                where = " AND ".join(f"{name} {test}" for name, test in given)
                _kill(connection, self._ledger.seq + 1, where, values)
            if "feedback" in there:
                where = " AND ".join(f"json_extract(record, '$.{name}') {test}" for name, test in given)
                database.erase(connection, f"feedback WHERE {where}", values)

        return write

    # -- a new generation

    def copy(self, target: PastQueries) -> None:
        """Bring the table of another ledger, empty or an earlier copy, up to date with this one. Vectors of
        another encoder are left out."""
        if not self._there():
            return
        same = self._ledger.settings.encoder == target._ledger.settings.encoder
        living = [number for (number,) in self._rows("number", "dead IS NULL", ())]
        target._ledger.change(database.keeps_only("past", living))
        last = max((number for (number,) in target._rows("number", "TRUE", ())), default=0)
        for part in _batches(self._rows(COLUMNS, "dead IS NULL AND number > ?", (last,))):
            target._ledger.change(_inserts(part if same else [_bare(row) for row in part]))


def read(number: int, *row: Any) -> Kept:
    """Make a past query from its row, and check it. Raises IndexCorrupt."""
    with _checked(number, row):
        query, user, origin, time, answers, vector, _ = row
        return Kept(number, PastQuery(query, json.loads(answers), origin, user, time), _vector(vector))


@contextmanager
def _checked(number: int, row: Sequence[Any]) -> Iterator[None]:
    """Raises IndexCorrupt where the row is not what was written, or cannot be read in the block."""
    try:
        if _crc(*row[:-1]) != row[-1]:
            raise ValueError("it is not what was written")
        yield
    except (ValueError, TypeError, AttributeError, InputError) as error:
        raise IndexCorrupt(f"past query number {number}: {error}") from error


def living_numbers(connection: sqlite3.Connection) -> list[int]:
    """Return the numbers of the living past queries, ascending: those that the table or its index names as
    far as either can be read."""
    found = set[int]()
    for way in ("INDEXED BY past_keys", "NOT INDEXED"):
        with suppress(sqlite3.Error):
            rows = connection.execute(f"SELECT number FROM past {way} WHERE dead IS NULL")
            found.update(number for (number,) in rows)
    return sorted(found)


def _vector(packed: bytes | None) -> Scores | None:
    return None if packed is None else np.frombuffer(packed, np.float32)


def _is_text(value: object, longest: int) -> bool:
    if not isinstance(value, str) or len(value) > longest:
        return False
    return value.isascii() or value == clean(value)


def _row(past: PastQuery, vector: Scores | None) -> tuple[Any, ...]:
    answers = json.dumps(dict(sorted(past.answers.items())), ensure_ascii=False, separators=(",", ":"))
    packed = None if vector is None else np.ascontiguousarray(vector, np.float32).tobytes()
    row = past.query, past.user, past.origin, float(past.time), answers, packed
    return (*row, _crc(*row))


def _crc(query: str, user: str, origin: str, time: float, answers: str, vector: bytes | None) -> int:
    texts = query, user, origin, repr(time), answers, "" if vector is None else "vector"
    return checksum(*(text.encode() for text in texts), vector or b"")


def _replace(connection: sqlite3.Connection, row: tuple[Any, ...], born: int) -> None:
    """Insert a row in place of the living one of the same query, user and origin, unless they are equal."""
    same = "query = ? AND user = ? AND origin = ?"
    old = connection.execute(f"SELECT crc FROM past WHERE dead IS NULL AND {same}", row[:3]).fetchone()
    if old != (row[-1],):
        _kill(connection, born, same, row[:3])
        marks = ", ".join("?" * len(row))
        sql = (
            f"INSERT INTO past (query, user, origin, time, answers, vector, crc, born) VALUES ({marks}, ?)"
        )
        connection.execute(sql, (*row, born))


def _kill(connection: sqlite3.Connection, seq: int, where: str, values: Sequence[object]) -> None:
    connection.execute(f"UPDATE past SET dead = ? WHERE dead IS NULL AND {where}", (seq, *values))


def _living(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT COUNT(*) FROM past WHERE dead IS NULL").fetchone()[0])


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while part := list(islice(rows, _MANY)):
        yield part


def _bare(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of ``COLUMNS`` without its vector."""
    number, query, user, origin, time, answers, *_ = row
    return number, query, user, origin, time, answers, None, _crc(query, user, origin, time, answers, None)


def _inserts(rows: Sequence[tuple[Any, ...]]) -> Action:
    """Return an action that inserts rows of ``COLUMNS``, born before every state of a new generation."""

    def write(connection: sqlite3.Connection) -> None:
        database.ensure(connection, *_PARTS)
        marks = ", ".join("?" * len(COLUMNS.split(", ")))
        # A row may have taken the place of one that was copied a moment ago.
        connection.executemany(f"INSERT OR REPLACE INTO past ({COLUMNS}, born) VALUES ({marks}, 0)", rows)

    return write
