"""The SQLite file of a ledger: its schema, and connections to it for whoever may write what."""

from __future__ import annotations

import ctypes
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
}
"""Tables that are there once somebody needs them; see ``hybrid.ledger.tables`` and
``hybrid.ledger.pending``."""
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
_ROWS: Final = 100  # a statement
_BUSY: Final = 30  # seconds to wait for another connection's lock
Action: TypeAlias = Callable[[sqlite3.Connection], object]
_Stamp = tuple[tuple[int, int] | None, ...]


@contextmanager
def translated(folder: Folder) -> Iterator[None]:
    """SQLite's errors as ours: the machine's (disk full, locked, I/O) or the file's."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OF_THE_MACHINE:
            raise StorageError(f"{folder / FILE}: {error}") from error
        raise damaged(folder, error) from error


def damaged(folder: Folder, what: object, file: str = FILE) -> IndexCorrupt:
    return IndexCorrupt(f"{folder / file}: {what}; run: hybrid verify {folder.path.parent}")


def create(folder: Folder) -> sqlite3.Connection:
    """A new database with empty tables."""
    connection = blank(folder)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(_SCHEMA)
        return connection
    except BaseException:
        connection.close()
        raise


def blank(folder: Folder) -> sqlite3.Connection:
    """A new, empty database file. (Made by SQLite, no umask would let the group write to it.)"""
    folder.writing(FILE).close()
    return _connect(folder, "mode=rw")


def check_schema(folder: Folder, connection: sqlite3.Connection) -> None:
    """IndexCorrupt unless the tables are those that ``create`` makes, and perhaps ``EXTRAS``."""
    query = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        for table in extras(connection):
            model.execute(EXTRAS[table])
        if connection.execute(query).fetchall() != model.execute(query).fetchall():
            raise damaged(folder, "the tables are not those of a ledger")


def extras(connection: sqlite3.Connection) -> set[str]:
    """Which of ``EXTRAS`` there are."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {name for (name,) in tables if name in EXTRAS}


def writer(folder: Folder) -> sqlite3.Connection:
    connection = _connect(folder, "mode=rw")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def leave(connection: sqlite3.Connection) -> None:
    """Close a writer's connection, while a ``Reader`` of the same database is still open: the last one to
    leave would remove the log by its path, and another index may lie there by now. So the log stays,
    emptied into the database as far as no other process reads from it."""
    with closing(connection), suppress(sqlite3.Error):
        connection.execute("PRAGMA busy_timeout=0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def transact(connection: sqlite3.Connection, action: Action, begin: str = "BEGIN") -> None:
    """``action`` in one transaction: it reads one state, and what it writes is durable on return. (No
    context manager: what interrupts one on its way in leaves it to the garbage collector, to be rolled back
    within any later transaction.)"""
    if connection.in_transaction:  # left by whatever interrupted the last one outside its try
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
    """Many rows a statement. With one each, the interpreter would be let go and taken back for each, so
    fast that a search beside it waits for all of them."""
    left = iter(rows)
    while part := list(islice(left, _ROWS)):
        marks = f"({','.join('?' * len(part[0]))})"
        sql = f"INSERT INTO {into} VALUES {','.join([marks] * len(part))}"
        connection.execute(sql, list(chain.from_iterable(part)))


def settle(folder: Folder) -> None:
    """Make durable what is there: a writer killed inside a COMMIT leaves a batch that lies in the machine's
    memory only so far, and what follows is built upon it. (The database file needs no fsync: all that it
    may lack is in the log. To open and close it here would drop SQLite's locks on it.)"""
    with suppress(FileNotFoundError):
        folder.sync(LOG)
    folder.sync()


class _Connection(sqlite3.Connection):
    """Known to ``_keep`` as long as it lives."""

    __slots__ = ("__weakref__",)


_opened: weakref.WeakSet[_Connection] = weakref.WeakSet()


def _keep() -> None:
    """In a forked child: SQLite forbids even to close what the parent has open, which would drop the
    parent's locks. So nothing inherited is ever let go of, not even as the child ends."""
    for connection in list(_opened):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_keep)


class Reader:
    """A ``connection`` that reads the database in ``folder``, also where this process may write nothing.

    A WAL database is read through shared memory, a file beside it. Where that cannot be made, the
    database is taken to stand still: alone if its log is empty, in a private copy otherwise. ``stale``
    tells when it has moved on after all, because a writer who may write has come.
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
    """Changes whenever the database or its log does."""
    return tuple(_status(folder, name) for name in (FILE, LOG))


def _status(folder: Folder, name: str) -> tuple[int, int] | None:
    try:
        status = folder.stat(name)
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


# -- opening what lies in the folder, and nothing else

_opening: Final = threading.Lock()
_TRIES: Final = 5
_DESCRIPTORS: Final = "/proc/self/fd"


def _connect(folder: Folder, mode: str) -> sqlite3.Connection:
    """A connection to the database that lies in the opened folder. Raises sqlite3.Error, StorageError.

    SQLite takes a path and opens its files by it, one after the other; what lies there may change on the
    way. So before anything is asked of a connection, what it opened is held against what is in the folder.
    """
    for _ in range(_TRIES):
        with _opening:
            before = _descriptors()
            connection = _connected(folder.now() / FILE, mode)
            try:
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()  # opens the log, too
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
    """Whether the files of a database that were opened since ``before`` are those in ``folder``."""
    own = set()
    for name in (FILE, LOG, _SHARED):
        with suppress(FileNotFoundError):
            own.add(_identity(folder.stat(name)))
    if not os.path.isdir(_DESCRIPTORS):
        return _identity(os.stat(folder.path / FILE)) in own
    opened = set()
    for new in _descriptors() - before:
        with suppress(OSError):  # another thread's, closed by now
            if _is_database(new):
                opened.add(_identity(os.fstat(new)))
    return bool(opened) and opened <= own


def _descriptors() -> set[int]:
    """The descriptors that are open in this process."""
    found = set()
    with suppress(FileNotFoundError):
        for name in os.listdir(_DESCRIPTORS):
            with suppress(OSError):  # that of the listing itself
                os.fstat(int(name))
                found.add(int(name))
    return found


def _is_database(descriptor: int) -> bool:
    """Raises OSError for one that is not open."""
    target = os.readlink(f"{_DESCRIPTORS}/{descriptor}").removesuffix(" (deleted)")
    return os.path.basename(target) in (FILE, LOG, _SHARED)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
