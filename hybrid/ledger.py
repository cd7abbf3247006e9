"""The truth: documents in SQLite, their vectors in append-only arrays.

Everything else in an index (the lexical leg, the graph, the metadata columns) is a projection that can
be rebuilt from here. A document's row is never edited: it is ``born`` with one sequence number and
``dead`` with a later one, so the index as of any sequence number can be read while a writer goes on.

A commit writes the vectors after the committed rows, syncs them, then runs ONE SQLite transaction
(WAL, synchronous=FULL): bodies, births, deaths, the row count, the sequence number. That transaction is
the commit. Before it nothing of the batch exists; after it neither kill -9 nor power loss takes it back.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from hybrid.arrays import RowFiles, Rows
from hybrid.errors import IndexCorrupt, StorageError
from hybrid.failpoints import reach
from hybrid.settings import Profile, Settings
from hybrid.types import Document, Mask, Ordinals

_T = TypeVar("_T")
NEVER: Final = np.iinfo(np.int64).max
"""The death of what lives."""

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (ordinal INTEGER PRIMARY KEY, id TEXT NOT NULL, born INTEGER NOT NULL, dead INTEGER);
CREATE UNIQUE INDEX live_ids ON documents (id) WHERE dead IS NULL;
CREATE INDEX deaths ON documents (dead) WHERE dead IS NOT NULL;
CREATE TABLE bodies (ordinal INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL,
                     metadata TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE blocks (first INTEGER PRIMARY KEY, rows INTEGER NOT NULL, crc INTEGER NOT NULL);
"""


class Lifetimes:
    """When each ordinal was born and died: int64 arrays that grow under their readers.

    A reader takes views of the first n; a later death changes a cell in place, from NEVER to a sequence
    number above any that an older snapshot asks about, so what that snapshot sees does not change.
    """

    def __init__(self) -> None:
        self._born = np.empty(0, np.int64)
        self._dead = np.empty(0, np.int64)
        self.count = 0

    @property
    def born(self) -> Ordinals:
        return self._born[: self.count]

    @property
    def dead(self) -> Ordinals:
        return self._dead[: self.count]

    def append(self, born: Ordinals, dead: Ordinals) -> None:
        end = self.count + len(born)
        if end > len(self._born):
            room = max(1024, 2 * end) - self.count
            self._born = np.concatenate([self.born, np.zeros(room, np.int64)])
            self._dead = np.concatenate([self.dead, np.full(room, NEVER)])
        self._born[self.count : end] = born
        self._dead[self.count : end] = dead
        self.count = end

    def kill(self, ordinals: Ordinals, seq: int | Ordinals) -> None:
        self._dead[ordinals] = seq

    def live(self, count: int, seq: int) -> Mask:
        """bool (count,): who of the first ``count`` is alive as of ``seq``."""
        return self._dead[:count] > seq


@dataclass(frozen=True)
class Commit:
    """What one batch changed: its sequence number, the first of its new ordinals, who died."""

    seq: int
    first: int
    deaths: Ordinals


