"""Split judged queries into those that choose a profile and those that judge the choice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
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
    train, left_out = usable(queries, qrels, ignore_identical_ids)
    if test_qrels is None:
        chosen = _drawn(train, min(max_train, ceil(len(_texts(train)) * _TRAIN)), seed)
        held_out, train = train.only(train.texts.keys() - chosen), train.only(chosen)
    else:
        held_out, without = usable(queries, test_qrels, ignore_identical_ids)
        left_out = {reason: left_out[reason] + without[reason] for reason in left_out}
        held_out, known = held_out.only(held_out.texts), _texts(held_out)
        clean = train.only(id for id, text in train.texts.items() if same(text) not in known)
        left_out["held out, so not to train on"] = len(train) - len(clean)
        train = clean.only(_drawn(clean, max_train, seed))
        left_out[f"more than {max_train:,} to train on"] = len(clean) - len(train)
    if len(_texts(train)) < FOLDS or not len(held_out):
        raise InputError(
            f"{len(train)} judged queries to train on and {len(held_out)} held out that have a text and a "
            f"relevant document; tuning takes {fewest(1)} or more held out, and twice as many to train on"
        )
    return Split(train, held_out, {reason: number for reason, number in left_out.items() if number})


def usable(
    queries: Mapping[str, str], qrels: Qrels, ignore_identical_ids: bool
) -> tuple[Sample, dict[str, int]]:
    """The judged queries that have a text and a relevant document, and reason -> how many have not."""
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
