"""How often the gate is fooled, and how often it finds a gain that is there.

    python -m tests.gate --trials 400

Made worlds go the way of a real trial: split by families, choice of the best of eight profiles on the train
queries, and the gate, with the two best as challengers. Half of the queries have relations: near-copies
(a claim and its negation) or queries that share relevant documents, two or four together, which gain and
lose together. Exit status 1 if the gate installs too often where it should not, or too rarely where it
should.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from hybrid import fusion
from hybrid.evaluate.comparison import Values
from hybrid.fusion import Linear
from hybrid.learn import gate
from hybrid.learn.contest import Contest, Proposal, hold, measured, ndcg, references, silent
from hybrid.learn.gate import HeldOut
from hybrid.learn.split import MAX_TRAIN, Sample, Split, split
from hybrid.search.legs import Legs
from hybrid.settings import Profile, Profiles
from hybrid.types import Lacking, Qrels, Run
from tests.contested import AnswersByProfile

QUERIES: Final = 900
"""Judged ones, a third of which is held out."""
DEVIATION: Final = 0.08
"""Of the difference of two profiles on a query, by nDCG@10."""
GAIN: Final = 0.02
MEMORY: Final = 0.05
"""The gain on queries whose relevant document is known from training."""
KNOWN: Final = 0.6  # of the held-out queries
_SIZES: Final = ((1, 0.5), (2, 0.25), (4, 0.25))  # of families, and their share of the queries
_TOGETHER: Final = 0.8  # correlation within a family
_PLACES: Final = 10
_EIGHT: Final = [Profile(fusion=fusion.dump(Linear((share / 10, 1 - share / 10)))) for share in range(1, 9)]


def _lists() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Every choice of places for relevant documents among ten, as bits, and its DCG over that of all ten,
    in the order of the latter."""
    bits = np.arange(2**_PLACES)
    gains = 1 / np.log2(np.arange(2, _PLACES + 2))
    reached = (bits[:, None] >> np.arange(_PLACES) & 1) @ gains / gains.sum()
    order = np.argsort(reached)
    return reached[order], bits[order]


_REACHED, _BITS = _lists()


