"""Judged queries and the vectors of an index's documents, as `querymap` learns from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from hybrid.errors import InputError
from hybrid.learn.querymap import Examples, Places
from hybrid.learn.split import Sample
from hybrid.ledger.rows import Rows
from hybrid.search.searcher import Searcher
from hybrid.types import Matrix, Scores

MAX_LOOKED_AT: Final = 50_000
"""Rows among which those nearest to a query are sought; of more, so many are drawn."""
MAX_ANSWERS: Final = 100
"""Relevant documents that a query is moved towards, those of the highest grade."""
_NEAREST: Final = 10  # rows that each query is to be told from
_DRAWN: Final = 2_000  # of any others, at most
_CELLS: Final = 1 << 23  # of a block of queries by rows


def gather(index: Searcher, sample: Sample, seed: int) -> Examples:
    """The queries of ``sample`` in their order, and what they are told from: the rows of all that is
    relevant to any, those nearest to each, and some others. Raises InputError where no relevant document
    has a vector."""
    snapshot = index.snapshot
    queries, rows = index.encoder_vectors(list(sample.texts.values())), snapshot.vectors.rows
    relevant, lacking = {id: _relevant(sample.qrels[id]) for id in sample.texts}, sample.lacking
    answers = _found(index, {id: ids[:MAX_ANSWERS] for id, ids in relevant.items()})
    passed = _found(index, {id: [*ids[MAX_ANSWERS:], *lacking.get(id, ())] for id, ids in relevant.items()})
    own = [
        _nearest_of_each(rows, ordinals, query) for ordinals, query in zip(answers, queries, strict=True)
    ]
    targets = [near for near, _ in own]
    hidden = [
        np.union1d(others, rows.of(ordinals)) for (_, others), ordinals in zip(own, passed, strict=True)
    ]
    if not any(map(len, targets)):
        raise InputError("no relevant document of a train query is in the index and has a vector")
    random = np.random.default_rng(seed)
    alive = random.permutation(np.flatnonzero(snapshot.live[rows.ordinals]))[:MAX_LOOKED_AT]
    nearest = _nearest(queries, rows.vectors, alive)
    pool = np.unique(np.concatenate([*targets, nearest, alive[:_DRAWN]]))
    hidden = [
        np.setdiff1d(np.intersect1d(one, pool), near) for one, near in zip(hidden, targets, strict=True)
    ]
    return Examples(
        queries,
        np.array(rows.vectors[pool]),
        [np.searchsorted(pool, near) for near in targets],
        [np.searchsorted(pool, one) for one in hidden],
    )


def _relevant(grades: Mapping[str, int]) -> list[str]:
    """The relevant documents, those of the highest grade first."""
    relevant = [id for id, grade in grades.items() if grade > 0]
    return sorted(relevant, key=lambda id: (-grades[id], id))


def _found(index: Searcher, wanted: Mapping[str, Sequence[str]]) -> list[Places]:
    """The ordinals of the documents that there are, ascending, for each query."""
    found = index.snapshot.found({id for ids in wanted.values() for id in ids})
    return [np.array(sorted(found[id] for id in ids if id in found), np.int64) for ids in wanted.values()]


def _nearest_of_each(rows: Rows, ordinals: Places, query: Scores) -> tuple[Places, Places]:
    """Of the documents ``ordinals`` the row of each that is nearest to a query, and the others."""
    own = rows.of(ordinals)
    order = own[np.argsort(-(rows.vectors[own] @ query), kind="stable")]
    _, first = np.unique(rows.ordinals[order], return_index=True)
    return np.sort(order[first]), np.sort(np.delete(order, first))


def _nearest(queries: Matrix, vectors: Matrix, among: Places) -> Places:
    """The rows nearest to each query, each once."""
    if len(among) <= _NEAREST:
        return among
    found = [
        among[np.argpartition(-scores, _NEAREST, axis=1)[:, :_NEAREST]]
        for scores in _scores(queries, vectors[among])
    ]
    return np.unique(np.concatenate(found))


def _scores(queries: Matrix, rows: Matrix) -> Iterator[Matrix]:
    """The scores of some queries after the others, (n, rows)."""
    step = max(1, _CELLS // len(rows))
    for start in range(0, len(queries), step):
        yield queries[start : start + step] @ rows.T
