"""Families of approximate vector indexes, as values: ``HNSW(m=32)``, ``IVFPQ(lists=512)``.

A family says how an index finds candidates among many vectors. It does not change a score: candidates are
scored with the ledger's float32 vectors, and up to some 6,000 vectors are scanned whatever the family. The
string form, ``"hnsw(m=32)"``, is what the command line takes and what an index stores.

How thoroughly a search looks is its ``effort``, an integer in the family's own unit: `hybrid.Profile` has
one, and ``hybrid bench`` measures what each brings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Final, Literal, TypeAlias, get_args

from hybrid.errors import SettingsError
from hybrid.limits import shown
from hybrid.types import Metric

Precision: TypeAlias = Literal["float32", "float16", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

_MOST_LINKS: Final = 128
_WIDEST: Final = 4096
_MOST_LISTS: Final = 65_536
_LONGEST: Final = 200
"""Characters of a family's string form."""


@dataclass(frozen=True)
class _Family:
    """What the families share."""

    name: ClassVar[str]
    unit: ClassVar[str]
    """What ``effort`` counts."""
    ladder: ClassVar[tuple[int, ...]]
    """Efforts worth comparing, ascending."""

    def __str__(self) -> str:
        """The string form: the name, and what is not as by default."""
        given = [
            f"{field.name}={value}"
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        ]
        return f"{self.name}({', '.join(given)})" if given else self.name

    def check(self, metric: Metric) -> None:
        """Raises SettingsError if the family does not fit the metric."""


@dataclass(frozen=True)
class HNSW(_Family):
    """A graph of vectors, each linked to near ones, on several floors. Malkov and Yashunin, "Efficient and
    Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World Graphs", TPAMI 2020.

    ``m``: links of a vector, 2 to 128; its lowest floor has twice as many. ``ef_construction``: candidates
    considered for them, 2 to 4,096. ``precision``: of the vectors in memory; "float16" and "int8" need a
    half and a quarter of it. ``effort`` is the size of the candidate list (ef), 512 or twice the depth by
    default. Raises SettingsError.
    """

    m: int = 16
    ef_construction: int = 200
    precision: Precision = "float32"
    name: ClassVar[str] = "hnsw"
    unit: ClassVar[str] = "ef"
    ladder: ClassVar[tuple[int, ...]] = (16, 32, 64, 100, 200, 400, 800)

    def __post_init__(self) -> None:
        _check_whole(self, "m", 2, _MOST_LINKS)
        _check_whole(self, "ef_construction", 2, _WIDEST)
        if not isinstance(self.precision, str) or self.precision not in PRECISIONS:
            raise SettingsError(
                f"hnsw: precision {shown(self.precision)} is not known; it is one of "
                f"{', '.join(map(repr, PRECISIONS))}"
            )

    def check(self, metric: Metric) -> None:
        if self.precision == "float16" and metric != "cosine":
            raise SettingsError(
                "hnsw: precision 'float16' holds numbers up to 65,504 only, and metric "
                f"{metric!r} knows no limit; 'int8' measures the vectors first"
            )


@dataclass(frozen=True)
class Flat(_Family):
    """No index at all: every search scans all vectors, exactly. Nothing is built or kept beside them; the
    time of a search is proportional to their number. ``effort`` means nothing."""

    name: ClassVar[str] = "flat"
    unit: ClassVar[str] = "effort"
    ladder: ClassVar[tuple[int, ...]] = ()


@dataclass(frozen=True)
class _Inverted(_Family):
    """An inverted file: vectors in ``lists``, each around a centroid of k-means (spherical but for metric
    "l2"); a search looks through the lists whose centroids are nearest. Sivic and Zisserman, "Video Google:
    A Text Retrieval Approach to Object Matching in Videos", ICCV 2003.

    ``lists``: 1 to 65,536; "auto" is twice the root of the number of vectors, as a power of two, and
    grows with them. ``effort`` is the number of lists looked through. Raises SettingsError.
    """

    lists: int | Literal["auto"] = "auto"
    unit: ClassVar[str] = "lists"
    ladder: ClassVar[tuple[int, ...]] = (2, 4, 8, 16, 32, 64, 128, 256)

    def __post_init__(self) -> None:
        if self.lists != "auto":
            _check_whole(self, "lists", 1, _MOST_LISTS, " or 'auto'")


