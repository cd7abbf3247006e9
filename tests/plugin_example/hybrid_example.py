"""An encoder, an analyzer, a fusion, a reranker and a reader that another package brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.types import Candidates, Document


class Letters:
    """How often each letter occurs."""

    id = "letters-1"
    dim = 26

    def documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = [[text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts]
        return np.array(counts, np.float32).reshape(len(texts), 26)

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.documents(texts)


@dataclass(frozen=True)
class Spaces:
    """What stands between spaces."""

    id: str = "spaces-1"

    def terms(self, text: str) -> list[str]:
        return text.split()

    def spans(self, text: str) -> list[tuple[str, int, int]]:
        found, at = [], 0
        for term in text.split():
            start = text.index(term, at)
            at = start + len(term)
            found.append((term, start, at))
        return found


@dataclass(frozen=True)
class Borda:
    """Counts from how many places from the end a document stands in each list."""

    votes: int = 100

    def __call__(self, legs: Sequence[Candidates], limit: int) -> Candidates:
        points: dict[int, float] = {}
        for leg in legs:
            for rank, ordinal in enumerate(leg.ordinals.tolist()):
                points[ordinal] = points.get(ordinal, 0.0) + max(0, self.votes - rank)
        return Candidates.ranked(
            np.array(list(points), np.int64), np.array(list(points.values()), np.float32), limit
        )


@dataclass(frozen=True)
class Backwards:
    """The first ones the other way round."""

    top: int = 2

    def __call__(
        self, query: str | None, candidates: Candidates, features: Mapping[str, NDArray[Any]], /
    ) -> Candidates:
        order = np.arange(len(candidates))
        order[: self.top] = order[: self.top][::-1]
        scores = -np.arange(len(candidates), dtype=np.float32)
        return Candidates.ranked(candidates.ordinals[order], scores)


def cards(path: Path) -> Iterator[Document]:
    """A document a line: the title, a bar, the text."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        title, _, text = line.partition("|")
        yield Document(str(number), text, title)
