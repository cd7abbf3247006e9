"""What the votes of past queries cost a search, by the number that are kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from hybrid import Index, PastQuery
from hybrid.fusion import Voting
from hybrid.fusion.voting import NEAREST
from hybrid.search.lanes import InTurn
from hybrid.search.request import Request
from hybrid.search.search import Search, answer
from hybrid.store.snapshot import Snapshot
from hybrid.types import Matrix, Results, Scores
from tests.benchmarks.corpus import Query
from tests.benchmarks.house import LONG, House, batches, kept
from tests.benchmarks.measure import Timing, interleave, recall
from tests.benchmarks.report import Report

SIZES: Final = (2_500, 10_000, 100_000)
_VOTING: Final = Voting(8, 0.0)  # the vectors of made queries are less alike than those of real ones
_NEAR: Final = 300  # documents nearest to a past query, of which its answers are some
_ANSWERS: Final = 10  # the mean of their number
_STEP: Final = 500  # past queries made at a time
_NOTE: Final = (
    "`over`: what votes add to the CPU time by the time without them. `entering`: documents a query that "
    "neither leg's list held. `recall`: of the 20 nearest past queries."
)


def run(house: House) -> Report:
    report = Report("votes", documents=house.plan.documents, queries=house.plan.queries, k=10)
    table = report.table("Searches with the votes of past queries", note=_NOTE)
    for size in SIZES:
        encoder = _Ready({}, house.corpus.recipe.dim)
        with Index.open(_index(house, size), encoder=encoder) as index, index.searcher() as searcher:
            asked = [searcher.asker.one(one.text, one.vector, {}) for one in house.queries("long")]
            found = _timed(searcher.snapshot, asked, house.plan.rounds)
            plain, voted = found["without"], found["with"]
            table.add(
                past=size,
                **{"p50 ms without": plain.p50, "with": voted.p50},
                **{"CPU ms without": plain.cpu, "CPU ms with": voted.cpu, "adds": voted.cpu - plain.cpu},
                **{"IQR ms": voted.spread, "over": voted.cpu / plain.cpu - 1},
                **_seen(searcher.snapshot, asked),
            )
    return report


def _timed(snapshot: Snapshot, asked: Sequence[Request], rounds: int) -> dict[str, Timing]:
    ways = {"without": asked, "with": list(map(_voted, asked))}
    asking = {name: partial(_answered, snapshot, way) for name, way in ways.items()}
    return interleave(asking, len(asked), rounds=rounds)


def _voted(request: Request) -> Request:
    return replace(request, voting=_VOTING)


def _answered(snapshot: Snapshot, requests: Sequence[Request], i: int) -> Results:
    return answer(snapshot, requests[i], InTurn())


def _seen(snapshot: Snapshot, asked: Sequence[Request]) -> dict[str, float]:
    """How many documents enter, and how many of the nearest past queries are found."""
    entering, near, exact = list[int](), list[list[int]](), list[list[int]]()
    vectors = snapshot.voters.vectors.rows.vectors
    for request in map(_voted, asked):
        search = Search(snapshot, request, None, InTurn())
        listed = {o for head in request.heads(search.legs) for o in head.ordinals.tolist()}
        entering.append(len(search.pool) - len(listed))
        assert search.past is not None  # they vote
        assert request.vector is not None
        near.append(search.past.judged.places.tolist())
        exact.append(np.argsort(-(vectors @ request.vector), kind="stable")[:NEAREST].tolist())
    return {"entering": float(np.mean(entering)), "recall": recall(near, exact)}


# -- what is made


class _Ready:
    """Knows the vectors of some texts."""

    id = "ready"

    def __init__(self, vectors: Mapping[str, Scores], dim: int) -> None:
        self._vectors, self.dim = vectors, dim

    def queries(self, texts: Sequence[str]) -> Matrix:
        return np.stack([self._vectors[text] for text in texts])

    documents = queries


def _index(house: House, size: int) -> Path:
    """A finished index of all documents that keeps the first ``size`` past queries."""
    return kept(house.folder / f"past-{size}", lambda draft: _fill(house, size, draft))


def _fill(house: House, size: int, draft: Path) -> None:
    queries = [
        one for salt in range(size // _STEP) for one in house.corpus.queries(_STEP, *LONG, salt=9 + salt)
    ]
    encoder = _Ready({one.text: one.vector for one in queries}, house.corpus.recipe.dim)
    smaller = SIZES.index(size) - 1
    if smaller < 0:
        with Index.create(draft, encoder=encoder) as index:
            index.load(house.documents)
    else:
        shutil.copytree(_index(house, SIZES[smaller]), draft)
    with Index.open(draft, encoder=encoder) as index:
        for part in batches(_past(house, queries[0 if smaller < 0 else SIZES[smaller] :]), _STEP):
            index.keep_past_queries(part)
        with index.searcher() as searcher:
            _ = searcher.snapshot.voters  # begins their graph, which closing finishes


def _past(house: House, queries: Sequence[Query]) -> Iterator[PastQuery]:
    """Queries that know some of the documents nearest to them."""
    rng = np.random.default_rng(len(queries))
    for start in range(0, len(queries), _STEP):
        some = queries[start : start + _STEP]
        scores = np.stack([one.vector for one in some]) @ house.vectors.T
        near = np.argpartition(-scores, _NEAR, axis=1)[:, :_NEAR]
        for query, own in zip(some, near, strict=True):
            answers = rng.choice(own, min(_NEAR, rng.geometric(1 / _ANSWERS)), replace=False)
            yield PastQuery(query.text, {str(number): 1 for number in answers.tolist()})
