"""From a family to the finder that implements it, by one of the libraries that are installed."""

from __future__ import annotations

from typing import Final

from hybrid.ann import HNSW, Binary, Family, Flat
from hybrid.errors import MissingExtra, lacking
from hybrid.types import Metric
from hybrid.vector.binary import Signs
from hybrid.vector.finder import Finder
from hybrid.vector.hnsw import Faiss, Hnswlib
from hybrid.vector.ivf import Inverted

_PACKAGES: Final = {"hnswlib": "'hybrid-retrieval[hnsw]'", "faiss": "faiss-cpu", "numpy": "numpy"}
ALL: Final = tuple(_PACKAGES)
"""The names of all libraries."""


def libraries(family: Family) -> tuple[str, ...]:
    """The libraries that can build ``family``, by module name, the first choice first."""
    if isinstance(family, HNSW):
        return ("hnswlib", "faiss") if family.precision == "float32" else ("faiss",)
    return () if isinstance(family, Flat) else ("numpy",) if isinstance(family, Binary) else ("faiss",)


def check(family: Family, metric: Metric) -> None:
    """Raises SettingsError if ``family`` does not fit the metric; MissingExtra if its only library is not
    installed. (Without any library of several, an index is searched by scans.)"""
    family.check(metric)
    known = libraries(family)
    if len(known) == 1 and lacking(known[0]):
        raise missing(f"ann {str(family)!r}", known[0])


def missing(purpose: str, library: str) -> MissingExtra:
    """Make the error that says how to install a ``library``."""
    return MissingExtra(f"{purpose} needs {library}; run: pip install {_PACKAGES[library]}", name=library)


def make(family: Family, metric: Metric, dim: int, library: str | None = None) -> Finder:
    """Make an empty finder by ``library``, or by the first choice among those installed; not for `Flat`.
    Raises what ``check`` does; MissingExtra if none is installed."""
    check(family, metric)
    assert not isinstance(family, Flat)
    for name in (library,) if library else libraries(family):
        if not lacking(name):
            if isinstance(family, HNSW):
                return (Hnswlib if name == "hnswlib" else Faiss)(family, metric, dim)
            return Signs(dim) if isinstance(family, Binary) else Inverted(family, metric, dim)
    raise missing("a graph of vectors", library or libraries(family)[-1])
