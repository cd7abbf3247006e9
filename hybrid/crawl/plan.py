"""What a crawl is to do: the files that changed, and those that are gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from hybrid.corpora.files import as_path, reading
from hybrid.corpora.walk import Listing, Stamp
from hybrid.crawl.report import Report
from hybrid.errors import CorpusError
from hybrid.limits import named
from hybrid.texts import clean


@dataclass(frozen=True)
class Input:
    """A path that was given, without links: a folder, or one file."""

    path: Path
    is_folder: bool

    @classmethod
    def of(cls, given: str | Path) -> Self:
        path = as_path(given)
        with reading(path):
            if not path.exists():
                raise CorpusError(f"{named(path)}: no such file or folder")
            found = cls(path.resolve(), path.is_dir())
        if str(found.path) != clean(str(found.path)):
            raise CorpusError(f"{named(path)}: the name is no text; rename it")
        return found

    @property
    def folder(self) -> Path:
        return self.path if self.is_folder else self.path.parent


@dataclass(frozen=True)
class Change:
    """A file to be read, as it looked, and the folder that it was found in."""

    path: Path
    stamp: Stamp
    folder: Path


@dataclass(frozen=True)
class Folder:
    """A folder that was given: how many documents the index holds of it, and which of their files are not
    among those ``found``."""

    path: Path
    held: int
    gone: list[Path]
    found: Listing


@dataclass
class Plan:
    """The files that ``changed``, and what is to be reported of the others."""

    changed: dict[Path, Change] = field(default_factory=dict)
    folders: list[Folder] = field(default_factory=list)
    report: Report = field(default_factory=Report)

    def __len__(self) -> int:
        return len(self.changed)


def is_index(folder: Path) -> bool:
    """Whether a folder is an index, whose files are nobody's documents."""
    return (folder / "current").is_file() and any(folder.glob("g*/ledger.db"))
