"""The sealed part of the vector leg: a graph, or what another family has instead, of the older rows.

`hybrid.vector.families` has the finders. They must not insert during a search, so rows are inserted in
slices so short that no search waits long. A saved graph is only a cache of the ledger's vectors: it is
loaded if its manifest (the index's UUID, family, rows, length, CRCs) matches, and built again otherwise.
Every file is checked before a library reads it, since a damaged one crashes the process.

A library reads only its own files, whose names contain its name: ``graph.hnswlib.json`` describes
``graph-hnswlib-N.hnsw``. Graphs of two libraries may exist side by side; saving one does not touch the
other. Earlier versions had one library per precision and wrote ``graph.json`` and ``graph-N.hnsw``.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from hybrid.ann import HNSW, PRECISIONS, Family
from hybrid.disk import manifest
from hybrid.disk.failpoints import reach
from hybrid.disk.folder import READERS, Folder
from hybrid.errors import IndexCorrupt, lacking
from hybrid.threads import each
from hybrid.types import Mask, Matrix, Metric, Scores
from hybrid.vector import families
from hybrid.vector.finder import Finder

_USUAL: Final = HNSW()
_PIECE: Final = 1 << 26
"""Each piece of this many bytes of a file has its own CRC."""
_BLOCK: Final = 1 << 18  # bytes read at once: they fit into the core's cache
_EARLIER: Final = "graph.json"
_GRAPH: Final = re.compile(
    r"graph-(?:(\w+)-)?\w+\.(?:hnsw|ann)"
)  # earlier versions did not name the library
_DRAFT: Final = re.compile(r"graph-\w+\.tmp")

Found: TypeAlias = tuple[NDArray[np.int64], Scores, int]
"""Row numbers, nearest first, their distances, and the number of rows in the graph at that time."""


class Neighbours(Protocol):
    """The part of a graph that a search uses."""

    @property
    def rows(self) -> int:
        """The number of rows in the graph."""
        ...

    @property
    def finder(self) -> Finder:
        """How it is best searched."""
        ...

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None, /) -> Found | None:
        """Find up to ``k`` rows near ``query`` (dim,), nearest first, with an ``effort`` in the unit of
        the family."""
        ...


class Graph:
    """Finds nearest rows approximately, as one of the families does."""

    def __init__(
        self, metric: Metric, dim: int, family: Family = _USUAL, library: str | None = None
    ) -> None:
        """Use ``library``, or the first choice among those installed. Raises MissingExtra if it, or any for
        the family, is not installed."""
        self.metric: Metric = metric
        self.dim = dim
        self.family = family
        self._library = library
        self._gate = _Gate()
        self._empty()

    @property
    def finder(self) -> Finder:
        """How it is best searched."""
        return self._finder

    @property
    def library(self) -> str:
        """The name of the library in use."""
        return self._finder.library

    def anew(self) -> Graph:
        """Return an empty graph of the same kind."""
        return Graph(self.metric, self.dim, self.family, self._library)

    def insert(self, vectors: Matrix, stop: Callable[[], bool]) -> None:
        """Add ``vectors`` (n, dim) as the next rows, until all are in or ``stop()`` is true. The first are
        learned from. If it fails, for example for lack of memory, the graph is emptied: a row may have been
        half inserted."""
        if not len(vectors) or stop():
            return
        if not self.rows and not self._finder.train(vectors, stop):
            return
        with self._alone():
            self._finder.prepare(self.rows, vectors)
        for start in range(0, len(vectors), self._finder.slice):
            if stop():
                return
            part = vectors[start : start + self._finder.slice]
            with self._alone():
                self._finder.add(part)
                self.rows += len(part)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._gate.alone():
            try:
                yield
            except BaseException:
                self._empty()
                raise

    def _empty(self) -> None:
        self._finder, self.rows = families.make(self.family, self.metric, self.dim, self._library), 0

    def search(self, query: Scores, k: int, effort: int, passing: Mask | None = None) -> Found | None:
        """Find up to ``k`` rows near ``query``, nearest first, with their distances (1 - the inner product,
        or the squared Euclidean distance) and the number of rows in the graph at that time. ``passing``:
        the rows, bool (n,), among which to search, for a finder that sifts. Returns None if the library
        reaches fewer than min(k, rows) and does not tell which."""
        with self._gate:
            rows = self.rows
            if not rows:
                return np.empty(0, np.int64), np.empty(0, np.float32), 0
            found = self._finder.search(query, min(k, rows), effort, passing)
        return None if found is None else (*found, rows)

    def search_many(self, queries: Matrix, k: int, effort: int) -> list[Found | None]:
        """``search`` for each of ``queries`` (n, dim), without insertions in between."""
        with self._gate:
            if rows := self.rows:
                found = self._finder.search_many(queries, min(k, rows), effort)
                return [None if one is None else (*one, rows) for one in found]
        return [self.search(query, k, effort) for query in queries]

    def save(self, folder: Folder, uuid: str) -> None:
        """Write the graph and then its manifest, each durable before it is used."""
        kind = "hnsw" if isinstance(self.family, HNSW) else "ann"
        name = f"graph-{self.library}-{self.rows}.{kind}"
        draft = f"graph-{uuid4().hex}.tmp"  # a unique name, see Folder.native
        with self._gate:
            self._finder.save(Path(folder.native(draft)))
            state = dict(self._finder.state())
        size, crcs = _checksums(folder, draft, _PIECE)
        folder.sync(draft)
        reach("graph.written")
        folder.rename(draft, name)
        reach("graph.renamed")
        folder.sync()
        value = {"file": name, "rows": self.rows, "bytes": size, "crc32": crcs, "state": state}
        same = identity(uuid, self.metric, self.dim, self.family)
        manifest.write(folder, manifest_of(self.library), value | same)
        folder.sync()
        reach("graph.listed")
        self._tidy(folder, name)

    def _tidy(self, folder: Folder, kept: str) -> None:
        """Remove drafts of writers that died, and graphs that this library saved before ``kept``."""
        replaced = {self.library}
        if _earlier_library(folder) in (self.library, None):
            folder.remove(_EARLIER)
            replaced.add("")
        for name in folder.names():
            graph = _GRAPH.fullmatch(name)
            if _DRAFT.fullmatch(name) or (graph and name != kept and (graph[1] or "") in replaced):
                folder.remove(name)

    def forget(self, folder: Folder) -> None:
        """Remove the manifest, so that the saved graph is never loaded again."""
        folder.remove(manifest_of(self.library))
        if _earlier_library(folder) in (self.library, None):
            folder.remove(_EARLIER)

    def load(self, folder: Folder, uuid: str, rows: int) -> str | None:
        """Load the saved graph, which must cover at most ``rows`` rows, into this empty one. Returns the
        reason if it cannot be used; None if it was loaded or there is none."""
        try:
            same = identity(uuid, self.metric, self.dim, self.family)
            value = checked(folder, rows, self.library, same)
        except IndexCorrupt as complaint:
            return str(complaint)
        if value is not None:
            try:
                file = Path(folder.native(value["file"]))
                self._finder.load(file, value["rows"], value.get("state", {}))
            except (
                RuntimeError,
                KeyError,
            ) as error:  # for example, another version of the library wrote it
                self._empty()
                return f"{folder / value['file']}: {error}"
            self.rows = value["rows"]
        return None


def manifest_of(library: str) -> str:
    """Return the name of the manifest of graphs saved by ``library``."""
    return f"graph.{library}.json"


MANIFESTS: Final = (*map(manifest_of, families.ALL), _EARLIER)
"""All possible names of manifests."""


def choose(folder: Folder, family: Family, *, read_only: bool) -> str:
    """Choose the library for the graph of ``folder``: the first installed one that has saved a graph, or
    else the first installed one. Raises MissingExtra if none is installed; also for a reader if only
    libraries that are not installed have saved one, since each reader would build its own graph and
    discard it."""
    known = families.libraries(family)
    installed = [library for library in known if not lacking(library)]
    saved = [library for library in known if _is_saved(folder, library)]
    if both := [library for library in installed if library in saved]:
        return both[0]
    if installed and not (read_only and saved):
        return installed[0]
    raise families.missing("the saved graph" if saved else "a graph", (saved or known)[0])


def _is_saved(folder: Folder, library: str) -> bool:
    try:
        return _described(folder, library) is not None
    except IndexCorrupt:
        return False


def _described(folder: Folder, library: str) -> tuple[str, dict[str, Any]] | None:
    """Read the manifest of the graph saved by ``library``: its name and content. Raises IndexCorrupt."""
    name = manifest_of(library)
    with suppress(FileNotFoundError):
        return name, _named(manifest.read(folder, name))
    with suppress(FileNotFoundError):
        value = manifest.read(folder, _EARLIER)
        if _library_then(value) == library:
            return _EARLIER, _named(value)
    return None


def _named(value: dict[str, Any]) -> dict[str, Any]:
    """A manifest with the family: earlier versions wrote the precision, and the earliest knew only one."""
    precision = value.get("precision", "float32")
    known = str(HNSW(precision=precision)) if precision in PRECISIONS else None
    return {"ann": known, **value}


def _earlier_library(folder: Folder) -> str | None:
    """Return the library of a graph saved by an earlier version; None if there is none or it is
    unreadable."""
    with suppress(FileNotFoundError, IndexCorrupt):
        return _library_then(manifest.read(folder, _EARLIER))
    return None


def _library_then(value: dict[str, Any]) -> str:
    return "hnswlib" if value.get("precision", "float32") == "float32" else "faiss"


def copy(folder: Folder, to: Folder) -> None:
    """Copy all saved graphs into the folder ``to``. One that is replaced meanwhile is skipped: it is only a
    cache."""
    for name in MANIFESTS:
        with suppress(FileNotFoundError):
            file = str(manifest.read(folder, name).get("file"))
            if _GRAPH.fullmatch(file):
                folder.copy(file, to)
                folder.copy(name, to)


def identity(uuid: str, metric: Metric, dim: int, family: Family) -> dict[str, Any]:
    """Return the part of a manifest that identifies the index and the kind of graph."""
    return {"uuid": uuid, "metric": metric, "dim": dim, "ann": str(family)}


def checked(folder: Folder, rows: int, library: str, same: dict[str, Any]) -> dict[str, Any] | None:
    """Read and check the manifest of the graph saved by ``library``; None if there is none. Raises
    IndexCorrupt unless the graph has the ``same`` identity, is undamaged and covers at most ``rows``
    rows."""
    if (described := _described(folder, library)) is None:
        return None
    path, value = folder / described[0], described[1]
    try:
        if any(value[key] != wanted for key, wanted in same.items()):
            raise IndexCorrupt(f"{path}: belongs to another index")
        named = _GRAPH.fullmatch(str(value["file"]))
        if named is None or named[1] not in (library, None):
            raise IndexCorrupt(f"{path}: {value['file']!r} is not a graph")
        known = value["crc32"]
        crcs, piece = (known, _PIECE) if isinstance(known, list) else ([known], value["bytes"])
        if (value["bytes"], crcs) != _checksums(folder, str(value["file"]), piece):
            raise IndexCorrupt(f"{folder / value['file']}: damaged")
        if not 0 < value["rows"] <= rows:
            raise IndexCorrupt(f"{path}: {value['rows']} rows in the graph, {rows} in the ledger")
    except FileNotFoundError as error:
        raise IndexCorrupt(f"{error.filename}: missing") from error
    except (KeyError, TypeError) as error:
        raise IndexCorrupt(f"{path}: damaged: {error}") from error
    return value


def _checksums(folder: Folder, name: str, piece: int) -> tuple[int, list[int]]:
    """Return the length of a file and the CRC of each ``piece`` bytes. Uses several threads: for a million
    documents the file has nearly 2 GB, and opening waits for it."""
    size = folder.stat(name).st_size
    starts = range(0, size, piece)
    return size, each(lambda start: _crc(folder, name, start, piece), starts, READERS)


def _crc(folder: Folder, name: str, start: int, length: int) -> int:
    crc = 0
    room = memoryview(bytearray(_BLOCK))
    with os.fdopen(folder.descriptor(name), "rb", buffering=0) as file:
        file.seek(start)
        while length and (got := file.readinto(room[: min(length, _BLOCK)])):
            crc = zlib.crc32(room[:got], crc)
            length -= got
    return crc


class _Gate:
    """A fair readers-writer lock: many may be in at once (``with gate``), or one ``alone``. Neither side
    starves: a waiting writer holds newcomers back, and those it held back all enter before its next
    turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0  # -1: a writer is alone inside
        self._wanted = False
        self._turn = 0
        self._waiting = 0
        self._owed = 0

    def __enter__(self) -> None:
        with self._lock:  # every search passes here; the condition's methods, in Python, would be slower
            if self._inside < 0 or self._wanted:
                self._wait()
            self._inside += 1

    def _wait(self) -> None:
        turn = self._turn
        self._waiting += 1
        while self._inside < 0 or (self._wanted and turn == self._turn):
            self._changed.wait()
        self._waiting -= 1
        self._owed -= turn != self._turn

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._wanted:
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._wanted = True
            while self._inside or self._owed:
                self._changed.wait()
            self._inside, self._wanted = -1, False
        try:
            yield
        finally:
            with self._changed:
                self._inside, self._owed = 0, self._waiting
                self._turn += 1
                self._changed.notify_all()
