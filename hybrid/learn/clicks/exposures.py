"""A log of impressions, counted: how often each document was shown at each rank, and clicked there."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError, require
from hybrid.ledger.impressions import Impression
from hybrid.limits import shown as quoted


@dataclass(frozen=True)
class Exposures:
    """One row for each (query, document) pair, in the order of its query; one column for each rank, from 1.

    ``shown`` and ``clicks``: sparse (pairs, ranks), scipy's csr_array of float64. ``query`` and
    ``document``: int64 (pairs,), places in ``queries`` (the texts) and ``documents`` (the ids).
    """

    queries: list[str]
    documents: list[str]
    query: NDArray[np.int64]
    document: NDArray[np.int64]
    shown: Any
    clicks: Any

    @property
    def ranks(self) -> int:
        return int(self.shown.shape[1])


def count(log: Iterable[Impression]) -> Exposures:
    """Count ``log``, read once. Texts that differ in case and white space alone are one query, called as it
    was first spelt. InputError if the log is empty or holds something else than impressions;
    MissingExtra unless the extra ``evaluate`` is installed."""
    require("learning from clicks", "scipy", extra="evaluate")
    queries: dict[str, int] = {}
    texts: list[str] = []
    documents = _Numbers()
    asked, lengths, firsts = array("q"), array("q"), array("q")
    shown, clicked = array("q"), bytearray()
    for impression in log:
        if not isinstance(impression, Impression):
            raise InputError(f"a log holds impressions, not {quoted(impression)}")
        number = queries.setdefault(same(impression.query), len(texts))
        if number == len(texts):
            texts.append(impression.query)
        asked.append(number)
        lengths.append(len(impression.shown))
        firsts.append(impression.first)
        shown.extend(map(documents.__getitem__, impression.shown))
        clicked.extend(map(impression.clicked.__contains__, impression.shown))
    if not texts:
        raise InputError("the log holds no impression; record some with Index.feedback")
    ranks = _ranks(np.array(firsts), np.array(lengths))
    keys = np.repeat(np.array(asked), lengths) * len(documents) + np.array(shown)
    pairs, rows = np.unique(keys, return_inverse=True)
    hit = np.frombuffer(clicked, np.bool_)
    shape = (len(pairs), int(ranks.max()))
    return Exposures(
        queries=texts,
        documents=list(documents),
        query=pairs // len(documents),
        document=pairs % len(documents),
        shown=_cells(rows, ranks - 1, shape),
        clicks=_cells(rows[hit], ranks[hit] - 1, shape),
    )


def same(text: str) -> str:
    """Reduce a text to the form that all spellings of one query share."""
    return " ".join(text.split()).casefold()


class _Numbers(dict[str, int]):
    """Id -> its number, counted in order of appearance."""

    def __missing__(self, id: str) -> int:
        self[id] = number = len(self)
        return number


def _ranks(firsts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rank of every document shown, impression after impression."""
    starts = np.cumsum(lengths) - lengths
    ranks: NDArray[np.int64] = np.arange(lengths.sum()) + np.repeat(firsts - starts, lengths)
    return ranks


def _cells(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    from scipy.sparse import coo_array

    return coo_array((np.ones(len(rows)), (rows, columns)), shape).tocsr()  # adds up what is there twice
