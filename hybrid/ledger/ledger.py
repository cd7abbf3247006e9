"""The truth: documents in SQLite, their vectors in append-only arrays.

Everything else in an index (the lexical leg, the graph, the metadata columns) is a projection that can
be rebuilt from here. A document's row is never edited: it is ``born`` with one sequence number and
``dead`` with a later one, so the index as of any sequence number can be read while a writer goes on.

A commit writes the vectors after the committed rows, syncs them unless they are few
(`hybrid.ledger.pending`), then runs ONE SQLite transaction (WAL, synchronous=FULL): bodies, births, deaths,
the row count, the sequence number, few vectors. That transaction is the commit, and its fsync is all that a
small one costs. Before it nothing of the batch exists; after it neither kill -9 nor power loss takes it
back.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, suppress
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias, TypeVar
from uuid import uuid4

import numpy as np

from hybrid.disk.failpoints import reach
from hybrid.disk.folder import Folder
from hybrid.errors import CommitsLost, HybridError, IndexCorrupt, StorageError
from hybrid.ledger import checksums, database, lifetimes
from hybrid.ledger.bodies import Bodies
from hybrid.ledger.changes import Counter
from hybrid.ledger.database import Action
from hybrid.ledger.head import Head
from hybrid.ledger.lifetimes import NEVER, Lifetimes
from hybrid.ledger.pending import RowLog
from hybrid.ledger.roster import Roster
from hybrid.ledger.rows import RowFiles, Rows
from hybrid.settings import Installed, Profile, Profiles, Settings
from hybrid.texts import check_lookup
from hybrid.types import Document, Ordinals

_T = TypeVar("_T")
_PART: Final = 500  # ordinals a statement
_SHOWN: Final = 100  # documents that are read to be shown; more are read to be copied
_BODIES: Final = f"SELECT ordinal, {checksums.BODY} FROM documents JOIN bodies USING (ordinal)"


@dataclass(frozen=True)
class Commit:
    """What one batch changed: its sequence number, the first of its new ordinals, who died."""

    seq: int
    first: int
    deaths: Ordinals


_CUT: Final = "cut"  # a key of the table meta
Listed: TypeAlias = Literal["synonyms", "user_words"]
LISTS: Final[tuple[Listed, ...]] = ("synonyms", "user_words")
"""Lists of lines that queries are read with; keys of the table meta, too."""


class Ledger:
    """The documents and vectors of one generation folder.

    Opening reads and checks everything but the bodies, which are checked as they are read. What is
    damaged raises IndexCorrupt; nothing here is ever repaired in silence.
    """

    def __init__(self, folder: Folder, *, read_only: bool = False) -> None:
        self._folder = folder
        if not folder.has(database.FILE):
            raise IndexCorrupt(f"{folder / database.FILE}: missing; restore a backup")
        self._arrays = RowLog(folder)
        self._lock = threading.Lock()  # sqlite3 connections are not for several threads at once
        self._writer: sqlite3.Connection | None = None
        with ExitStack() as opened, self._translated():
            self._source = database.Reader(self._folder)
            opened.callback(self._source.close)
            if not read_only:
                self._writer = database.writer(self._folder)
                opened.callback(self._writer.close)
                database.settle(self._folder)
                self._changes = Counter(self._folder)
            database.check_schema(self._folder, self._reader)
            if self._writer is not None:
                self._arrays.settle(self._writer)
            self._meta = self._checked_meta()
            self.uuid = self._meta["uuid"]
            self._roster = Roster(folder, self.uuid)
            self.settings = Settings.model_validate_json(self._meta["settings"])
            self._mapped = Bodies(folder, self.uuid)
            opened.callback(self._mapped.close)
            self._head = Head(folder, self.uuid)
            known = self._head.read()
            self._version, self.seq, self.lifetimes, self.rows = -1, -1, Lifetimes(), Rows.none()
            self.refresh()
            self._compare(known, read_only)
            opened.pop_all()
        self._pid, self._closed = os.getpid(), False

    def _compare(self, known: int | None, read_only: bool) -> None:
        """With what the head knew before the ledger was read."""
        if known is not None and known > self.seq:
            raise CommitsLost(
                f"{self._folder / database.FILE}: commits {self.seq + 1} to {known} are lost; restore a "
                f"backup, or keep what is left with: hybrid verify {self._folder.path.parent} --repair"
            )
        if known != self.seq and not read_only:
            self._head.write(self.seq)

    @classmethod
    def create(cls, folder: Folder, settings: Settings, profiles: Profiles, seq: int = 0) -> str:
        """Lay an empty ledger down in ``folder``, which exists; returns its UUID."""
        RowFiles(folder).create()
        uuid = uuid4().hex
        with database.translated(folder), closing(database.create(folder)) as connection:
            meta = {
                "uuid": uuid,
                "settings": settings.model_dump_json(),
                "profiles": profiles.model_dump_json(),
            }
            meta |= {"seq": str(seq), "rows": "0", "dim": "0", "digest": "0", _CUT: "1"}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", checksums.sealed(meta).items())
        Head(folder, uuid).write(seq)
        return uuid

    # -- reading

    @property
    def _reader(self) -> sqlite3.Connection:
        return self._source.connection

    def refresh(self) -> bool:
        """Read what other connections have committed since the last look; True if there was any."""
        with self._lock, self._translated():
            if self._source.stale():
                self._source.reopen()
                self._version = -1
            version = int(self._reader.execute("PRAGMA data_version").fetchone()[0])
            if version == self._version:
                return False
            fresh, self._version = self._version < 0, -1  # whatever interrupts this, the next look is whole
            self._read(lambda _: self._load(fresh))
            self._version = version
            return True

    def _read(self, action: Action) -> None:
        """``action`` on one state of the tables, whatever is committed meanwhile. Call it with the lock."""
        try:
            database.transact(self._reader, action)
        except (ValueError, TypeError, OverflowError) as error:  # no number where one was written
            raise database.damaged(self._folder, error) from error

    def _load(self, fresh: bool) -> None:
        meta = self._checked_meta()
        rows = self._arrays.load(
            self._reader, int(meta["rows"]), int(meta["dim"]), 0 if fresh else len(self.rows)
        )
        digest = int(meta["digest"])
        if fresh:
            known = self._roster.whole(self._reader, digest)
            if self._writer is not None:  # only a writer looks ids up there
                self._roster.check_ids(self._reader, known)
        else:
            known = self._roster.follow(self._reader, digest, self.seq, self.lifetimes)
        self._meta, self.profiles = meta, _profiles(meta)
        self.dim, self.rows, self.lifetimes, self.seq = int(meta["dim"]), rows, known, int(meta["seq"])

    def _checked_meta(self) -> dict[str, str]:
        meta = dict(self._reader.execute("SELECT key, value FROM meta"))
        if meta != checksums.sealed(meta):
            raise database.damaged(self._folder, "the table meta is damaged")
        return meta

    def documents(self, ordinals: Sequence[int] | Ordinals) -> list[Document]:
        """The bodies of some ordinals, in their order."""
        wanted = [int(ordinal) for ordinal in ordinals]
        found = self._mapped.documents(wanted)
        if rest := [ordinal for ordinal in wanted if ordinal not in found]:
            for part in _slices(rest, _PART):
                found.update(self._bodies(part))
            self._mend(rest, found)
        if missing := [ordinal for ordinal in wanted if ordinal not in found]:
            raise IndexCorrupt(
                f"{self._folder / database.FILE}: no body for ordinal {missing[0]}; run: hybrid verify"
            )
        return [found[ordinal] for ordinal in wanted]

    def _mend(self, ordinals: Sequence[int], documents: Mapping[int, Document]) -> None:
        """A writer maps what was shown and not mapped: of an older version, or lost in a power cut."""
        if self._writer is not None and len(ordinals) <= _SHOWN:
            there = sorted(ordinal for ordinal in ordinals if ordinal in documents)
            self._mapped.write((ordinal, checksums.row(documents[ordinal])) for ordinal in there)

    def _bodies(self, ordinals: Sequence[int]) -> Iterator[tuple[int, Document]]:
        for ordinal, *rest in self.query(f"{_BODIES} WHERE ordinal IN ({_marks(ordinals)})", ordinals):
            yield ordinal, self._checked(checksums.body, ordinal, rest)

    def _checked(self, read: Callable[..., _T], ordinal: int, row: Sequence[Any]) -> _T:
        try:
            return read(*row)
        except (IndexCorrupt, TypeError, AttributeError) as error:
            raise database.damaged(self._folder, f"ordinal {ordinal}: {error}") from error

    def metadata(self, first: int, end: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """The ordinals from ``first`` below ``end``, ascending, each with its metadata."""
        sql = f"{_BODIES} WHERE ordinal >= ? AND ordinal < ? ORDER BY ordinal"
        found = self.query(sql, (first, end))
        if len(found) != end - first:
            raise database.damaged(self._folder, f"bodies are missing from ordinal {first} on")
        for ordinal, *rest in found:
            yield ordinal, self._checked(checksums.fields, ordinal, rest)

    def ids(self, ordinals: Sequence[int]) -> list[str]:
        """The documents' ids of some ordinals, in their order."""
        marks, mapped = self.lifetimes.marks[list(ordinals)], self._mapped.ids(ordinals)
        if len(mapped) == len(ordinals):
            ids = [mapped[ordinal] for ordinal in ordinals]
            if np.array_equal(lifetimes.marks(ids), marks):
                return ids
        found: dict[int, str] = {}
        for part in _slices(ordinals, _PART):
            sql = f"SELECT ordinal, id FROM documents WHERE ordinal IN ({_marks(part)})"
            found.update(self.query(sql, part))
        ids = [found[ordinal] for ordinal in ordinals]
        if not np.array_equal(lifetimes.marks(ids), marks):
            raise database.damaged(self._folder, "ids are not those that were written")
        return ids

    def rewrite_bodies(self) -> None:
        """Write the mapped bodies anew from the tables. Raises IndexCorrupt."""
        self._mapped.wipe()
        for part in _slices(range(self.lifetimes.count), _PART):
            bodies = [document for _, document in sorted(self._bodies(part), key=itemgetter(0))]
            self._mapped.append(part[0], map(checksums.row, bodies))

    def damaged(self, what: object) -> IndexCorrupt:
        return database.damaged(self._folder, what)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of a SELECT."""
        with self._lock, self._translated():
            return self._reader.execute(sql, parameters).fetchall()

    def found(self, ids: Iterable[str], count: int, seq: int) -> dict[str, int]:
        """The ordinals of those of ``ids`` that lived as of sequence number ``seq``, ascending, when there
        were ``count`` ordinals."""
        wanted = {id if id.isascii() else check_lookup(id) for id in ids}
        # By sorting, which for few ids is a comparison with each: a table would be larger than the marks.
        marked = np.isin(self.lifetimes.marks[:count], lifetimes.marks(wanted), kind="sort")
        likely = np.flatnonzero(marked)
        likely = likely[self.lifetimes.dead[likely] > seq]
        ordinals = likely.tolist()
        return {id: at for id, at in zip(self.ids(ordinals), ordinals, strict=True) if id in wanted}

    def living(self, ids: Iterable[str]) -> dict[str, int]:
        """The ordinals of those of ``ids`` that live now."""
        found: dict[str, int] = {}
        for part in _slices(list(ids), _PART):
            sql = f"SELECT id, ordinal FROM documents WHERE dead IS NULL AND id IN ({_marks(part)})"
            found.update(self.query(sql, part))
        return found

    def check(self) -> Iterator[str]:
        """Check everything; yield a line for each thing that is damaged."""
        complaints = [str(row[0]) for row in self.query("PRAGMA integrity_check")]
        yield from (f"SQLite: {line}" for line in complaints if line != "ok")
        try:
            with self._lock, self._translated():  # what opening did not read, where that was kept
                self._read(lambda db: self._roster.follow(db, int(self._checked_meta()["digest"])))
        except IndexCorrupt as error:
            yield str(error)
        for part in _slices(range(self.lifetimes.count), _PART):
            try:
                true = dict(self._bodies(part))
            except IndexCorrupt as error:
                yield str(error)
                continue
            if missing := [ordinal for ordinal in part if ordinal not in true]:
                yield str(self.damaged(f"no body for ordinal {missing[0]}"))
            mapped = self._mapped.documents(part)
            if other := [ordinal for ordinal in mapped if mapped[ordinal] != true.get(ordinal)]:
                yield str(self.damaged(f"the mapped body of ordinal {other[0]} is another one"))
        if np.any(np.diff(self.rows.ordinals) < 0):
            yield "vectors: rows are not in the order of their documents"

    def copy(self, to: Folder, progress: Callable[[float], None] | None = None) -> None:
        """Put what is committed now into the empty folder ``to``; ``progress`` is told of shares of 1."""
        with (
            self._translated(),
            closing(database.Reader(self._folder)) as source,
            closing(database.blank(to)) as target,
        ):
            source.connection.backup(target)
            meta = dict(target.execute("SELECT key, value FROM meta"))
        if meta != checksums.sealed(meta):
            raise database.damaged(self._folder, "the table meta is damaged")
        # After the rows were counted: what is committed of the arrays never changes.
        self._arrays.files.copy(to, int(meta["rows"]), int(meta["dim"]), progress)
        Head(to, meta["uuid"]).write(int(meta["seq"]))

    # -- writing

    def commit(
        self,
        documents: Sequence[Document],
        rows: Rows | None = None,
        deleted: Iterable[str] = (),
        after: int = -1,
        also: Action = lambda _: None,
    ) -> Commit:
        """Make a batch durable: new ``documents`` (each replaces a living one of its id), their vector
        ``rows`` (ordinals counted from 0 within the batch, ascending), the ids to be ``deleted``, and what
        ``also`` does in the same transaction. Its sequence number is above the last one and ``after``."""
        first, seq, before = self.lifetimes.count, max(self.seq, after) + 1, len(self.rows)
        deaths = np.array(
            sorted(self.living([*(document.id for document in documents), *deleted]).values()), np.int64
        )
        bodies = [checksums.row(document) for document in documents]
        births, dim, added = lifetimes.marks(document.id for document in documents), self.dim, 0
        if rows is not None and len(rows):
            rows = Rows(rows.vectors, rows.ordinals + first, rows.spans)
            dim, added = rows.vectors.shape[1], len(rows)
            with self._translated():
                durable = self._arrays.write(self._writing, before, rows)
            reach("ledger.vectors")
        digest = self.lifetimes.after(deaths, births, seq)
        changed = {"seq": seq, "rows": before + added, "dim": dim, "digest": digest}
        meta = checksums.sealed(self._meta | {key: str(value) for key, value in changed.items()})
        version, self._version = self._version, -1  # whatever interrupts this, the next look is whole

        def record(connection: sqlite3.Connection) -> None:
            self._record(connection, first, seq, bodies, deaths)
            also(connection)
            if rows is not None and added:
                self._arrays.record(connection, before, rows, durable)
            connection.executemany(
                "UPDATE meta SET value = ? WHERE key = ?", ((v, k) for k, v in meta.items())
            )
            reach("ledger.inside")

        self.change(record)
        # Durable from here on. What follows only tells this process.
        reach("ledger.committed")
        mapped = self._arrays.files.map(before + added, dim) if added else self.rows
        self.lifetimes.kill(deaths, seq)
        self.lifetimes.append(np.full(len(documents), seq), np.full(len(documents), NEVER), births)
        # Set last: a concurrent reader must not see rows before their documents.
        self.dim, self.rows, self._meta = dim, mapped, meta
        self.seq, self._version = seq, version
        self._head.write(seq)
        self._mapped.append(first, bodies)
        return Commit(seq, first, deaths)

    @property
    def cut(self) -> bool:
        """Whether it says of each document which passages it is; the first versions' do not."""
        return _CUT in self._meta

    def now_cut(self, also: Action) -> None:
        """It does from now on. ``also`` is done with it."""
        self._rewrite({_CUT: "1"}, also)

    def listed(self, name: Listed) -> str | None:
        """The id of the model that holds the list; None where none was given."""
        return self._meta.get(name) or None

    def use_list(self, name: Listed, id: str | None) -> None:
        """Answer queries with another list; no commit of documents."""
        self._rewrite({name: id or ""})

    def install(self, profiles: Profiles) -> None:
        """Serve with another profile; no commit of documents, so the sequence number stays."""
        self._rewrite({"profiles": profiles.model_dump_json()})
        self.profiles = profiles

    def reanalysed(self, settings: Settings, profiles: Profiles, also: Action) -> None:
        """The lexical leg is another analyzer's now: that of ``settings``. ``also`` is done with it."""
        changed = {"settings": settings.model_dump_json(), "profiles": profiles.model_dump_json()}
        self._rewrite(changed, also)
        self.settings, self.profiles = settings, profiles

    def _rewrite(self, changed: Mapping[str, str], also: Action = lambda _: None) -> None:
        meta = checksums.sealed({**self._meta, **changed})
        version, self._version = self._version, -1

        def write(connection: sqlite3.Connection) -> None:
            also(connection)
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())

        self.change(write)
        self._meta, self._version = meta, version

    def change(self, action: Action) -> None:
        """Do something to the tables, durably."""
        writer = self._writing
        with self._translated(), self.changing():
            database.transact(writer, action, "BEGIN IMMEDIATE")

    def changing(self) -> AbstractContextManager[None]:
        """Have readers look again once the block has ended."""
        return self._changes.changing()

    def _record(
        self,
        connection: sqlite3.Connection,
        first: int,
        seq: int,
        bodies: Sequence[checksums.Row],
        deaths: Ordinals,
    ) -> None:
        connection.executemany(
            "UPDATE documents SET dead = ? WHERE ordinal = ?", ((seq, int(ordinal)) for ordinal in deaths)
        )
        born = ((first + i, id, seq) for i, (id, *_) in enumerate(bodies))
        database.insert(connection, "documents (ordinal, id, born)", born)
        database.insert(connection, "bodies", ((first + i, *rest) for i, (_, *rest) in enumerate(bodies)))

    @property
    def certain(self) -> bool:
        """Whether this process knows what is committed; not after a commit that was interrupted."""
        return self._version >= 0

    @property
    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            raise StorageError(f"{self._folder / database.FILE}: opened for reading")
        return self._writer

    def keep(self) -> None:
        """A writer spares the next process to read all births and deaths."""
        if self._writer is not None and self.certain:
            self._roster.keep(self.seq, self.lifetimes)

    def __del__(self) -> None:
        """In order, also where nobody has closed it: see ``database.leave``."""
        with suppress(AttributeError, HybridError, OSError, sqlite3.Error):
            if os.getpid() == self._pid:
                self.close()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._mapped.close()
        with suppress(OSError, StorageError, sqlite3.Error):  # what is pending is as durable
            if self._writer is not None and self._arrays.settle(self._writer):
                self.change(self._arrays.forget)
        with self._lock, closing(self._source):
            if self._writer is not None:
                database.leave(self._writer)

    def _translated(self) -> AbstractContextManager[None]:
        return database.translated(self._folder)


def _profiles(meta: Mapping[str, str]) -> Profiles:
    if "profiles" in meta:
        return Profiles.model_validate_json(meta["profiles"])
    profile = Profile.model_validate_json(meta["profile"])  # as the first versions wrote it
    return Profiles(serves=1, history=(Installed(number=1, profile=profile, date=""),))


def _slices(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _marks(items: Sequence[object]) -> str:
    return ",".join("?" * len(items))
