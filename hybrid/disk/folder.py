"""An opened folder, and all operations on the files in it.

A path is resolved anew at each use, and by then it may lead to another folder: after a change of the
working directory, a move, a switched symbolic link, or ``rmtree`` and a new index. A descriptor stays
with the folder that was opened, so an index accesses its files only through a `Folder`.

Windows has no such descriptors and needs none: a folder cannot be moved there while a file in it is open.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

READERS: Final = 4
"""Threads that read and check large files."""

_BY_DESCRIPTOR: Final = {os.open, os.stat, os.unlink, os.rename, os.mkdir, os.link} <= os.supports_dir_fd
_OPENED: Final = "/proc/self/fd"
_NO_FOLDER: Final = -1
_BLOCK: Final = 1 << 30  # bytes written at once, which systems limit
_NO_LINKS: Final = {errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
"""Errors of file systems that have no hard links, or allow them only to a file's owner."""


class Folder:
    """The folder that was at ``path`` (absolute, for messages) when it was opened.

    Names are of files and folders directly in it; a name that leads elsewhere is refused. Raises OSErrors
    whose ``filename`` begins with ``path``. Close it when no thread uses it any more.
    """

    def __init__(self, path: Path, descriptor: int = _NO_FOLDER) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Raises FileNotFoundError, NotADirectoryError, OSError."""
        absolute = Path(path).absolute()
        if _BY_DESCRIPTOR:
            return cls(absolute, os.open(absolute, os.O_RDONLY | os.O_DIRECTORY))
        if not absolute.is_dir():
            code = errno.ENOTDIR if absolute.exists() else errno.ENOENT
            raise OSError(code, os.strerror(code), str(absolute))
        return cls(absolute)

    def folder(self, name: str) -> Folder:
        """Open a folder in this one; a symbolic link is refused."""
        if not _BY_DESCRIPTOR:
            return Folder.open(self.path / name)
        return Folder(self.path / name, self.descriptor(name, os.O_DIRECTORY | os.O_NOFOLLOW))

    def make(self, name: str) -> Folder:
        """Make a new folder in this one, and open it."""
        with self._naming(name) as (at, where):
            os.mkdir(at, **where)
        return self.folder(name)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, _NO_FOLDER
        if descriptor != _NO_FOLDER:
            os.close(descriptor)

    def __del__(self) -> None:
        with suppress(AttributeError, OSError):
            self.close()

    def __truediv__(self, name: str) -> Path:
        """The path that ``name`` had when the folder was opened, for messages."""
        return self.path / name

    def __str__(self) -> str:
        return str(self.path)

    # -- looking

    def names(self) -> list[str]:
        """List the names in the folder, sorted."""
        return sorted(os.listdir(self._descriptor if _BY_DESCRIPTOR else self.path))

    def stat(self, name: str) -> os.stat_result:
        with self._naming(name) as (at, where):
            return os.stat(at, **where)

    def has(self, name: str) -> bool:
        try:
            self.stat(name)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def is_folder(self, name: str) -> bool:
        """Whether ``name`` is a folder and not a link to one."""
        with self._naming(name) as (at, where), suppress(FileNotFoundError, NotADirectoryError):
            return stat.S_ISDIR(os.lstat(at, **where).st_mode)
        return False

    @property
    def writable(self) -> bool:
        """Whether this process may create files here."""
        with self._naming(".") as (at, where):
            return os.access(at, os.W_OK, **where)

    @property
    def deleted(self) -> bool:
        """Whether the folder has been deleted (not just moved)."""
        if _BY_DESCRIPTOR:
            return os.fstat(self._descriptor).st_nlink == 0
        return not self.path.exists()

    # -- reading and writing

    def descriptor(self, name: str, flags: int = os.O_RDONLY) -> int:
        """Open a file; the caller closes it."""
        with self._naming(name) as (at, where):
            return os.open(at, flags | os.O_CLOEXEC, 0o666, **where)

    def reading(self, name: str) -> BinaryIO:
        return os.fdopen(self.descriptor(name), "rb")

    def writing(self, name: str) -> BinaryIO:
        """Open a file for writing; create it, or truncate it if it exists."""
        return os.fdopen(self.descriptor(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb")

    def read(self, name: str, most: int = -1) -> bytes:
        with self.reading(name) as file:
            return file.read(most)

    def write(self, name: str, data: bytes | memoryview, offset: int = 0) -> None:
        """Overwrite the bytes of a file from ``offset`` on; create it if there is none."""
        descriptor, left = self.descriptor(name, os.O_WRONLY | os.O_CREAT), memoryview(data)
        try:
            while left:
                written = os.pwrite(descriptor, left[:_BLOCK], offset)
                left, offset = left[written:], offset + written
        finally:
            os.close(descriptor)

    @contextmanager
    def replacing(self, name: str, draft: str = "") -> Iterator[BinaryIO]:
        """Open a ``draft`` file for writing and, at the end of the block, sync it and rename it to
        ``name``: the file is replaced as a whole or not at all. The caller must ``sync`` the folder."""
        draft = draft or f"{name}.tmp"
        with self.writing(draft) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        self.rename(draft, name)

    def sync(self, name: str = ".") -> None:
        """fsync a file, or the folder itself: the names in it."""
        descriptor = self.descriptor(name)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def sync_tree(self) -> None:
        """fsync the folder and everything below it."""
        for name in self.names():
            if self.is_folder(name):
                with self.opened(name) as inner:
                    inner.sync_tree()
            else:
                self.sync(name)
        self.sync()

    @contextmanager
    def opened(self, name: str) -> Iterator[Folder]:
        """Open a folder in this one, and close it at the end of the block."""
        inner = self.folder(name)
        try:
            yield inner
        finally:
            inner.close()

    # -- names

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._naming(name) as (at, where), suppress(FileNotFoundError):
            os.unlink(at, **where)

    def remove_tree(self, name: str) -> None:
        """Remove a folder and its contents, as far as possible."""
        with self._naming(name) as (at, where):
            shutil.rmtree(at, ignore_errors=True, **where)

    def rename(self, old: str, new: str) -> None:
        """Rename ``old`` to ``new``, replacing it if it exists."""
        with self._naming(old) as (source, _), self._naming(new) as (target, _):
            os.replace(source, target, **self._both(self))

    def link(self, name: str, to: Folder) -> None:
        """Hard-link a file into another folder; copy it if the file system has no hard links."""
        with self._naming(name) as (source, _), to._naming(name) as (target, _):
            try:
                os.link(source, target, **self._both(to))
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self.copy(name, to)
                to.sync(name)

    def copy(self, name: str, to: Folder) -> None:
        with self.reading(name) as source, to.writing(name) as target:
            shutil.copyfileobj(source, target, 1 << 20)

    # -- for libraries that take a path

    def native(self, name: str) -> str:
        """Return a path under which a library can open ``name``. On Linux, which exposes open folders under
        /proc, it leads to this folder even after a move. Elsewhere it is the folder's original path: write
        only names there that no other folder has, and ``rename`` them afterwards."""
        if os.path.isdir(f"{_OPENED}/{self._descriptor}"):
            return f"{_OPENED}/{self._descriptor}/{name}"
        return str(self.path / name)

    def now(self) -> Path:
        """Return the folder's current path, as far as the system knows; it may move at any time."""
        with suppress(OSError):
            found = os.readlink(f"{_OPENED}/{self._descriptor}")
            if os.path.isabs(found) and not self.deleted:
                return Path(found)
        return self.path

    # -- parts

    @contextmanager
    def _naming(self, name: str) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield the path and ``dir_fd`` to pass to a function of ``os`` for ``name``; complete the path in
        its errors."""
        if os.path.basename(name) != name or name == os.pardir:
            raise OSError(errno.EINVAL, "not the name of a file in this folder", str(self.path / name))
        try:
            yield (name, {"dir_fd": self._descriptor}) if _BY_DESCRIPTOR else (self.path / name, {})
        except OSError as error:
            if error.filename is not None and not os.path.isabs(error.filename):
                error.filename = str(self.path / name)
            raise

    def _both(self, to: Folder) -> dict[str, Any]:
        return {"src_dir_fd": self._descriptor, "dst_dir_fd": to._descriptor} if _BY_DESCRIPTOR else {}
