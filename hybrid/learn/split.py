"""Split judged queries into those that choose a profile and those that judge the choice."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybrid.errors import InputError
from hybrid.evaluate.asking import answerable
from hybrid.evaluate.identical import not_judged, own
from hybrid.evaluate.native import plain
from hybrid.learn.clicks.exposures import same
from hybrid.learn.families import FOLDS, families
from hybrid.learn.gate import fewest
from hybrid.texts import clean
from hybrid.types import Lacking, Qrels

MAX_TRAIN: Final = 1000
"""Further queries change the choice little and cost much; held out, they cost little and tell more."""
_TRAIN: Final = 2 / 3


@dataclass(frozen=True)
class Sample:
    """Judged queries that can be asked: id -> text, and their judgments, as native code may have them."""

    texts: dict[str, str]
    qrels: Qrels
    ignore_identical_ids: bool = False

    def __len__(self) -> int:
        return len(self.texts)

    def only(self, ids: Iterable[str]) -> Sample:
        chosen = sorted(ids)
        texts, qrels = {id: self.texts[id] for id in chosen}, {id: self.qrels[id] for id in chosen}
        return replace(self, texts=texts, qrels=qrels)

    @property
    def lacking(self) -> Lacking:
        """The documents that each query passes over."""
        return own(self.texts) if self.ignore_identical_ids else {}

    @property
    def families(self) -> dict[str, str]:
        """Query id -> the name of its family."""
        return families(self.texts, self.qrels)

    @property
    def relevant(self) -> frozenset[str]:
        """The documents that are relevant to any of the queries."""
        return frozenset(id for grades in self.qrels.values() for id in _relevant(grades))


class Split(NamedTuple):
    """Queries to choose on, queries to judge the choice, and reason -> how many could be neither."""

    train: Sample
    held_out: Sample
    left_out: dict[str, int]

    @property
    def families(self) -> dict[str, str]:
        """Query id -> the name of its family, of which members may stand on either side."""
        train, held_out = self.train, self.held_out
        return families(train.texts | held_out.texts, {**train.qrels, **held_out.qrels})

    @property
    def known(self) -> NDArray[np.bool_]:
        """(held out,): whether a relevant document of the query is relevant to one that trains."""
        trained = self.train.relevant
        return np.array([not trained.isdisjoint(_relevant(own)) for own in self.held_out.qrels.values()])


def split(
    queries: Mapping[str, str],
    qrels: Qrels,
    test_qrels: Qrels | None,
    seed: int,
    max_train: int,
    ignore_identical_ids: bool = False,
) -> Split:
    """Split the judged queries.

    Without ``test_qrels`` two thirds of the distinct texts train, at most ``max_train``, and no family is
    parted; the rest is held out. With them only queries of one text are kept apart: they are held out as
    they were given. InputError where nothing remains to train on or to hold out, and for an
    invalid grade.
    """
    train, left_out = _usable(queries, qrels, ignore_identical_ids)
    if test_qrels is None:
        chosen = _drawn(train, min(max_train, ceil(len(_texts(train)) * _TRAIN)), seed)
        held_out, train = train.only(train.texts.keys() - chosen), train.only(chosen)
    else:
        clean, held_out, left_out = _tested(queries, train, left_out, test_qrels)
        train = clean.only(_drawn(clean, max_train, seed))
        left_out[f"more than {max_train:,} to train on"] = len(clean) - len(train)
    if len(_texts(train)) < FOLDS or not len(held_out):
        raise InputError(
            f"{len(train)} judged queries to train on and {len(held_out)} held out that have a text and a "
            f"relevant document; tuning takes {fewest(1)} or more held out, and twice as many to train on"
        )
    return Split(train, held_out, {reason: number for reason, number in left_out.items() if number})


def hold_out(
    queries: Mapping[str, str],
    qrels: Qrels,
    test_qrels: Qrels | None,
    trained: Collection[str],
    ignore_identical_ids: bool = False,
) -> Split:
    """Split the judged queries to judge what others have ``trained``, by the `fingerprint` of each query
    that had a part in it: those train, all others are held out. With ``test_qrels`` all that ``qrels``
    judges train, too, but for texts that are held out. InputError where too few families are."""
    judged, left_out = _usable(queries, qrels, ignore_identical_ids)
    train, held_out = judged.only(()), judged
    if test_qrels is not None:
        train, held_out, left_out = _tested(queries, judged, left_out, test_qrels)
    seen = held_out.only(id for id, text in held_out.texts.items() if fingerprint(text) in trained)
    left_out["trained on, so not to judge"] = len(seen)
    train = replace(train, texts=train.texts | seen.texts, qrels={**train.qrels, **seen.qrels})
    held_out = held_out.only(held_out.texts.keys() - seen.texts.keys())
    found = Split(train, held_out, {reason: number for reason, number in left_out.items() if number})
    names = found.families
    if (many := len({names[id] for id in held_out.texts})) < fewest(1):
        raise InputError(
            f"{len(held_out)} judged queries, of {many} families, that have a text and a relevant document "
            f"and were not trained on; a verdict takes {fewest(1)}: judge at least {fewest(1) - many} more"
        )
    return found


def fingerprint(query: str) -> str:
    """The SHA-256, in hexadecimal digits, of the form that all spellings of a query share: white space
    collapsed and case folded, in UTF-8."""
    return hashlib.sha256(clean(same(query)).encode()).hexdigest()


def _tested(
    queries: Mapping[str, str], judged: Sample, left_out: Mapping[str, int], test_qrels: Qrels
) -> tuple[Sample, Sample, dict[str, int]]:
    """Those of the ``judged`` queries that may train, those that ``test_qrels`` holds out, and reason ->
    how many are neither."""
    held_out, without = _usable(queries, test_qrels, judged.ignore_identical_ids)
    held_out, asked = held_out.only(held_out.texts), _texts(held_out)
    train = judged.only(id for id, text in judged.texts.items() if same(text) not in asked)
    counts = {reason: left_out[reason] + without[reason] for reason in left_out}
    counts["held out, so not to train on"] = len(judged) - len(train)
    return train, held_out, counts


def _usable(
    queries: Mapping[str, str], qrels: Qrels, ignore_identical_ids: bool
) -> tuple[Sample, dict[str, int]]:
    qrels = plain(not_judged(qrels) if ignore_identical_ids else qrels)
    asked = answerable(queries, qrels)
    relevant = [id for id in asked if max(qrels[id].values(), default=0) > 0]
    sample = Sample(
        {id: queries[id] for id in relevant}, {id: qrels[id] for id in relevant}, ignore_identical_ids
    )
    left_out = {"no text": len(qrels) - len(asked), "no relevant document": len(asked) - len(relevant)}
    return sample, left_out


def _drawn(sample: Sample, size: int, seed: int) -> set[str]:
    """Draw the queries of ``size`` distinct texts, whatever order the files had them in; a few less where
    no family is small enough to fill the rest."""
    members: dict[str, set[str]] = defaultdict(set)
    for id, name in sample.families.items():
        members[name].add(id)
    names, chosen, room = sorted(members), set[str](), size
    for row in np.random.default_rng(seed).permutation(len(names)):
        family = members[names[row]]
        texts = len({same(sample.texts[id]) for id in family})
        if texts <= room:
            chosen, room = chosen | family, room - texts
    return chosen


def _relevant(grades: Mapping[str, int]) -> Iterator[str]:
    return (id for id, grade in grades.items() if grade > 0)


def _texts(sample: Sample) -> set[str]:
    return set(map(same, sample.texts.values()))