@dataclass(frozen=True)
class IVFFlat(_Inverted):
    """An inverted file (see `IVFPQ`) of float32 vectors: as much memory as they have, distances exact."""

    name: ClassVar[str] = "ivf_flat"


@dataclass(frozen=True)
class IVFSQ8(_Inverted):
    """An inverted file (see `IVFPQ`) of vectors rounded to one byte a number: a quarter of the memory."""

    name: ClassVar[str] = "ivf_sq8"


@dataclass(frozen=True)
class IVFPQ(_Inverted):
    """An inverted file of product codes: each pair of numbers as one of 16 learned pairs, 4 bits, a
    sixteenth of the memory. Lists are scanned by SIMD look-ups in tables that stay in registers.

    ``lists``: 1 to 65,536; "auto" is twice the root of the number of vectors, as a power of two, and
    grows with them. ``effort`` is the number of lists that a search looks through. Jégou, Douze and Schmid,
    "Product Quantization for Nearest Neighbor Search", TPAMI 2011; André, Kermarrec and Le Scouarnec,
    "Cache locality is not enough: High-Performance Nearest Neighbor Search with Product Quantization Fast
    Scan", VLDB 2015, and "Accelerated Nearest Neighbor Search with Quick ADC", ICMR 2017.
    """

    name: ClassVar[str] = "ivf_pq"


@dataclass(frozen=True)
class Binary(_Family):
    """One bit for each number, whether it is above the mean, compared by Hamming distance, every vector of
    them: a thirty-second of the memory, built in no time, and without any library. ``effort`` is the number
    of vectors that are then scored exactly. Charikar, "Similarity Estimation Techniques from Rounding
    Algorithms", STOC 2002. Not for metric "ip": bits do not know lengths."""

    name: ClassVar[str] = "binary"
    unit: ClassVar[str] = "rows"
    ladder: ClassVar[tuple[int, ...]] = (100, 200, 400, 800, 1600, 3200)

    def check(self, metric: Metric) -> None:
        if metric == "ip":
            raise SettingsError(
                "binary compares directions only, and metric 'ip' ranks by length, too; use another family"
            )


Family: TypeAlias = HNSW | Flat | IVFFlat | IVFSQ8 | IVFPQ | Binary

FAMILIES: Final[dict[str, type[Family]]] = {
    family.name: family for family in (HNSW, Flat, IVFFlat, IVFSQ8, IVFPQ, Binary)
}
"""The families by name."""

_FORM: Final = re.compile(r"([a-z][a-z0-9_]*)(?:\(([^()]*)\))?", re.ASCII)
_PARAMETER: Final = re.compile(r" *([a-z_]+) *= *([a-z0-9]+) *", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


def load(given: Family | str) -> Family:
    """Return a family, read from its string form: ``name`` or ``name(parameter=value, …)``, where a value
    is a whole number or a word. Raises SettingsError."""
    if isinstance(given, HNSW | Flat | IVFFlat | IVFSQ8 | IVFPQ | Binary):
        return given
    form = _FORM.fullmatch(given) if isinstance(given, str) and len(given) <= _LONGEST else None
    if form is None or form[1] not in FAMILIES:
        raise SettingsError(
            f"ann {shown(given)} is not known; it is one of {', '.join(FAMILIES)}, or one with parameters, "
            "such as 'hnsw(m=32)'"
        )
    family = FAMILIES[form[1]]
    parameters = _parameters(form[1], form[2] or "", [field.name for field in fields(family)])
    return family(**parameters)


def _parameters(name: str, text: str, known: list[str]) -> dict[str, Any]:
    found: dict[str, int | str] = {}
    for part in text.split(",") if text.strip() else []:
        pair = _PARAMETER.fullmatch(part)
        if pair is None or pair[1] not in known or pair[1] in found:
            has = f"it has {', '.join(known)}, each once" if known else "it has none"
            raise SettingsError(f"ann {name}: {shown(part.strip())} is no parameter of it; {has}")
        found[pair[1]] = int(pair[2]) if _DIGITS.fullmatch(pair[2]) else pair[2]
    return found


def _check_whole(family: _Family, name: str, least: int, most: int, other: str = "") -> None:
    value = getattr(family, name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SettingsError(
            f"{family.name}: {name} is {shown(value)}; it must be a whole number from {least} to "
            f"{most:,}{other}"
        )
