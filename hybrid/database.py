"""The SQLite file of a ledger: its schema, and connections to it for whoever may write what."""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from hybrid.errors import IndexCorrupt, StorageError
from hybrid.files import sync

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
    "models": "CREATE TABLE models (id TEXT PRIMARY KEY, body TEXT NOT NULL)",
    "feedback": "CREATE TABLE feedback (number INTEGER PRIMARY KEY, record TEXT NOT NULL)",
    "pending": "CREATE TABLE pending (first INTEGER PRIMARY KEY, vectors BLOB NOT NULL, "
    "ordinals BLOB NOT NULL, spans BLOB NOT NULL)",
}
"""Tables that are there once somebody needs them; see ``hybrid.extras`` and ``hybrid.rowlog``."""
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
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: the machine's (disk full, locked, I/O) or the file's."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OF_THE_MACHINE:
            raise StorageError(f"{path}: {error}") from error
        raise damaged(path, error) from error


def damaged(path: Path, what: object) -> IndexCorrupt:
    return IndexCorrupt(f"{path}: {what}; run: hybrid verify {path.parents[1]}")


def create(path: Path) -> sqlite3.Connection:
    """A new database with empty tables."""
    connection = blank(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(_SCHEMA)
        return connection
    except BaseException:
        connection.close()
        raise


def blank(path: Path) -> sqlite3.Connection:
    """A new, empty database file. (Made by SQLite, no umask would let the group write to it.)"""
    path.touch()
    return sqlite3.connect(path, isolation_level=None)


def check_schema(path: Path, connection: sqlite3.Connection) -> None:
    """IndexCorrupt unless the tables are those that ``create`` makes, and perhaps ``EXTRAS``."""
    query = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        for table in extras(connection):
            model.execute(EXTRAS[table])
        if connection.execute(query).fetchall() != model.execute(query).fetchall():
            raise damaged(path, "the tables are not those of a ledger")


def extras(connection: sqlite3.Connection) -> set[str]:
    """Which of ``EXTRAS`` there are."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {name for (name,) in tables if name in EXTRAS}


def writer(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "mode=rw")
    connection.execute("PRAGMA synchronous=FULL")
    return connection


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


def settle(path: Path) -> None:
    """Make durable what is there: a writer killed inside a COMMIT leaves a batch that lies in the machine's
    memory only so far, and what follows is built upon it."""
    for part in (Path(f"{path}-wal"), path, path.parent):
        if part.exists():
            sync(part)


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
    """A ``connection`` that reads ``path``, also where this process may write nothing.

    A WAL database is read through shared memory, a file beside it. Where that cannot be made, the
    database is taken to stand still: alone if it has no log, in a private copy otherwise. ``stale`` tells
    when it has moved on after all, because a writer who may write has come.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._frozen: _Stamp | None = None
        self.connection = self._open()

    def _open(self) -> sqlite3.Connection:
        if os.access(self._path.parent, os.W_OK):
            return _connect(self._path, "mode=ro")
        log, shared = (Path(f"{self._path}-{end}") for end in ("wal", "shm"))
        if shared.exists():
            connection = _connect(self._path, "mode=ro")
            try:
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
                return connection
            except sqlite3.OperationalError:
                connection.close()
        self._frozen = _stamp(self._path)
        if not log.exists():
            return _connect(self._path, "immutable=1")
        return self._copied(log)

    def _copied(self, log: Path) -> sqlite3.Connection:
        self._copy = tempfile.TemporaryDirectory(prefix="hybrid-ledger-")
        for file in (self._path, log):
            shutil.copyfile(file, Path(self._copy.name, file.name))
        return _connect(Path(self._copy.name, self._path.name), "mode=rw")

    def stale(self) -> bool:
        return self._frozen is not None and self._frozen != _stamp(self._path)

    def reopen(self) -> None:
        self.close()
        self._frozen = None
        self.connection = self._open()

    def close(self) -> None:
        self.connection.close()
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY,
        factory=_Connection,
    )
    _opened.add(connection)
    return connection


def _stamp(path: Path) -> _Stamp:
    """Changes whenever the database or its log does."""
    return tuple(map(_status, (path, Path(f"{path}-wal"))))


def _status(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
