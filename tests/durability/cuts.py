"""What a power cut may do to all that was not synced.

The model is that of Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), at its weakest:
what a file was given since its last fsync may be there, be absent or be torn, whatever became of its
length; what was done to a folder's names since the folder's own fsync may be done or undone, each by
itself. Only a rename is one thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

Fate: TypeAlias = Literal["kept", "lost", "zero", "torn"]
"""Of a write. "zero": the file has the length, and zeros; "torn": some sectors are new."""


class PowerCut(Protocol):
    @property
    def name(self) -> str: ...

    def of(self, path: str) -> Whim:
        """What happens to the file or the name ``path``."""
        ...


@dataclass(frozen=True)
class Whim:
    """The same for every path."""

    name: str
    births: float
    """How likely a name that was made or moved is kept."""
    deaths: float
    """How likely a name that was removed stays so."""
    fates: tuple[Fate, ...]
    """What becomes of a write: one of these."""

    def of(self, path: str) -> Whim:
        return self


@dataclass(frozen=True)
class Split:
    """One thing for the files of one site, another for the rest."""

    site: str
    its: Whim
    others: Whim

    @property
    def name(self) -> str:
        return f"of {self.site} {self.its.name}, else {self.others.name}"

    def of(self, path: str) -> Whim:
        return self.its if site(path) == self.site else self.others


NOTHING: Final = Whim("keeps nothing", 0, 0, ("lost",))
EVERYTHING: Final = Whim("keeps everything", 1, 1, ("kept",))
EXTREMES: Final = (
    NOTHING,
    EVERYTHING,
    Whim("keeps names, no data", 1, 1, ("lost",)),
    Whim("keeps names and lengths, no data", 1, 1, ("zero",)),
    Whim("keeps data, no names", 0, 0, ("kept",)),
    Whim("keeps data and removals", 0, 1, ("kept",)),
    Whim("keeps everything but removals", 1, 0, ("kept",)),
)
MIXTURES: Final = (
    Whim("keeps most", 0.9, 0.9, ("kept", "kept", "kept", "lost", "torn")),
    Whim("keeps half", 0.5, 0.5, ("kept", "lost", "zero", "torn")),
    Whim("keeps names, tears data", 1, 1, ("torn",)),
)

_SITES: Final = (
    (r"", "parent folder"),
    (r"[^/]+", "index folder"),
    (r"[^/]+/current.*", "current"),
    (r"[^/]+/g\d+(\.tmp)?", "generation folder"),
    (r"[^/]+/[^/]+/lexical[^/.]*", "lexical folder"),
    (r"[^/]+/[^/]+/lexical[^/.]*/.+", "lexical files"),
    (r"[^/]+/[^/]+/lexical\..+", "lexical manifest"),
    (r"[^/]+/[^/]+/terms-[^/]*", "terms folder"),
    (r"[^/]+/[^/]+/terms-[^/]*/.+", "terms files"),
    (r"[^/]+/[^/]+/graph-.+", "graph file"),
    (r"[^/]+/[^/]+/graph\..+", "graph manifest"),
    (r"[^/]+/[^/]+/(columns|lives)\..+", r"\1"),
    (r"[^/]+/(?:[^/]+/)?([^/]+?)(?:\.tmp)?", r"\1"),
)


def site(path: str) -> str:
    """What kind of file or folder ``path`` is, below the folder that holds the index."""
    for pattern, name in _SITES:
        if found := re.fullmatch(pattern, path):
            return found.expand(name)
    return path


def splits(sites: set[str]) -> list[Split]:
    """Each site alone kept, and each alone lost."""
    return [
        Split(s, *fates) for s in sorted(sites) for fates in ((EVERYTHING, NOTHING), (NOTHING, EVERYTHING))
    ]
