"""The SQLite file of a ledger: its schema, and connections for writers and readers."""

from __future__ import annotations

import ctypes
import json
import os
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from hybrid.disk.folder import Folder
from hybrid.errors import IndexCorrupt, StorageError

FILE: Final = "ledger.db"
LOG: Final = f"{FILE}-wal"
_SHARED: Final = f"{FILE}-shm"

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, born INTEGER NOT NULL, dead INTEGER);
CREATE UNIQUE INDEX live_ids ON documents (id) WHERE dead IS NULL;
CREATE INDEX deaths ON documents (dead) WHERE dead IS NOT NULL;
CREATE TABLE bodies (ordinal INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL,
                     metadata TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE blocks (first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL);
"""
EXTRAS: Final = {
    "forward": "CREATE TABLE forward (ordinal INTEGER PRIMARY KEY, terms BLOB NOT NULL)",
    "passages": "CREATE TABLE passages (ordinal INTEGER PRIMARY KEY, count INTEGER NOT NULL, "
    "passages BLOB NOT NULL, crc INTEGER NOT NULL)",
    "models": "CREATE TABLE models (id TEXT PRIMARY KEY, body TEXT NOT NULL)",
    "feedback": "CREATE TABLE feedback (number INTEGER PRIMARY KEY, record TEXT NOT NULL)",
    "pending": "CREATE TABLE pending (first INTEGER PRIMARY KEY, vectors BLOB NOT NULL, "
    "ordinals BLOB NOT NULL, spans BLOB NOT NULL)",
    "past": "CREATE TABLE past (number INTEGER PRIMARY KEY, born INTEGER NOT NULL, dead INTEGER, "
    "query TEXT NOT NULL, user TEXT NOT NULL, origin TEXT NOT NULL, time REAL NOT NULL, "
    "answers TEXT NOT NULL, vector BLOB, crc INTEGER NOT NULL)",
    "past_keys": "CREATE UNIQUE INDEX past_keys ON past (query, user, origin) WHERE dead IS NULL",
    "past_births": "CREATE INDEX past_births ON past (born)",
    "past_deaths": "CREATE INDEX past_deaths ON past (dead) WHERE dead IS NOT NULL",
}
"""Tables, and their indexes after them, that are created on first use; see ``hybrid.ledger.tables``,
``hybrid.ledger.past`` and ``hybrid.ledger.pending``."""
_OF_THE_MACHINE: Final = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
_ROWS: Final = 100  # rows per statement
_BUSY: Final = 30  # seconds to wait for another connection's lock
Action: TypeAlias = Callable[[sqlite3.Connection], object]
_Stamp = tuple[tuple[int, int] | None, ...]


@contextmanager
def translated(folder: Folder) -> Iterator[None]:
    """Turn SQLite's errors into StorageError (disk full, locked, I/O) or IndexCorrupt (a damaged file)."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OF_THE_MACHINE:
            raise StorageError(f"{folder / FILE}: {error}") from error
        raise damaged(folder, error) from error


def damaged(folder: Folder, what: object, file: str = FILE) -> IndexCorrupt:
    return IndexCorrupt(f"{folder / file}: {what}; run: hybrid verify {folder.path.parent}")


def create(folder: Folder) -> sqlite3.Connection:
    """Create a database with empty tables."""
    connection = blank(folder)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(_SCHEMA)
        return connection
    except BaseException:
        connection.close()
        raise


def blank(folder: Folder) -> sqlite3.Connection:
    """Create an empty database file. (If SQLite created it, it would ignore a umask that lets the group
    write.)"""
    folder.writing(FILE).close()
    return _connect(folder, "mode=rw")


def check_schema(folder: Folder, connection: sqlite3.Connection) -> None:
    """Raises IndexCorrupt unless the tables are those that ``create`` makes, and perhaps ``EXTRAS``."""
    query = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        ensure(model, *extras(connection))
        if connection.execute(query).fetchall() != model.execute(query).fetchall():
            raise damaged(folder, "the tables are not those of a ledger")


def extras(connection: sqlite3.Connection) -> list[str]:
    """Return which of ``EXTRAS`` exist, in their order."""
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    return [name for name in EXTRAS if name in there]


def ensure(connection: sqlite3.Connection, *names: str) -> None:
    """Create those of ``EXTRAS`` that are named and do not exist."""
    there = extras(connection)
    for name in names:
        if name not in there:
            connection.execute(EXTRAS[name])


def keeps_only(table: str, numbers: Iterable[int]) -> Action:
    """Return an action that leaves no byte of a table's rows but those with these ``numbers``, if there is
    the table."""
    rows, kept = f"{table} WHERE number NOT IN (SELECT value FROM json_each(?))", json.dumps(list(numbers))

    def act(connection: sqlite3.Connection) -> None:
        if table in extras(connection):
            erase(connection, rows, [kept])

    return act


def erase(connection: sqlite3.Connection, rows: str, values: Iterable[object]) -> None:
    """Delete ``rows`` ("table WHERE …") in a transaction, and overwrite their bytes in the database."""
    (before,) = connection.execute("PRAGMA secure_delete").fetchone()
    connection.execute("PRAGMA secure_delete=ON")
    connection.execute(f"DELETE FROM {rows}", tuple(values))
    connection.execute(f"PRAGMA secure_delete={before}")


def writer(folder: Folder) -> sqlite3.Connection:
    connection = _connect(folder, "mode=rw")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def leave(connection: sqlite3.Connection) -> None:
    """Close a writer's connection while a ``Reader`` of the same database is still open: the last
    connection to close removes the log by its path, where another index may be by now. So the log stays;
    it is first checkpointed into the database, as far as no other process reads from it."""
    with closing(connection), suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout=0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def transact(connection: sqlite3.Connection, action: Action, begin: str = "BEGIN") -> None:
    """Run ``action`` in one transaction: it reads one state, and its writes are durable on return. (Not a
    context manager: an interruption on entry would leave it to the garbage collector, which would roll back
    some later transaction.)"""
    if connection.in_transaction:  # the last one was interrupted outside its try block
        connection.execute("ROLLBACK")
    try:
        connection.execute(begin)
        action(connection)
        connection.execute("COMMIT")
    except BaseException:
        # A failed COMMIT (disk full) can leave the transaction open or already rolled back.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def insert(connection: sqlite3.Connection, into: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert rows, many per statement. With one each, the GIL would be released and taken again for each
    row, so quickly that a concurrent search would wait for all of them."""
    left = iter(rows)
    while part := list(islice(left, _ROWS)):
        marks = f"({','.join('?' * len(part[0]))})"
        sql = f"INSERT INTO {into} VALUES {','.join([marks] * len(part))}"
        connection.execute(sql, list(chain.from_iterable(part)))


def settle(folder: Folder) -> None:
    """Sync the log and the folder: a writer killed inside a COMMIT may leave a batch that is visible but
    not yet on disk, and later commits build on it. (The database file needs no fsync: whatever it lacks
    is in the log. Opening and closing it here would drop SQLite's locks on it.)"""
    with suppress(FileNotFoundError):
        folder.sync(LOG)
    folder.sync()


class _Connection(sqlite3.Connection):
    """A connection that ``_keep`` can find as long as it exists."""

    __slots__ = ("__weakref__",)


_opened: weakref.WeakSet[_Connection] = weakref.WeakSet()


def _keep() -> None:
    """Keep inherited connections alive in a forked child: SQLite forbids even closing them, which would
    drop the parent's locks. So they are never freed, not even when the child exits."""
    for connection in list(_opened):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep)


class Reader:
    """A ``connection`` that reads the database in ``folder``, even if this process has no write permission.

    A WAL database is read through shared memory, a file beside it. If that file cannot be created, the
    database is assumed not to change: it is opened as immutable if its log is empty, otherwise as a private
    copy. ``stale`` tells whether a writer has changed it after all.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._frozen: _Stamp | None = None
        self.connection = self._open()

    def _open(self) -> sqlite3.Connection:
        if self._folder.writable:
            return _connect(self._folder, "mode=ro")
        if self._folder.has(_SHARED):
            with suppress(sqlite3.OperationalError):
                return _connect(self._folder, "mode=ro")
        self._frozen = _stamp(self._folder)
        if self._folder.has(LOG) and self._folder.stat(LOG).st_size:
            return self._copied()
        return _connect(self._folder, "immutable=1")

    def _copied(self) -> sqlite3.Connection:
        self._copy = tempfile.TemporaryDirectory(prefix="hybrid-ledger-")
        private = Folder.open(self._copy.name)
        for name in (FILE, LOG):
            self._folder.copy(name, private)
        return _connect(private, "mode=rw")

    def stale(self) -> bool:
        return self._frozen is not None and self._frozen != _stamp(self._folder)

    def reopen(self) -> None:
        self.close()
        self._frozen = None
        self.connection = self._open()

    def close(self) -> None:
        self.connection.close()
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None


def _stamp(folder: Folder) -> _Stamp:
    """Return a value that changes whenever the database or its log does."""
    return tuple(_status(folder, name) for name in (FILE, LOG))


def _status(folder: Folder, name: str) -> tuple[int, int] | None:
    try:
        status = folder.stat(name)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


# -- opening the database in the folder, and no other

_opening: Final = threading.Lock()
_TRIES: Final = 5
_DESCRIPTORS: Final = "/proc/self/fd"


def _connect(folder: Folder, mode: str) -> sqlite3.Connection:
    """Connect to the database in the opened folder. Raises sqlite3.Error, StorageError.

    SQLite opens its files by path, one after the other, and other files may appear there in between. So
    before a connection is used, the files that it opened are compared with those in the folder.
    """
    for _ in range(_TRIES):
        with _opening:
            before = _descriptors()
            connection = _connected(folder.now() / FILE, mode)
            try:
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # also opens the log
                if _is_of(folder, before):
                    return connection
            except BaseException:
                connection.close()
                raise
            connection.close()
    raise StorageError(f"{folder / FILE}: moved or deleted while it was being opened; try again")


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY,
        factory=_Connection,
    )
    _opened.add(connection)
    return connection


def _is_of(folder: Folder, before: set[int]) -> bool:
    """Whether the database files opened since ``before`` are those in ``folder``."""
    own = set()
    for name in (FILE, LOG, _SHARED):
        with suppress(FileNotFoundError):
            own.add(_identity(folder.stat(name)))
    if not os.path.isdir(_DESCRIPTORS):
        return _identity(os.stat(folder.path / FILE)) in own
    opened = set()
    for new in _descriptors() - before:
        with suppress(OSError):  # another thread's, closed in the meantime
            if _is_database(new):
                opened.add(_identity(os.fstat(new)))
    return bool(opened) and opened <= own


def _descriptors() -> set[int]:
    """Return the descriptors that are open in this process."""
    found = set()
    with suppress(FileNotFoundError):
        for name in os.listdir(_DESCRIPTORS):
            with suppress(OSError):  # the descriptor of the listing itself
                os.fstat(int(name))
                found.add(int(name))
    return found


def _is_database(descriptor: int) -> bool:
    """Whether a descriptor is of a file of the database. Raises OSError if it is not open."""
    target = os.readlink(f"{_DESCRIPTORS}/{descriptor}").removesuffix(" (deleted)")
    return os.path.basename(target) in (FILE, LOG, _SHARED)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
