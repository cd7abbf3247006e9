"""List a folder: its files with their sizes and times, and what is passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from hybrid.corpora.files import plain_name, reading
from hybrid.corpora.kinds import kind_of
from hybrid.errors import CorpusError

Skip: TypeAlias = Callable[[Path], bool]
"""Whether to leave a folder out."""


@dataclass(frozen=True)
class Stamp:
    """The size of a file in bytes, and when it was last written, in nanoseconds since 1970."""

    size: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        with reading(path):
            return cls._of(path.stat())

    @classmethod
    def _of(cls, stat: os.stat_result) -> Stamp:
        return cls(stat.st_size, stat.st_mtime_ns)


@dataclass
class Listing:
    """The contents of a folder and those below it: supported ``files`` in order of path; errors of folders
    that could not be listed (``closed``); counts of the ``others`` by suffix, and of ``links``."""

    files: dict[Path, Stamp] = field(default_factory=dict)
    closed: list[CorpusError] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    links: int = 0


def listing(folder: Path, skip: Skip = lambda _: False, readers: Collection[str] = ()) -> Listing:
    """List everything in and below ``folder``; ``readers`` as in `kind_of`. Left out: hidden files and
    folders, Office's lock files (``~$``), folders for which ``skip`` is true, and links, which could lead
    out of the folder."""
    found = Listing()
    left = [folder]
    while left:
        here = left.pop()
        try:
            with reading(here), os.scandir(here) as entries:
                for entry in _seen(entries):
                    if _is_link(entry):
                        found.links += 1
                    elif entry.is_dir(follow_symlinks=False):
                        left += [] if skip(Path(entry.path)) else [Path(entry.path)]
                    else:
                        _file(entry, found, readers)
        except CorpusError as error:
            found.closed.append(error)
    found.files = dict(sorted(found.files.items()))
    return found


def _seen(entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in entries if not entry.name.startswith((".", "~$")))


def _is_link(entry: os.DirEntry[str]) -> bool:
    junction = getattr(entry, "is_junction", None)  # Windows, from Python 3.12 on
    return entry.is_symlink() or (junction is not None and junction())


def _file(entry: os.DirEntry[str], found: Listing, readers: Collection[str]) -> None:
    path = Path(entry.path)
    if kind_of(path, readers) is None:
        found.others[plain_name(path).suffix.lower() or path.suffix.lower() or "no suffix"] += 1
        return
    with suppress(FileNotFoundError):  # it went a moment ago
        found.files[path] = Stamp._of(entry.stat(follow_symlinks=False))