class Ledger:
    """The documents and vectors of one generation folder."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._path = folder / "ledger.db"
        if not self._path.is_file():
            raise IndexCorrupt(f"{self._path}: missing; restore a backup")
        self._files = RowFiles(folder)
        self._lock = threading.Lock()  # sqlite3 connections are not for several threads at once
        self._reader = self._connect(read_only=True)
        self._writer = None if read_only else self._connect(read_only=False)
        self.lifetimes = Lifetimes()
        self.seq = -1
        self._version = -1
        meta = self._meta()
        self.settings = Settings.model_validate_json(meta["settings"])
        self.refresh()

    @classmethod
    def create(cls, folder: Path, settings: Settings, profile: Profile, seq: int = 0) -> None:
        """Lay an empty ledger down in ``folder``, which exists."""
        RowFiles(folder).create()
        with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(_SCHEMA)
            meta = {"settings": settings.model_dump_json(), "profile": profile.model_dump_json()}
            meta |= {"seq": str(seq), "rows": "0", "dim": "0"}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())

    # -- reading

    def refresh(self) -> bool:
        """Read what other connections have committed since the last look; True if there was any."""
        with self._lock, self._translated():
            version = int(self._reader.execute("PRAGMA data_version").fetchone()[0])
            if version == self._version:
                return False
            self._reader.execute("BEGIN")
            try:
                self._load()
            finally:
                self._reader.execute("COMMIT")
            self._version = version
            return True

    def _load(self) -> None:
        meta = dict(self._reader.execute("SELECT key, value FROM meta"))
        self.profile = Profile.model_validate_json(meta["profile"])
        self.dim, rows, seq = int(meta["dim"]), int(meta["rows"]), int(meta["seq"])
        known = self.lifetimes.count
        births = self._reader.execute(
            "SELECT born, coalesce(dead, ?) FROM documents WHERE ordinal >= ? ORDER BY ordinal",
            (NEVER, known),
        )
        table = np.array(births.fetchall(), np.int64).reshape(-1, 2)
        deaths = self._reader.execute(
            "SELECT ordinal, dead FROM documents WHERE dead > ? AND ordinal < ?", (self.seq, known)
        )
        killed = np.array(deaths.fetchall(), np.int64).reshape(-1, 2)
        self.rows = self._files.map(rows, self.dim)
        self.lifetimes.kill(killed[:, 0], killed[:, 1])
        self.lifetimes.append(table[:, 0], table[:, 1])
        self.seq = seq

    def documents(self, ordinals: Sequence[int] | Ordinals) -> list[Document]:
        """The bodies of some ordinals, in their order."""
        wanted = [int(ordinal) for ordinal in ordinals]
        found = dict(self._bodies(wanted))
        if missing := [ordinal for ordinal in wanted if ordinal not in found]:
            raise IndexCorrupt(f"{self._path}: no body for ordinal {missing[0]}; run: hybrid verify")
        return [found[ordinal] for ordinal in wanted]

    def _bodies(self, ordinals: Sequence[int]) -> Iterator[tuple[int, Document]]:
        columns = "ordinal, id, title, text, metadata, crc"
        for part in _slices(ordinals, 500):
            tables = "documents JOIN bodies USING (ordinal)"
            sql = f"SELECT {columns} FROM {tables} WHERE ordinal IN ({_marks(part)})"
            with self._lock, self._translated():
                found = self._reader.execute(sql, part).fetchall()
            yield from ((row[0], self._document(row)) for row in found)

    def _document(self, row: tuple[Any, ...]) -> Document:
        ordinal, id, title, text, metadata, crc = row
        if crc != _crc(id, title, text, metadata):
            raise IndexCorrupt(
                f"{self._path}: document {id!r} (ordinal {ordinal}) is damaged; run: hybrid verify"
            )
        return Document(id, text, title, json.loads(metadata))

    def ids(self, ordinals: Sequence[int]) -> list[str]:
        """The documents' ids of some ordinals, in their order."""
        found: dict[int, str] = {}
        for part in _slices(ordinals, 500):
            sql = f"SELECT ordinal, id FROM documents WHERE ordinal IN ({_marks(part)})"
            with self._lock, self._translated():
                found.update(self._reader.execute(sql, part).fetchall())
        return [found[ordinal] for ordinal in ordinals]

    def living(self, ids: Iterable[str]) -> dict[str, int]:
        """The ordinals of those of ``ids`` that live now."""
        found: dict[str, int] = {}
        for part in _slices(list(ids), 500):
            sql = f"SELECT id, ordinal FROM documents WHERE dead IS NULL AND id IN ({_marks(part)})"
            with self._lock, self._translated():
                found.update(self._reader.execute(sql, part).fetchall())
        return found

    def check(self) -> Iterator[str]:
        """What is damaged: one line each, nothing if all is well. Reads everything."""
        with self._lock, self._translated():
            complaints = [str(row[0]) for row in self._reader.execute("PRAGMA integrity_check")]
            blocks = self._reader.execute("SELECT first, rows, crc FROM blocks ORDER BY first").fetchall()
        yield from (f"SQLite: {line}" for line in complaints if line != "ok")
        for part in _slices(range(self.lifetimes.count), 500):
            try:
                self.documents(part)
            except IndexCorrupt as error:
                yield str(error)
        if (covered := sum(rows for _, rows, _ in blocks)) != len(self.rows):
            yield f"vectors: blocks cover {covered} rows of {len(self.rows)}"
        for first, rows, crc in blocks:
            if self.rows[first : first + rows].crc() != crc:
                yield f"vectors: rows {first} to {first + rows - 1} are damaged"
        if np.any(np.diff(self.rows.ordinals) < 0):
            yield "vectors: rows are not in the order of their documents"

    # -- writing

    def commit(
        self, documents: Sequence[Document], rows: Rows | None = None, deleted: Iterable[str] = ()
    ) -> Commit:
        """Make a batch durable: new ``documents`` (each replaces a living one of its id), their vector
        ``rows`` (ordinals counted from 0 within the batch, ascending), and the ids to be ``deleted``."""
        first, seq, before = self.lifetimes.count, self.seq + 1, len(self.rows)
        dead = self.living([*(document.id for document in documents), *deleted])
        deaths = np.array(sorted(dead.values()), np.int64)
        dim = self.dim
        if rows is not None and len(rows):
            rows = Rows(rows.vectors, rows.ordinals + first, rows.spans)
            dim = rows.vectors.shape[1]
            self._files.write(before, rows)
            reach("ledger.vectors")
        added = 0 if rows is None else len(rows)
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE documents SET dead = ? WHERE ordinal = ?", ((seq, int(d)) for d in deaths)
            )
            born = ((first + i, document.id, seq) for i, document in enumerate(documents))
            connection.executemany("INSERT INTO documents (ordinal, id, born) VALUES (?, ?, ?)", born)
            bodies = (_body(first + i, document) for i, document in enumerate(documents))
            connection.executemany("INSERT INTO bodies VALUES (?, ?, ?, ?, ?)", bodies)
            if rows is not None and added:
                connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", (before, added, rows.crc()))
            meta = {"seq": seq, "rows": before + added, "dim": dim}
            connection.executemany(
                "UPDATE meta SET value = ? WHERE key = ?", ((str(v), k) for k, v in meta.items())
            )
            reach("ledger.inside")
        # Durable from here on. What follows only tells this process.
        reach("ledger.committed")
        self.dim, self.rows = dim, self._files.map(before + added, dim)
        self.lifetimes.kill(deaths, seq)
        self.lifetimes.append(np.full(len(documents), seq), np.full(len(documents), NEVER))
        self.seq = seq
        return Commit(seq, first, deaths)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        if self._writer is None:
            raise StorageError(f"{self._path}: opened for reading")
        with self._translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # A failed COMMIT (disk full) can leave the transaction open or already rolled back.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self._lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()  # last: it may then fold the log into the database file

    # -- inside

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        mode = "mode=rw" if not read_only else "mode=ro"
        if read_only and not os.access(self._path.parent, os.W_OK):
            mode = "immutable=1"  # WAL wants to write its shared memory even to read
        with self._translated():
            connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?{mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
            if not read_only:
                connection.execute("PRAGMA synchronous=FULL")
        return connection

    def _meta(self) -> dict[str, str]:
        with self._lock, self._translated():
            return dict(self._reader.execute("SELECT key, value FROM meta"))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                raise StorageError(f"{self._path}: {error}") from error
            raise IndexCorrupt(f"{self._path}: {error}; run: hybrid verify") from error


def _body(ordinal: int, document: Document) -> tuple[int, str, str, str, int]:
    metadata = json.dumps(document.metadata, ensure_ascii=False, separators=(",", ":"))
    return (
        ordinal,
        document.title,
        document.text,
        metadata,
        _crc(document.id, document.title, document.text, metadata),
    )


def _crc(*parts: str) -> int:
    crc = 0
    for part in parts:
        data = part.encode()
        crc = zlib.crc32(data, zlib.crc32(len(data).to_bytes(8, "little"), crc))
    return crc


def _slices(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))
