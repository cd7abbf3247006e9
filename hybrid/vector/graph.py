"""The sealed part of the vector leg: an HNSW graph whose labels are row numbers.

`hybrid.vector.hnsw` has the libraries. They must not insert beside a search on the same graph, so insertion
goes in slices short enough that no search waits long. A saved graph is only a cache of the ledger's
vectors: it is taken when its manifest (the index's UUID, rows, length, CRCs) matches and built again
otherwise, and no library ever sees a file that was not checked first, since a damaged one crashes the
process.

A library reads only its own files, whose names it stands in: ``graph.hnswlib.json`` describes
``graph-hnswlib-N.hnsw``. Graphs of two libraries may lie side by side, and whoever saves one leaves the
other alone. Earlier versions knew one library a precision and wrote ``graph.json`` and ``graph-N.hnsw``.
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

from hybrid.disk import manifest
from hybrid.disk.failpoints import reach
from hybrid.disk.folder import READERS, Folder
from hybrid.errors import IndexCorrupt, lacking
from hybrid.settings import Precision
from hybrid.threads import each
from hybrid.types import Matrix, Metric, Scores
from hybrid.vector import hnsw
from hybrid.vector.hnsw import EF_CONSTRUCTION as EF_CONSTRUCTION
from hybrid.vector.hnsw import M as M

EF_SEARCH: Final = 512
_PIECE: Final = 1 << 26
"""Bytes of a file that have a CRC of their own."""
_BLOCK: Final = 1 << 18  # read at once: it stays in the core's cache
_EARLIER: Final = "graph.json"
_GRAPH: Final = re.compile(r"graph-(?:(\w+)-)?\w+\.hnsw")  # and its library, but for earlier versions
_DRAFT: Final = re.compile(r"graph-\w+\.tmp")

Found: TypeAlias = tuple[NDArray[np.int64], Scores, int]
"""Row numbers, nearest first, their distances, and how many rows the graph then held."""


class Neighbours(Protocol):
    """The part of a graph that a search uses."""

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        ...

    @property
    def rounds(self) -> bool:
        """Whether the distances are those of rounded vectors, so that exact ones may order them anew."""
        ...

    def search(self, query: Scores, k: int, ef: int, /) -> Found | None:
        """Up to ``k`` row numbers near ``query`` (dim,), nearest first, by keeping ``ef`` in view."""
        ...


class Graph:
    """Approximate nearest rows, found by vectors of a ``precision``."""

    def __init__(
        self, metric: Metric, dim: int, precision: Precision = "float32", library: str | None = None
    ) -> None:
        """By ``library``, or the first choice among those that are installed. Raises MissingExtra where
        it, or any for the precision, is not."""
        self.metric: Metric = metric
        self.dim = dim
        self.precision: Precision = precision
        self._library = library
        self._gate = _Gate()
        self._empty()

    @property
    def rounds(self) -> bool:
        """Whether the distances are those of rounded vectors, so that exact ones may order them anew."""
        return self._hnsw.rounds

    @property
    def library(self) -> str:
        """The name of the library that has it."""
        return self._hnsw.library

    def insert(self, vectors: Matrix, stop: Callable[[], bool]) -> None:
        """Add ``vectors`` (n, dim) as the next rows, until all are in or ``stop`` says so. Where it fails,
        for lack of memory, say, the graph is empty afterwards: what failed may be in it by half."""
        if not len(vectors) or stop():
            return
        with self._alone():
            self._hnsw.prepare(self.rows, vectors)
        for start in range(0, len(vectors), self._hnsw.slice):
            if stop():
                return
            part = vectors[start : start + self._hnsw.slice]
            with self._alone():
                self._hnsw.add(part)
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
        self._hnsw, self.rows = hnsw.make(self.metric, self.dim, self.precision, self._library), 0

    def search(self, query: Scores, k: int, ef: int) -> Found | None:
        """Up to ``k`` row numbers near ``query``, nearest first, their distances (1 - the inner product, or
        the squared Euclidean one), and how many rows the graph then held. None where the library reaches
        fewer rows than it has and was asked for, and does not say which."""
        with self._gate:
            rows = self.rows
            if not rows:
                return np.empty(0, np.int64), np.empty(0, np.float32), 0
            found = self._hnsw.search(query, min(k, rows), ef)
        return None if found is None else (*found, rows)

    def search_many(self, queries: Matrix, k: int, ef: int) -> list[Found | None]:
        """``search`` of each of ``queries`` (n, dim), without a break for insertions."""
        with self._gate:
            if rows := self.rows:
                found = self._hnsw.search_many(queries, min(k, rows), ef)
                return [None if one is None else (*one, rows) for one in found]
        return [self.search(query, k, ef) for query in queries]

    def save(self, folder: Folder, uuid: str) -> None:
        """Write the graph and then its manifest, each durable before it counts."""
        name = f"graph-{self.library}-{self.rows}.hnsw"
        draft = f"graph-{uuid4().hex}.tmp"  # nobody else's, see Folder.native
        with self._gate:
            self._hnsw.save(Path(folder.native(draft)))
        size, crcs = _checksums(folder, draft, _PIECE)
        folder.sync(draft)
        reach("graph.written")
        folder.rename(draft, name)
        reach("graph.renamed")
        folder.sync()
        value = {"file": name, "rows": self.rows, "bytes": size, "crc32": crcs}
        same = identity(uuid, self.metric, self.dim, self.precision)
        manifest.write(folder, manifest_of(self.library), value | same)
        folder.sync()
        reach("graph.listed")
        self._tidy(folder, name)

    def _tidy(self, folder: Folder, kept: str) -> None:
        """Remove drafts of writers that died, and what this library saved before ``kept``."""
        replaced = {self.library}
        if _earlier_library(folder) in (self.library, None):
            folder.remove(_EARLIER)
            replaced.add("")
        for name in folder.names():
            graph = _GRAPH.fullmatch(name)
            if _DRAFT.fullmatch(name) or (graph and name != kept and (graph[1] or "") in replaced):
                folder.remove(name)

    def forget(self, folder: Folder) -> None:
        """Have the saved graph not be loaded again."""
        folder.remove(manifest_of(self.library))
        if _earlier_library(folder) in (self.library, None):
            folder.remove(_EARLIER)

    def load(self, folder: Folder, uuid: str, rows: int) -> str | None:
        """Take the saved graph over the first rows of ``rows`` into this empty one. The reason where it
        cannot be taken; None also where there is just none."""
        try:
            same = identity(uuid, self.metric, self.dim, self.precision)
            value = checked(folder, rows, self.library, same)
        except IndexCorrupt as complaint:
            return str(complaint)
        if value is not None:
            try:
                self._hnsw.load(Path(folder.native(value["file"])), value["rows"])
            except RuntimeError as error:  # another version of the library wrote it, say
                self._empty()
                return f"{folder / value['file']}: {error}"
            self.rows = value["rows"]
        return None


def manifest_of(library: str) -> str:
    """The name of the manifest of the graph that ``library`` has saved."""
    return f"graph.{library}.json"


MANIFESTS: Final = (*map(manifest_of, hnsw.LIBRARIES["float32"]), _EARLIER)
"""The names of all manifests that there may be."""


def choose(folder: Folder, precision: Precision, *, read_only: bool) -> str:
    """The library for the graph of ``folder``: of those that are installed the first that has saved one, or
    else the first. Raises MissingExtra where none is installed; also for a reader where only others have
    saved one, since each reader would build its own anew and throw it away."""
    known = hnsw.LIBRARIES[precision]
    installed = [library for library in known if not lacking(library)]
    saved = [library for library in known if _is_saved(folder, library)]
    if both := [library for library in installed if library in saved]:
        return both[0]
    if installed and not (read_only and saved):
        return installed[0]
    raise hnsw.missing("the saved graph" if saved else "a graph", (saved or known)[0])


def _is_saved(folder: Folder, library: str) -> bool:
    try:
        return _described(folder, library) is not None
    except IndexCorrupt:
        return False


def _described(folder: Folder, library: str) -> tuple[str, dict[str, Any]] | None:
    """The manifest of the graph that ``library`` has saved, and its name. Raises IndexCorrupt."""
    name = manifest_of(library)
    with suppress(FileNotFoundError):
        return name, manifest.read(folder, name)
    with suppress(FileNotFoundError):
        value = {"precision": "float32", **manifest.read(folder, _EARLIER)}  # the earliest knew no other
        if _library_then(value) == library:
            return _EARLIER, value
    return None


def _earlier_library(folder: Folder) -> str | None:
    """Whose graph an earlier version has saved; None where there is none, or nobody can tell."""
    with suppress(FileNotFoundError, IndexCorrupt):
        return _library_then({"precision": "float32", **manifest.read(folder, _EARLIER)})
    return None


def _library_then(value: dict[str, Any]) -> str:
    return "hnswlib" if value["precision"] == "float32" else "faiss"


def copy(folder: Folder, to: Folder) -> None:
    """Put all saved graphs into the folder ``to``. One that a newer replaces meanwhile is not missed: it is
    only a cache."""
    for name in MANIFESTS:
        with suppress(FileNotFoundError):
            file = str(manifest.read(folder, name).get("file"))
            if _GRAPH.fullmatch(file):
                folder.copy(file, to)
                folder.copy(name, to)


def identity(uuid: str, metric: Metric, dim: int, precision: Precision) -> dict[str, Any]:
    """The part of a manifest that says whose graph it is, and of which kind."""
    return {"uuid": uuid, "metric": metric, "dim": dim, "precision": precision}


def checked(folder: Folder, rows: int, library: str, same: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the graph that ``library`` has saved; None where there is none. IndexCorrupt unless
    it may be loaded as one over the first rows of ``rows``, of the ``same`` identity."""
    if (described := _described(folder, library)) is None:
        return None
    path, value = folder / described[0], described[1]
    try:
        if any(value[key] != wanted for key, wanted in same.items()):
            raise IndexCorrupt(f"{path}: belongs to another index")
        named = _GRAPH.fullmatch(str(value["file"]))
        if named is None or named[1] not in (library, None):
            raise IndexCorrupt(f"{path}: {value['file']!r} is no graph")
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
    """The length of a file, and the CRC of each ``piece`` bytes of it. Several threads: at a million
    documents it is nearly 2 GB, which somebody waits for."""
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
    """Many may be in at once (``with gate``), or one ``alone``. Neither starves the other: whoever wants to
    be alone holds newcomers back, and those it held back all go in before its next turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._inside = 0  # -1: somebody is alone
        self._wanted = False
        self._turn = 0
        self._waiting = 0
        self._owed = 0

    def __enter__(self) -> None:
        with self._lock:  # not by the condition, whose methods are in Python: every search comes by here
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
