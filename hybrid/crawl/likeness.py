"""Near-duplicates among the documents of an index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Self

from hybrid.analyzers.literal import literal
from hybrid.context.duplicates import ALIKE, shingles
from hybrid.errors import lacking

if TYPE_CHECKING:
    from rensa import RMinHash

_HASHES: Final = 128
_BANDS: Final = 16
_SEED: Final = 1


class Likeness:
    """Texts by id, to be compared with others. The resemblance of two is the Jaccard index of their sets of
    shingles, estimated by MinHash (Broder, "On the resemblance and containment of documents", 1997)."""

    def __init__(self, texts: Iterable[tuple[str, str]] = ()) -> None:
        """``texts``: pairs of id and text."""
        from rensa import RMinHashLSH

        self._near = RMinHashLSH(threshold=ALIKE, num_perm=_HASHES, num_bands=_BANDS)
        self._ids: list[str] = []
        self._hashed: dict[str, tuple[int, RMinHash]] = {}
        for id, text in texts:
            self.add(id, text)

    @classmethod
    def of(cls, texts: Iterable[tuple[str, str]]) -> Self | None:
        """The likeness of ``texts``; None where the extra ``files`` is not installed."""
        return None if lacking("rensa") else cls(texts)

    def add(self, id: str, text: str) -> str | None:
        """Remember a text, in place of an earlier one with this id, and return the id of the one most like
        it; None where there is none alike. A text without words is neither remembered nor like another."""
        self.forget([id])
        if (hashed := _hashed(text)) is None:
            return None
        nearest, number = self._nearest(hashed), len(self._ids)
        self._ids.append(id)
        self._hashed[id] = number, hashed
        self._near.insert(number, hashed)
        return nearest

    def forget(self, ids: Iterable[str]) -> None:
        for id in ids:
            if (known := self._hashed.pop(id, None)) is not None:
                self._near.remove(known[0])

    def _nearest(self, hashed: RMinHash) -> str | None:
        found = {self._ids[number] for number in self._near.query(hashed)}
        alike = {other: hashed.jaccard(self._hashed[other][1]) for other in found if other in self._hashed}
        best = max(sorted(alike), key=lambda other: alike[other], default=None)
        return best if best is not None and alike[best] >= ALIKE else None


def _hashed(text: str) -> RMinHash | None:
    from rensa import RMinHash

    if not (tokens := literal(text)):
        return None
    hashed = RMinHash(num_perm=_HASHES, seed=_SEED)
    hashed.update(list(map(" ".join, shingles(tokens))))
    return hashed
