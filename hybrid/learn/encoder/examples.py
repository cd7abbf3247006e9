"""What an encoder learns from: judged queries with mined negatives, or the ranking of unjudged ones."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from hybrid.errors import InputError
from hybrid.learn.contest import counting
from hybrid.learn.encoder.plan import Plan
from hybrid.learn.families import families, into_folds
from hybrid.learn.mining import MARGIN, Minable, Mined, Miner, standardised, text_of
from hybrid.learn.split import Sample, Split, fingerprint, split, usable
from hybrid.search.searcher import Searcher
from hybrid.types import Hit, Lacking, Mode, Ordinals, Qrels, Run, Stages

SPREAD: Final = 0.1
"""The cosine that a standard deviation of the ranking's scores is worth to margin-mse."""
PLACES: Final = (1, 2, 3, 5, 8, 13, 21, 34)
"""The ranks of the documents that kl compares: dense where a ranking matters."""
_DEPTH: Final = 100
_DRAWN: Final = 10  # random candidates a query, of which one becomes its negative
_NO_MARGIN: Final = -1e9
"""Random documents are rarely relevant, however near they are."""
_BATCH: Final = 32
_NO_TEXT: Final = "no text"


@dataclass(frozen=True)
class Example:
    """A query, the documents it is compared with, the relevant one first where there is one, and the
    numbers that some losses are given beside them."""

    query: str
    documents: tuple[str, ...]
    labels: tuple[float, ...] = ()


@dataclass(frozen=True)
class Material:
    """``train``: the examples that train; ``stop``: those of other families, by which training stops;
    ``judged``: the split of the judged queries, whose held-out part judges the result, None without any;
    ``left_out``: reason -> how many queries, positives or pairs could not be used."""

    train: list[Example]
    stop: list[Example]
    judged: Split | None
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for one in (*self.train, None, *self.stop):
            digest.update(json.dumps(one and [one.query, one.documents, one.labels]).encode() + b"\n")
        return digest.hexdigest()

    @property
    def fingerprints(self) -> list[str]:
        """The `fingerprint` of each query that has a part in training, ascending."""
        return sorted({fingerprint(one.query) for one in (*self.train, *self.stop)})


def labelled(
    searcher: Searcher,
    queries: Mapping[str, str],
    qrels: Qrels,
    plan: Plan,
    ignore_identical_ids: bool,
    tell: Stages,
) -> Material:
    """Two thirds of the judged queries, of which a fifth stops training; the rest is held out. No family
    is parted."""
    judged = split(queries, qrels, None, plan.seed, len(queries), ignore_identical_ids)
    left_out = Counter(judged.left_out)
    found = _mined(searcher, judged.train, plan, left_out, tell)
    stop = _stopping(judged.train.texts, judged.train.families, plan.seed)
    return _material(found, stop, judged, left_out)


def unlabelled(
    searcher: Searcher,
    texts: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Qrels,
    plan: Plan,
    ignore_identical_ids: bool,
    tell: Stages,
) -> Material:
    """The ranking of ``texts``, of which a fifth stops training. All judged queries, if there are any, are
    held out, and no member of their families trains."""
    held_out, left_out = usable(queries, qrels, ignore_identical_ids)
    asked = {id: text for id, text in texts.items() if text.strip()}
    found = Counter(left_out)
    found[_NO_TEXT] += len(texts) - len(asked)
    everything = [*asked.values(), *held_out.texts.values()]
    numbered = {str(number): text for number, text in enumerate(everything)}
    names = list(families(numbered, {number: {} for number in numbered}).values())
    judged = set(names[len(asked) :])
    own = {id: name for id, name in zip(asked, names, strict=False) if name not in judged}
    found["of the family of a judged query"] += len(asked) - len(own)
    learned = {id: asked[id] for id in own}
    examples = _ranked(searcher, learned, found, tell)
    judging = Split(Sample({}, {}), held_out, {}) if len(held_out) else None
    return _material(examples, _stopping(learned, own, plan.seed), judging, found)


def _stopping(texts: Mapping[str, str], family: Mapping[str, str], seed: int) -> set[str]:
    """The texts of a fifth of the queries, by which training stops; whole families."""
    ids, stop = list(family), into_folds(list(family.values()), seed)[0]
    return {texts[ids[row]] for row in stop.tolist()}


