"""What is wrong with an index that may not open, what of it can be built again, what can be saved."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import numpy as np

from hybrid.disk.folder import Folder
from hybrid.errors import CommitsLost, HybridError, IndexCorrupt
from hybrid.ledger import database, past, roster
from hybrid.ledger.bodies import Bodies
from hybrid.ledger.checksums import BODY, blocks, body, sealed
from hybrid.ledger.ledger import Ledger
from hybrid.ledger.passages import ROW, Piece, read, whole, with_rows
from hybrid.ledger.past import PastQuery
from hybrid.ledger.rows import RowFiles, Rows
from hybrid.lexical import published
from hybrid.metadata import kept
from hybrid.store.directory import Directory, Place
from hybrid.store.store import Store
from hybrid.store.verify import disagreements, overdue, unsearchable
from hybrid.types import Document
from hybrid.vector.graph import MANIFESTS

_SLICE = 100  # ordinals asked for at once; one by one where that fails


def examine(path: str | os.PathLike[str]) -> list[str]:
    """A line for each thing wrong, and what can be done; none if all is well. Reads everything."""
    unfound: list[str] = []
    try:
        with closing(Store.open(path, read_only=True)) as store, store.holding() as generation:
            damage = list(disagreements(generation))
            unfound += [*unsearchable(generation.snapshot), *overdue(generation)]
    except IndexCorrupt as error:
        damage = [str(error)]
    return unfound + ([*damage, _way_out(path)] if damage else [])


def _way_out(path: str | os.PathLike[str]) -> str:
    try:
        with _opened(path) as folder, closing(Ledger(folder, read_only=True)) as ledger:
            sound = not any(ledger.check())
            count = ledger.lifetimes.count - ledger.lifetimes.deaths
    except CommitsLost:
        return f"what is left of the ledger is sound; to keep it: hybrid verify {path} --repair"
    except HybridError:
        sound = False
    if sound:
        return f"all {count:,} documents are sound; to build the rest again: hybrid verify {path} --repair"
    try:
        documents, queries = _counted(salvage(path)), _counted(salvage_past_queries(path))
    except IndexCorrupt:
        return "nothing can be read; restore a backup"
    more = f" and {queries[0]:,} past queries of {queries[1]:,}" if queries[1] else ""
    also = " --past-queries PAST.jsonl" if queries[1] else ""
    return (
        f"{documents[0]:,} documents of {documents[1]:,}{more} can be read; restore a backup, "
        f"or save them with: hybrid export {path} SAVED.jsonl --salvage{also}"
    )


def _counted(found: Iterator[object]) -> tuple[int, int]:
    """Count those that are not None, and all."""
    left = total = 0
    for one in found:
        left, total = left + (one is not None), total + 1
    return left, total


def repair(path: str | os.PathLike[str]) -> None:
    """Build everything but the ledger again: pointer, head, both legs. Commits that the ledger has lost are
    given up. Raises IndexCorrupt where the ledger itself is damaged."""
    with closing(Directory.open(path)) as directory:
        directory.claim()
        name = _name(directory)
        with directory.folder.opened(name) as folder:
            uuid = _uuid(folder)
            for derived in (published.FILE, *MANIFESTS, kept.FILE, roster.FILE):
                folder.remove(derived)
        directory.point(Place(name, uuid))
    Store.open(path).close()


def _uuid(folder: Folder) -> str:
    try:
        ledger = Ledger(folder, read_only=True)
    except CommitsLost:
        folder.remove("head")
        ledger = Ledger(folder, read_only=True)
    with closing(ledger):
        return ledger.uuid


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Folder]:
    """The folder of the generation that counts."""
    with closing(Directory.open(path)) as directory, directory.folder.opened(_name(directory)) as folder:
        yield folder


def _name(directory: Directory) -> str:
    """The generation that counts, or the newest that is complete where nothing says which does."""
    try:
        return directory.current().name
    except IndexCorrupt:
        if names := directory.complete():
            return names[0]
        raise


def salvage(path: str | os.PathLike[str]) -> Iterator[Document | None]:
    """Every living document of a damaged index that can be read and is what was written, with its vectors
    where those are; None for each that is lost. Which ones were deleted is as the damage left it. A body
    whose row is damaged is read from the mapped copy. Raises IndexCorrupt where nothing can be read."""
    with _reading(path) as (folder, connection):
        rows = _sound_rows(folder, connection)
        uuid = _meta(connection).get("uuid", "unknown")  # no file says that it belongs to "unknown"
        with closing(Bodies(folder, uuid)) as mapped:
            for first in range(0, _count(connection), _SLICE):
                for found in _documents(connection, mapped, range(first, first + _SLICE)):
                    if found is None:
                        yield None
                    else:
                        ordinal, document = found
                        own = rows[rows.of(np.array([ordinal]))]
                        yield with_rows(document, own, _pieces(connection, ordinal, document))


def salvage_past_queries(path: str | os.PathLike[str]) -> Iterator[PastQuery | None]:
    """Every past query of a damaged index that can be read and is what was written, oldest first; None for
    each that is lost. Raises IndexCorrupt where nothing can be read."""
    with _reading(path) as (_, connection):
        for number in past.living_numbers(connection):
            sql = f"SELECT {past.COLUMNS} FROM past WHERE number = ?"
            try:
                yield past.read(*connection.execute(sql, (number,)).fetchone()).past
            except (sqlite3.Error, IndexCorrupt, TypeError):
                yield None


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[tuple[Folder, sqlite3.Connection]]:
    """The folder of the generation that counts, and a connection to its database."""
    with _opened(path) as folder:
        try:
            reader = database.Reader(folder)
        except sqlite3.Error as error:
            raise IndexCorrupt(f"{folder / database.FILE}: {error}; nothing can be read") from error
        with closing(reader):
            yield folder, reader.connection


def _count(connection: sqlite3.Connection) -> int:
    """How many ordinals there may be."""
    for table in ("documents", "bodies"):
        try:
            return int(
                connection.execute(f"SELECT coalesce(max(ordinal) + 1, 0) FROM {table}").fetchone()[0]
            )
        except (sqlite3.Error, TypeError, ValueError):
            continue
    return 0


def _documents(
    connection: sqlite3.Connection, mapped: Bodies, part: range
) -> Iterator[tuple[int, Document] | None]:
    """The living documents of some ordinals, each with its ordinal; None for each that is lost."""
    query = (
        f"SELECT ordinal, {BODY} FROM documents LEFT JOIN bodies USING (ordinal) "
        "WHERE dead IS NULL AND ordinal >= ? AND ordinal < ?"
    )
    try:
        found = connection.execute(query, (part.start, part.stop)).fetchall()
    except sqlite3.Error:
        if len(part) == 1:
            copy = _copy(mapped, part.start)
            yield copy if copy and _lives(connection, part.start, copy[1].id) else None
            return
        for ordinal in part:
            yield from _documents(connection, mapped, range(ordinal, ordinal + 1))
        return
    for row in found:
        try:
            yield int(row[0]), body(*row[1:])
        except (IndexCorrupt, ValueError, TypeError, AttributeError):
            yield _copy(mapped, int(row[0]))


def _copy(mapped: Bodies, ordinal: int) -> tuple[int, Document] | None:
    """The mapped copy of a document, if it is what was written."""
    return next(iter(mapped.documents([ordinal]).items()), None)


def _lives(connection: sqlite3.Connection, ordinal: int, id: str) -> bool:
    """Whether a document is not deleted: its row tells, or if that cannot be read the index of ids."""
    for way in ("NOT INDEXED WHERE ordinal = :ordinal", "INDEXED BY live_ids WHERE id = :id"):
        sql = f"SELECT ordinal FROM documents {way} AND dead IS NULL"
        with suppress(sqlite3.Error):
            found = connection.execute(sql, {"ordinal": ordinal, "id": id}).fetchone()
            return bool(found == (ordinal,))
    return False


def _pieces(connection: sqlite3.Connection, ordinal: int, document: Document) -> list[Piece] | None:
    """The passages of a document; None where they cannot be read."""
    try:
        if "passages" not in database.extras(connection):
            return whole(document.text)
        row = connection.execute(f"SELECT {ROW} FROM passages WHERE ordinal = ?", (ordinal,)).fetchone()
        return whole(document.text) if row is None else read(*row)
    except (sqlite3.Error, ValueError, TypeError, IndexError):
        return None


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    """The table ``meta``; empty where it is damaged."""
    try:
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        return meta if meta == sealed(meta) else {}
    except (sqlite3.Error, ValueError, TypeError, AttributeError):
        return {}


def _sound_rows(folder: Folder, connection: sqlite3.Connection) -> Rows:
    """The rows of all blocks that are what was written."""
    try:
        meta = _meta(connection)
        rows = RowFiles(folder).map(int(meta["rows"]), int(meta["dim"]))
        sound = [rows[start:end] for start, end, good in blocks(connection, rows) if good]
    except (sqlite3.Error, IndexCorrupt, OSError, ValueError, TypeError, KeyError):
        return Rows.none()
    if not sound:
        return Rows.none()
    return Rows(
        np.concatenate([part.vectors for part in sound]),
        np.concatenate([part.ordinals for part in sound]),
        np.concatenate([part.spans for part in sound]),
    )
