"""Fit a map of query vectors to judged queries, by a softmax over the vectors of an index's documents.

A query x is moved to y = x + x W. Its loss is the cross-entropy between its relevant documents,
which count alike, and softmax(y V / T) over the documents' vectors V: InfoNCE (van den Oord et al.,
"Representation Learning with Contrastive Predictive Coding", 2018) with all documents as negatives. A
document of several vectors counts by the one nearest to x; its others are left out. Since y is not scaled
to unit length, which no order depends on, the loss is convex in W, and with a penalty |W|^2 it has one
minimum, whatever the order of the queries. W is then cut to a low rank: the nearest matrix of that rank is
given by the largest singular values (Eckart and Young, 1936).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.encoders.adapter import Adapter
from hybrid.types import Matrix, Scores

Places: TypeAlias = NDArray[np.int64]
Map: TypeAlias = NDArray[np.float64]
"""(dim, dim)."""

TEMPERATURE: Final = 0.05
_STEPS: Final = 12  # of L-BFGS: where the penalty is strong enough to be of use, the minimum is reached
_MEMORY: Final = 6
_CELLS: Final = 1 << 23  # of a block of queries by rows


@dataclass(frozen=True)
class Examples:
    """Judged queries: their unit vectors ``queries`` (n, dim), the unit vectors ``rows`` (m, dim) that they
    are compared with, and for each query the places of its ``targets`` among these, and of the rows that
    are ``hidden`` from it."""

    queries: Matrix
    rows: Matrix
    targets: Sequence[Places]
    hidden: Sequence[Places]

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def answered(self) -> Examples:
        """Those that have a target."""
        return self.only(np.flatnonzero([len(own) > 0 for own in self.targets]))

    def only(self, numbers: Places) -> Examples:
        listed = numbers.tolist()
        targets, hidden = [self.targets[i] for i in listed], [self.hidden[i] for i in listed]
        return Examples(self.queries[numbers], self.rows, targets, hidden)


def fit(examples: Examples, penalty: float, start: Map | None = None) -> Map:
    """Fit W, from ``start`` on, to some examples, each of which has a target."""
    from scipy.optimize import minimize

    dim = examples.queries.shape[1]
    begin = np.zeros((dim, dim)) if start is None else start
    # float32 tells no smaller gains apart, and the line search would look for them in vain.
    limits = {"maxiter": _STEPS, "maxcor": _MEMORY, "ftol": 1e-6, "gtol": 0.0, "maxls": 8}
    loss = _loss(examples, penalty)
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options=limits)
    fitted: Map = found.x.reshape(dim, dim)
    return fitted


def cut(fitted: Map, ranks: Sequence[int]) -> list[Adapter]:
    """The adapters of some ranks that come nearest to a map."""
    left, strengths, right = np.linalg.svd(fitted)
    return [
        Adapter((left[:, :rank] * strengths[:rank]).astype(np.float32), right[:rank].astype(np.float32))
        for rank in ranks
    ]


class _Block(NamedTuple):
    """Some queries, and by (query, row) the cells of targets, the weight of each, and the cells that are
    hidden."""

    queries: Matrix
    targets: tuple[Places, Places]
    weights: Scores
    hidden: tuple[Places, Places]


def _loss(
    examples: Examples, penalty: float
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    many, dim = max(1, len(examples)), examples.queries.shape[1]
    # A softmax does not see what all rows have in common, and float32 is finer without it.
    rows = (examples.rows - examples.rows.mean(axis=0)) / np.float32(TEMPERATURE)
    blocks = list(_blocks(examples))

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        map = flat.reshape(dim, dim).astype(np.float32)
        total, gradient = 0.0, np.zeros((dim, dim))
        for block in blocks:
            scores = (block.queries + block.queries @ map) @ rows.T
            scores[block.hidden] = -np.inf
            scores -= scores.max(axis=1, keepdims=True)
            near = scores[block.targets]
            np.exp(scores, out=scores)
            sums = scores.sum(axis=1, keepdims=True)
            scores /= sums
            total += float(np.log(sums).sum() - block.weights @ near)
            scores[block.targets] -= block.weights
            gradient += block.queries.T @ (scores @ rows)
        size = float(flat @ flat)
        return total / many + penalty / 2 * size, (gradient / many).ravel() + penalty * flat

    return loss


def _blocks(examples: Examples) -> Iterator[_Block]:
    step = max(1, _CELLS // len(examples.rows))
    for start in range(0, len(examples), step):
        part = slice(start, start + step)
        targets, hidden = examples.targets[part], examples.hidden[part]
        weights = [np.full(len(own), 1 / len(own), np.float32) for own in targets]
        yield _Block(examples.queries[part], _cells(targets), np.concatenate(weights), _cells(hidden))


def _cells(places: Sequence[Places]) -> tuple[Places, Places]:
    numbers = np.repeat(np.arange(len(places)), [len(own) for own in places])
    return numbers, np.concatenate(places)