class World(AnswersByProfile):
    """An index, and judged queries of ten relevant documents each. The eight profiles are worth ``gain``
    more than all others, which are worth the same; with ``memory``, on queries of known documents only."""

    def __init__(self, seed: int, gain: float, queries: int, *, memory: bool) -> None:
        self.profiles, self.legs = Profiles.first(Profile()), Legs()
        random = np.random.default_rng(seed)
        self._seed, self._queries = seed, queries
        self._family = _families(random, queries)
        self._rows = {f"q{row}": row for row in range(queries)}
        self._documents = {id: self._relevant(row) for id, row in self._rows.items()}
        self.texts = {id: self._text(row) for id, row in self._rows.items()}
        self._easy = random.uniform(0.3, 0.7, queries)
        self._gains: Values = np.full(queries, gain)
        tests = set[str]()
        if memory:
            self._gains, tests = self._remembered(random, gain)
        judged: Qrels = {id: dict.fromkeys(own, 1) for id, own in self._documents.items()}
        self.qrels: Qrels = {id: own for id, own in judged.items() if id not in tests}
        self.test_qrels: Qrels | None = {id: judged[id] for id in judged if id in tests} or None

    def _relevant(self, row: int) -> list[str]:
        """Five of the documents are the family's, in every other family."""
        family = self._family[row]
        shared = 5 if family % 2 else 0
        return [f"d{family}-{i}" if i < shared else f"d{family}-{row}-{i}" for i in range(_PLACES)]

    def _text(self, row: int) -> str:
        """Near-copies, in the families that share no document."""
        family = self._family[row]
        if family % 2:
            return " ".join(f"word{row}{letter}" for letter in "abcdef")
        claim = " ".join(f"word{family}{letter}" for letter in "abcde")
        return f"{claim} {('raises', 'lowers', 'does not change', 'explains')[row % 4]}"

    def _remembered(self, random: np.random.Generator, gain: float) -> tuple[Values, set[str]]:
        """The gains, and the held-out queries, most of which ask for a document of a training query."""
        first = int(np.flatnonzero(self._family == self._family[self._queries * 2 // 3])[0])
        known = random.random(self._queries) < KNOWN
        known[:first] = False
        for row in np.flatnonzero(known):
            self._documents[f"q{row}"][-1] = self._documents[f"q{random.integers(first)}"][-1]
        return np.where(known, gain, 0.0), {f"q{row}" for row in range(first, self._queries)}

    def _worth(self, profile: Profile) -> Values:
        key = profile.model_dump_json()
        random = np.random.default_rng([self._seed, zlib.crc32(key.encode())])
        together, alone = random.normal(size=(2, self._queries))
        luck = np.sqrt(_TOGETHER) * together[self._family] + np.sqrt(1 - _TOGETHER) * alone
        worth: Values = self._easy + DEVIATION / np.sqrt(2) * luck
        return worth + self._gains if profile in _EIGHT else worth

    def run_profiles(
        self, queries: Mapping[str, str], profiles: Sequence[Profile], *, k: int, lacking: Lacking
    ) -> list[Run]:
        worths = map(self._worth, profiles)
        return [{id: self._hits(id, worth[self._rows[id]])[:k] for id in queries} for worth in worths]

    def _hits(self, query: str, worth: float) -> list[tuple[str, float]]:
        above = min(int(np.searchsorted(_REACHED, worth)), len(_REACHED) - 1)
        left = iter(self._documents[query])
        chosen = (_BITS[above] >> place & 1 for place in range(_PLACES))
        first = [next(left) if right else f"wrong {place}" for place, right in enumerate(chosen)]
        return [(id, -float(place)) for place, id in enumerate([*first, *left])]


def _families(random: np.random.Generator, queries: int) -> NDArray[np.int64]:
    """The number of each query's family."""
    sizes = np.concatenate([np.full(int(queries * share / size), size) for size, share in _SIZES])
    sizes = np.append(random.permutation(sizes), [1] * (queries - sizes.sum()))
    return np.repeat(np.arange(len(sizes)), sizes)


def tried(world: World, queries: Split, seed: int) -> Contest:
    """Choose on the train queries, and hold the two best before the gate."""
    names = {f"profile {number}": profile for number, profile in enumerate(_EIGHT)}
    found = measured(world, queries.train, names, ndcg(), "train queries", silent)
    best = sorted(names, key=lambda name: -found[name].mean)[:2]
    systems = {
        "serving": Profile(),
        **{name: names[name] for name in best},
        **references(world.legs),
    }
    return hold(world, Proposal(systems, dict.fromkeys(systems, 0.0), best), queries, ndcg(), seed, silent)


def by_families(seed: int, gain: float = 0.0, queries: int = QUERIES, *, memory: bool = False) -> Contest:
    """A trial as the engine makes it."""
    world = World(seed, gain, queries, memory=memory)
    return tried(world, split(world.texts, world.qrels, world.test_qrels, seed, MAX_TRAIN), seed)


def by_queries(found: Contest) -> str | None:
    """The winner if every held-out query counted as a piece of evidence of its own."""
    challengers = {name: found.values[name] for name in found.verdict.challengers}
    guards = {name: found.values[name] for name in found.verdict.guards}
    unrelated = HeldOut.unrelated(found.held_out)
    return gate.judge(
        found.values["serving"], challengers, guards, queries=unrelated, seed=found.seed
    ).installs


def by_hope(seed: int) -> str | None:
    """The winner of a trial that parts families, and counts queries."""
    world = World(seed, 0.0, QUERIES, memory=False)
    everything = Sample(world.texts, world.qrels)
    ids = np.random.default_rng(seed).permutation(list(world.texts)).tolist()
    cut = QUERIES * 2 // 3
    parted = Split(everything.only(ids[:cut]), everything.only(ids[cut:]), {})
    return by_queries(tried(world, parted, seed))


def nothing(seed: int) -> tuple[bool, bool, bool]:
    """Whether anything is installed where nothing is better: as the engine judges, if it counted queries,
    and if it parted families, too."""
    found = by_families(seed)
    return found.verdict.installs is not None, by_queries(found) is not None, by_hope(seed) is not None


def something(seed: int) -> tuple[bool, bool]:
    """Whether a gain is installed that is real, and one that is memory."""
    real, memory = by_families(seed, GAIN), by_families(seed, MEMORY, memory=True)
    return real.verdict.installs is not None, memory.verdict.installs is not None


_WANTED: Final = {
    "nothing is better": (0.0, 0.05),
    "nothing is better, were every query counted for itself": (0.0, 1.0),
    "nothing is better, were families parted, too": (0.0, 1.0),
    f"a gain of {GAIN:+g}": (0.8, 1.0),
    f"a gain of {MEMORY:+g}, where documents are known": (0.0, 0.072),  # 5 % and two standard errors of 400
}


def main(
    trials: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first trial.")] = 0,
) -> None:
    """Count what is installed. Exit status 1 for too much or too little."""
    seeds = range(seed, seed + trials)
    with ProcessPoolExecutor() as pool:
        rows = zip(pool.map(nothing, seeds), pool.map(something, seeds), strict=True)
        found = np.sum([(*without, *with_gain) for without, with_gain in rows], axis=0)
    failed = False
    for (name, (least, most)), installed in zip(_WANTED.items(), found.tolist(), strict=True):
        failed |= not least <= installed / trials <= most
        wanted = "" if (least, most) == (0, 1) else f"; wanted: {least:.0%} to {most:.0%}"
        sys.stdout.write(f"{name}: {installed} of {trials} installed, {installed / trials:.1%}{wanted}\n")
    sys.exit(failed)


if __name__ == "__main__":
    typer.run(main)
