"""Users who click, in a world where the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hybrid.learn.clicks.judgments import Impression

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Clicks: TypeAlias = NDArray[np.bool_]
Users: TypeAlias = Callable[[np.random.Generator, Floats], Clicks]
"""From the attraction of what each is shown, (impressions, ranks), to what each clicks."""

DEPTH: Final = 10
INVERSE: Final[Floats] = 1 / np.arange(1, DEPTH + 1)
"""Looks in proportion to 1 / rank."""

TRUTH: Final = np.array([1.0, 0.7, 0.4, 0.0])
SERVED: Final = (np.array([0.5, 0.0, 0.0, 1.0]), np.array([0.0, 0.8, 0.0, 1.0]))
"""Two rankers that serve. Both look most at the fourth feature, which is worth nothing."""


@dataclass(frozen=True)
class World:
    """``features``: (queries, documents, 4); ``TRUTH`` and some noise make ``grades`` 0 to 3 of them."""

    features: Floats
    grades: Ints

    @property
    def attraction(self) -> Floats:
        """The probability that who looks also clicks: 0.1 on what is worth nothing, 0.9 on the best."""
        return 0.1 + 0.8 * (2.0**self.grades - 1) / 7

    def ranked(self, weights: Floats, depth: int = DEPTH) -> Ints:
        """(queries, depth): each query's best documents by a linear ranker."""
        return np.argsort(-(self.features @ weights), axis=1, kind="stable")[:, :depth]


def world(rng: np.random.Generator, queries: int = 200, documents: int = 20) -> World:
    features = rng.normal(size=(queries, documents, 4))
    merit = features @ TRUTH + rng.normal(0, 0.4, (queries, documents))
    return World(features, np.digitize(merit, [0.4, 1.3, 2.2]))


def position_based(p: Floats) -> Users:
    """Rank r is looked at with probability p[r - 1], and clicked if it attracts."""
    return lambda rng, attraction: rng.random(attraction.shape) < p[: attraction.shape[1]] * attraction


def trusting(rng: np.random.Generator, attraction: Floats) -> Clicks:
    """They look by 1 / rank, and click what does not attract them too, half of it at rank 1."""
    anyway = (1 - attraction) * INVERSE / 2
    return rng.random(attraction.shape) < INVERSE * (attraction + anyway)


def stopping(rng: np.random.Generator, attraction: Floats) -> Clicks:
    """They read from the top (a cascade): one in ten leaves after each document, more after a good one.
    The dependent click model of Guo, Liu and Wang, WSDM 2009, but for those who leave without a click."""
    clicks = rng.random(attraction.shape) < attraction
    go_on = rng.random(attraction.shape) < np.where(clicks, 1 - 0.7 * attraction, 0.9)
    read = np.cumprod(np.roll(go_on, 1, axis=1) | (np.arange(attraction.shape[1]) == 0), axis=1)
    return np.asarray(clicks & (read > 0))


def clicks_on(
    rng: np.random.Generator, attraction: Floats, rankings: Sequence[Ints], users: Users, size: int
) -> list[Impression]:
    """A log of ``size`` impressions, each by one of ``rankings`` (queries, ranks) at random. Query i is
    called "query i", document j "dj"; some queries are asked often and most of them rarely."""
    popularity = 1 / np.arange(1, len(attraction) + 1) ** 0.7
    queries = rng.choice(len(attraction), size, p=popularity / popularity.sum())
    profiles = rng.integers(0, len(rankings), size)
    shown = np.stack(rankings)[profiles, queries]
    clicked = users(rng, attraction[queries[:, None], shown])
    rows = zip(queries.tolist(), shown.tolist(), clicked.tolist(), profiles.tolist(), strict=True)
    return [
        Impression(
            f"query {query}",
            tuple(f"d{document}" for document in documents),
            frozenset(f"d{document}" for document, hit in zip(documents, hits, strict=True) if hit),
            profile,
            1.7e9 + second,
        )
        for second, (query, documents, hits, profile) in enumerate(rows)
    ]


def served_log(seed: int, p: Floats, size: int) -> list[Impression]:
    """What the two rankers of ``SERVED`` got for clicks, by the position-based model."""
    rng = np.random.default_rng(seed)
    here = world(rng)
    return clicks_on(
        rng, here.attraction, [here.ranked(weights) for weights in SERVED], position_based(p), size
    )


def impression(
    query: str = "q", shown: Sequence[str] = ("a", "b"), clicked: Sequence[str] = (), first: int = 1
) -> Impression:
    return Impression(query, tuple(shown), frozenset(clicked), profile=1, time=1.7e9, first=first)