def _material(
    examples: Sequence[Example], stop: set[str], judged: Split | None, left_out: Counter[str]
) -> Material:
    train = [one for one in examples if one.query not in stop]
    stopping = [one for one in examples if one.query in stop]
    if len(train) < 2 or not stopping:
        why = ", ".join(f"{many:,} {reason}" for reason, many in left_out.items() if many)
        raise InputError(
            f"{len(train)} examples to train on and {len(stopping)} to stop by are too few"
            + (f"; left out: {why}" if why else "")
        )
    return Material(train, stopping, judged, left_out)


# Judged queries


def _mined(
    searcher: Searcher, sample: Sample, plan: Plan, left_out: Counter[str], tell: Stages
) -> list[Example]:
    counts, advance = Mined(), counting(tell, "mining", len(sample))
    drawn = plan.negatives == "random"
    index = _Anywhere(searcher, plan.seed) if drawn else searcher
    miner = Miner(
        negatives=1,
        margin=_NO_MARGIN if drawn else MARGIN,
        ranks=(1, _DRAWN if drawn else _DEPTH),
        sampling="random" if plan.negatives == "semi-hard" else "top",
        seed=plan.seed,
        ignore_identical_ids=sample.ignore_identical_ids,
    )
    mined = list(miner.tuples(index, sample.texts, sample.qrels, counts, advance))
    left_out += counts.left_out
    examples = [
        Example(one.anchor, (one.positive, *one.negatives), _labels(one.scores, plan)) for one in mined
    ]
    scored = [one for one in examples if not any(map(math.isnan, one.labels))]
    left_out["positives that the ranking did not find"] += len(examples) - len(scored)
    return scored


def _labels(scores: Sequence[float], plan: Plan) -> tuple[float, ...]:
    return tuple(SPREAD * score for score in scores) if plan.loss == "margin-mse" else ()


@dataclass(frozen=True)
class _Anywhere:
    """An index that answers a query with any documents, drawn by the seed."""

    searcher: Searcher
    seed: int

    def run(self, queries: Mapping[str, str], /, *, k: int, mode: Mode, lacking: Lacking) -> Run:  # noqa: ARG002
        living = np.flatnonzero(self.searcher.snapshot.live)
        return {id: self._drawn(f"{self.seed}\t{id}", living, k, lacking.get(id, ())) for id in queries}

    def _drawn(self, by: str, living: Ordinals, k: int, lacking: Iterable[str]) -> list[tuple[str, float]]:
        places = random.Random(by).sample(range(len(living)), min(k, len(living)))
        ids = self.searcher.snapshot.ids(np.sort(living[places]))
        random.Random(by).shuffle(ids)
        skipped = set(lacking)
        return [(id, math.nan) for id in ids if id not in skipped]

    def among(
        self, queries: Mapping[str, str], documents: Mapping[str, Iterable[str]], /
    ) -> dict[str, list[Hit]]:
        return self.searcher.among(queries, documents)


# Unjudged queries


def _ranked(
    index: Minable, texts: Mapping[str, str], left_out: Counter[str], tell: Stages
) -> list[Example]:
    """Each query with the documents at `PLACES` of the hybrid ranking and their scores there, in standard
    deviations."""
    found: list[Example] = []
    ids = list(texts)
    for start in range(0, len(ids), _BATCH):
        batch = {id: texts[id] for id in ids[start : start + _BATCH]}
        run = index.run(batch, k=_DEPTH, mode="hybrid", lacking={})
        chosen = {id: [hits[place - 1][0] for place in _there(hits)] for id, hits in run.items()}
        near = index.among(batch, chosen)
        for id, text in batch.items():
            found += _of_ranking(text, chosen[id], near[id], standardised(run[id]))
        tell("asking", start + len(batch), len(ids))
    left_out[f"queries with fewer than {PLACES[-1]} hits"] += len(ids) - len(found)
    return found


def _there(hits: Sequence[tuple[str, float]]) -> list[int]:
    return [place for place in PLACES if place <= len(hits)]


def _of_ranking(
    text: str, chosen: Sequence[str], near: Iterable[Hit], scores: Mapping[str, float]
) -> Iterator[Example]:
    """The example of one query, if all documents at `PLACES` have a text and a vector."""
    texts = {hit.id: text_of(hit) for hit in near}
    if len(chosen) == len(PLACES) and all(texts.get(id, "").strip() for id in chosen):
        yield Example(text, tuple(texts[id] for id in chosen), tuple(scores[id] for id in chosen))
